"""The fake providers over HTTP: listening, journaling, caching what was rendered."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from chatproof.fake_providers.dialects.base import Ask, Dialect, Reply, Request
from chatproof.fake_providers.journal.journal import Entry, Journal
from chatproof.fake_providers.planning.http_writes import Grouping, Plan, plan
from chatproof.fake_providers.planning.planner import Answering
from chatproof.fake_providers.planning.sequences import Turns
from chatproof.fake_providers.scripting.library import Library
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.server.admin import PREFIX, Admin
from chatproof.fake_providers.server.http_connection import Connection
from chatproof.fake_providers.server.workers import Place, Together
from chatproof.harness.common.redaction import redacted_headers, redacted_path

_CACHE_BYTES: Final = 32_000_000
_BACKLOG: Final = 2_048

_CacheKey = tuple[str, Ask, bool, bool]


class FakeServer:
    """Fake providers on one port of one host.

    `scripts`: the built-in ones (None), these by name, or a library; `start` binds (port 0: one that the
    system picks) and raises OSError where it cannot. `place`: one of several workers that share the port.
    For one event loop; uvloop is the fastest, any will do.
    """

    def __init__(
        self,
        scripts: Library | Mapping[str, Script] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        place: Place | None = None,
    ) -> None:
        library = scripts if isinstance(scripts, Library) else Library(base=scripts)
        self.answering = Answering(library, Turns(place.turns) if place is not None else None)
        self.journal = Journal()
        self.connections: set[Connection] = set()
        self.refusing = False
        self.host = host
        self.port = port
        self.admin = Admin(self)
        self._place = place
        self._together = Together(place, self.admin.answer) if place is not None else None
        self._private = _Private(self)
        self._private_listener: asyncio.Server | None = None
        self._plans: OrderedDict[_CacheKey, Plan] = OrderedDict()
        self._plans_size = 0
        self._port_holder: socket.socket | None = None
        self._listener: asyncio.Server | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def scripts(self) -> Mapping[str, Script]:
        """All scripts by name, as they are now."""
        return self.answering.library.current()

    @property
    def url(self) -> str:
        """The root URL, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        # A socket that never listens keeps the port ours while connections are being refused.
        self._port_holder = self._bound_socket(self.port)
        self.port = self._port_holder.getsockname()[1]
        if self._place is not None:
            path = self._place.socket(self._place.index)
            loop = asyncio.get_running_loop()
            self._private_listener = await loop.create_unix_server(lambda: Connection(self._private), str(path))
        await self._listen()

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._reopening is not None:
            self._reopening.cancel()
        for task in list(self._tasks):
            await task
        await self._stop_listening()
        if self._private_listener is not None:
            self._private_listener.close()
        if self._together is not None:
            await self._together.aclose()
        for connection in [*self.connections, *self._private.connections]:
            connection.abort()
        if self._port_holder is not None:
            self._port_holder.close()
        await asyncio.sleep(0)  # let the aborted transports close their sockets

    async def refuse(self, seconds: float) -> None:
        """Refuse new connections for that long; idle provider connections are closed, so that none is reused."""
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        self.refusing = seconds > 0
        if not self.refusing:
            await self._listen()
            return
        await self._stop_listening()
        for connection in list(self.connections):
            connection.close_if_idle()
        self._reopening = asyncio.get_running_loop().call_later(seconds, self._reopen)

    # what a connection asks for

    def is_control(self, path: str) -> bool:
        return path.startswith(PREFIX)

    async def control(self, request: Request) -> Reply:
        return await (self._together or self.admin).answer(request)

    def provide(self, request: Request, chunks_allowed: bool, keep_alive: bool) -> tuple[Plan, Entry]:
        """The answer to a provider's request, and its new journal entry."""
        received = time.monotonic()
        answer = self.answering.answer(request)
        ask = answer.ask
        if ask is not None:
            made = self._planned(answer.dialect, ask, chunks_allowed, keep_alive)
        else:
            made = plan(answer.render(), chunks_allowed, keep_alive, head_only=request.method == "HEAD")

        def entry(number: int) -> Entry:
            return Entry(
                id=number,
                provider=answer.dialect.NAME,
                method=request.method,
                path=redacted_path(request.path, request.query),
                headers=redacted_headers(request.headers),
                body=request.json,
                received=received,
                stream=ask.stream if ask is not None else False,
                script=(ask.scenario or ask.script.name or None) if ask is not None else None,
                case=answer.case,
            )

        return made, self.journal.begin(entry, len(request.body), len(made.writes))

    def _planned(self, dialect: Dialect, ask: Ask, chunks_allowed: bool, keep_alive: bool) -> Plan:
        key = (dialect.NAME, ask, chunks_allowed, keep_alive)
        found = self._plans.get(key)
        if found is not None:
            self._plans.move_to_end(key)
            return found
        script = ask.script
        grouping = Grouping(script.writes == "each", script.events_per_write)
        made = plan(dialect.render(ask), chunks_allowed, keep_alive, grouping=grouping)
        self._plans[key] = made
        self._plans_size += made.size
        while self._plans_size > _CACHE_BYTES:
            self._plans_size -= self._plans.popitem(last=False)[1].size
        return made

    # listening

    def _bound_socket(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # asyncio sets TCP_NODELAY only where the protocol is named; without it, events wait 40 ms for each other
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._place is not None:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.setblocking(False)
            bound.bind((self.host, port))
        except OSError:
            bound.close()
            raise
        return bound

    async def _listen(self) -> None:
        if self._listener is not None:
            return
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self), sock=self._bound_socket(self.port), backlog=_BACKLOG
        )

    async def _stop_listening(self) -> None:
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        for _ in range(2):  # uvloop closes its handles in the loop's next round
            await asyncio.sleep(0)

    def _reopen(self) -> None:
        self.refusing = False
        task = asyncio.get_running_loop().create_task(self._listen())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Private:
    """What answers on a worker's own socket: the control of this worker alone."""

    def __init__(self, server: FakeServer) -> None:
        self.journal = server.journal
        self.refusing = False
        self.connections: set[Connection] = set()
        self._admin = server.admin

    def is_control(self, path: str) -> bool:
        return True

    async def control(self, request: Request) -> Reply:
        return await self._admin.answer(request)

    def provide(self, request: Request, chunks_allowed: bool, keep_alive: bool) -> tuple[Plan, Entry]:
        raise AssertionError("providers do not answer here")
