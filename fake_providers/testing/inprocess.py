"""The fake providers without a server: respx brings a client's requests here, and its own HTTP code reads the reply.

    with InProcess() as fakes:
        OpenAI(base_url=fakes.base_url, api_key="sk-fake").models.list()

Below the clients `httpx` and `httpx2` lie `httpcore` and `httpcore2`. Their pools are intercepted, and their own
HTTP/1.1 connection is given the bytes that the server would write: so each error is the one that the client raises
for what it read, and nobody here imitates it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, get_args

from chatproof.fake_providers.dialects.addresses import (
    HOSTS,
    REAL_HOSTS,
    SEQUENCE_NAME,
    Provider,
    base_url,
    sequence_for_all,
)
from chatproof.fake_providers.journal.journal import Journal
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.scripting.library import Library
from chatproof.fake_providers.scripting.script import parse_script
from chatproof.fake_providers.server.fake_server import FakeServer
from chatproof.fake_providers.testing.interception import routers
from chatproof.fake_providers.testing.playback import Playback

if TYPE_CHECKING:
    import httpx

__all__ = ["InProcess"]

_PATIENCE_S: Final = 60.0


class InProcess:
    """Fake providers for the clients of this process, from `with` to its end, in all its threads.

    `provider`: the only one to answer for, None for all. `pace`: real seconds for one second of a script; 0 waits
    for nothing. A client's read timeout counts in the script's time, so what times out at one pace does at any.
    `scripts`: folders of further scripts. `hosts`: further "host" or "host:port" to answer for, beside the fakes'
    own names and the real providers'. `patience`: real seconds after which a client that would wait for ever
    (a stalled reply, and no read timeout) fails. ValueError, ScriptError.
    """

    def __init__(
        self,
        provider: Provider | None = None,
        *,
        pace: float = 1.0,
        scripts: Sequence[Path] = (),
        hosts: Iterable[str] = (),
        patience: float = _PATIENCE_S,
    ) -> None:
        if not pace >= 0:
            raise ValueError(f"pace must be 0 or more, not {pace:g}")
        providers: tuple[Provider, ...] = get_args(Provider) if provider is None else (provider,)
        self.pace = pace
        self.patience = patience
        self.refusing = False
        """While True, connections are refused."""
        self._main: Final = providers[0]
        self._server = FakeServer(Library(tuple(scripts)))
        own = [host for name in providers for host in (HOSTS[name], *REAL_HOSTS[name])]
        self._hosts: Final = frozenset([*own, *hosts])
        self._lock = threading.Lock()
        self._patches = ExitStack()

    @property
    def journal(self) -> Journal:
        return self._server.journal

    @property
    def url(self) -> str:
        """The provider's root URL, without a slash at its end; OpenAI's where all are answered for."""
        return self.url_of(self._main)

    @property
    def base_url(self) -> str:
        """What the provider's clients call a base URL."""
        return base_url(self._main, self.url)

    def url_of(self, provider: Provider) -> str:
        """The root URL of one of several."""
        return f"http://{HOSTS[provider]}"

    def plays(self, *names: str) -> None:
        """Answer requests that name no scenario with these scripts, one after the other; the last one stays."""
        self.script(SEQUENCE_NAME, sequence_for_all(names))
        self._server.answering.turns.clear()

    def script(self, name: str, toml: str) -> None:
        """Add or replace a script. ScriptError says what is wrong with it."""
        self._server.answering.library.register(parse_script(name, toml))

    def __enter__(self) -> Self:
        for router in routers(self):
            self._patches.enter_context(router)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patches.close()

    def answers(self, url: httpx.URL) -> bool:
        """Is this request for the fakes?"""
        port = url.port or {"http": 80, "https": 443}.get(url.scheme)
        return url.host in self._hosts or f"{url.host}:{port}" in self._hosts

    def play(self, request: httpx.Request) -> Playback:
        """The answer to a request that has been read."""
        target = request.url.raw_path.decode("ascii")
        headers = {name.lower(): value for name, value in request.headers.items()}
        keep_alive = headers.get("connection", "").lower() != "close"
        parsed = as_request(request.method, target, headers, request.content)
        with self._lock:
            plan, entry = self._server.provide(parsed, True, keep_alive)
        return Playback(plan, entry, self.journal, self.pace)
