"""The fake providers' real server, in a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

from chatproof.fake_providers.dialects.provider_variables import Provider, base_url
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.server.fake_server import FakeServer, fastest_loop
from chatproof.fake_providers.testing.scripted_fakes import ScriptedFakes

_DEADLINE_S: Final = 15.0


class ThreadedServer(ScriptedFakes):
    """All fake providers on one free port of 127.0.0.1, while the `with` block runs.

    For every client, in any language, that takes a base URL. `scripts`: folders of further scripts. `settings`: those
    of `ScriptedFakes.configure`. OSError where it cannot listen, ScriptError for a bad script.
    """

    def __init__(self, *, scripts: Sequence[Path] = (), **settings: Any) -> None:
        self._server = FakeServer(ScriptLibrary(tuple(scripts)))
        super().__init__(self._server.planner, self._server.journal, settings)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], object] = lambda: None
        self._started = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fake-providers", daemon=True)

    @property
    def url(self) -> str:
        """The root URL, without a slash at its end."""
        return self._server.url

    @property
    def base_url(self) -> str:
        """What OpenAI's clients call a base URL; `base_url_of` for the others."""
        return self.base_url_of("openai")

    def base_url_of(self, provider: Provider) -> str:
        return base_url(provider, self.url)

    def refuse_connections(self, seconds: float) -> None:
        """Refuse new connections for that long; 0: accept them again."""
        if self._loop is None:
            raise RuntimeError("the fake providers are not running")
        asyncio.run_coroutine_threadsafe(self._server.refuse(seconds), self._loop).result(_DEADLINE_S)

    def _pace_changed(self) -> None:
        self._server.pace = self.pace

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(_DEADLINE_S):
            raise TimeoutError(f"the fake providers did not start within {_DEADLINE_S:g} s")
        if self._failed is not None:
            raise self._failed
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._thread.join(_DEADLINE_S)

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=fastest_loop()) as runner:
                runner.run(self._serve())
        except BaseException as problem:
            self._failed = problem
            self._started.set()

    async def _serve(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        await self._server.start()
        self._loop = loop
        self._stop = lambda: loop.call_soon_threadsafe(stop.set)
        self._started.set()
        try:
            await stop.wait()
        finally:
            await self._server.stop()
