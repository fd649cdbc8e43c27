"""The fake providers without a server: the requests of httpx and httpx2 are answered inside this process.

    with InProcess() as fakes:
        OpenAI(base_url=fakes.base_url, api_key="sk-fake").models.list()

The planner is the served fakes' own, so the bytes are the same. `interception` says how they reach the client.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, get_args

from chatproof.fake_providers.dialects.provider_variables import (
    HOSTS,
    REAL_DOMAINS,
    REAL_HOSTS,
    Provider,
    base_url,
)
from chatproof.fake_providers.journal.journal import Journal
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.planning.planner import Planner
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.testing.interception import intercepted
from chatproof.fake_providers.testing.playback import Playback
from chatproof.fake_providers.testing.scripted_fakes import ScriptedFakes

if TYPE_CHECKING:
    import httpx

_PATIENCE_S: Final = 60.0


class InProcess(ScriptedFakes):
    """Fake providers for the clients of this process, in all its threads, while the `with` block runs.

    `provider`: the only one to answer for (default: all). A client's read timeout counts in the script's time, so a
    request that times out at one pace does so at every pace. `scripts`: folders of further scripts. `hosts`: further
    "host" or "host:port" to answer for, beside the fakes' own names and the real providers'. `patience`: real seconds
    after which a client fails that would wait for ever, because the reply stalls and the client has no read timeout.
    `settings`: those of `ScriptedFakes.configure`.
    ValueError, ScriptError.
    """

    def __init__(
        self,
        provider: Provider | None = None,
        *,
        scripts: Sequence[Path] = (),
        hosts: Iterable[str] = (),
        patience: float = _PATIENCE_S,
        **settings: Any,
    ) -> None:
        super().__init__(Planner(ScriptLibrary(tuple(scripts))), Journal(), settings)
        providers: tuple[Provider, ...] = get_args(Provider) if provider is None else (provider,)
        self.patience = patience
        self.refusing = False
        """While True, connections are refused."""
        self._main: Final = providers[0]
        own = [host for name in providers for host in (HOSTS[name], *REAL_HOSTS[name])]
        self._hosts: Final = frozenset([*own, *hosts])
        self._domains: Final = tuple(domain for name in providers for domain in REAL_DOMAINS.get(name, ()))
        self._lock = threading.Lock()
        self._patches = ExitStack()

    @property
    def url(self) -> str:
        """The provider's root URL, without a slash at its end; OpenAI's if all providers are answered for."""
        return self.url_of(self._main)

    @property
    def base_url(self) -> str:
        """What the provider's clients call a base URL."""
        return base_url(self._main, self.url)

    def url_of(self, provider: Provider) -> str:
        return f"http://{HOSTS[provider]}"

    def __enter__(self) -> Self:
        self._patches = intercepted(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    def answers(self, url: httpx.URL) -> bool:
        """Whether a request to this URL is for the fakes."""
        port = url.port or {"http": 80, "https": 443}.get(url.scheme)
        return (
            url.host in self._hosts
            or f"{url.host}:{port}" in self._hosts
            or (self._domains != () and url.host.endswith(self._domains))
        )

    def play(self, request: httpx.Request) -> Playback:
        """The reply to a request whose body has been read."""
        target = request.url.raw_path.decode("ascii")
        headers = {name.lower(): value for name, value in request.headers.items()}
        keep_alive = headers.get("connection", "").lower() != "close"
        parsed = as_request(request.method, target, headers, request.content)
        received = time.monotonic()
        with self._lock:
            answer = self._planner.answer(parsed, chunks_allowed=True, keep_alive=keep_alive)
        entry = self.journal.open(parsed, answer, received)
        plan = answer.plan.at_pace(0) if self._instant else answer.plan
        return Playback(plan, entry, self.journal, self.pace)
