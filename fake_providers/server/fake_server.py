"""The fake providers over HTTP: one listener on one port."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Final

from chatproof.fake_providers.journal.journal import Journal
from chatproof.fake_providers.planning.planner import Planner
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.script_library import ScriptLibrary
from chatproof.fake_providers.server.admin import Admin
from chatproof.fake_providers.server.http_connection import HttpConnection
from chatproof.fake_providers.server.turnstile import Turnstile

_BACKLOG: Final = 2_048


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop to serve on: uvloop's where it is installed."""
    try:
        import uvloop
    except ImportError:  # an extra, and there is none for Windows
        return asyncio.new_event_loop
    return uvloop.new_event_loop


class FakeServer:
    """Fake providers on one port of one host.

    `scripts`: the built-in ones (None), these by name, or a library. `start` binds (port 0: a free one) and raises
    OSError if it cannot. For one event loop; uvloop is the fastest, any will do. `strict`: see `Planner`.
    """

    def __init__(
        self,
        scripts: ScriptLibrary | Mapping[str, Script] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        strict: bool = False,
    ) -> None:
        library = scripts if isinstance(scripts, ScriptLibrary) else ScriptLibrary(base=scripts)
        self.planner = Planner(library, strict=strict)
        self.journal = Journal()
        self.connections: set[HttpConnection] = set()
        self.pace = 1.0
        """Real seconds for one second of a script; 0: nothing waits."""
        self.refusing = False
        self.turnstile = Turnstile()
        self.host = host
        self.port = port
        self.admin = Admin(self)
        self._port_holder: socket.socket | None = None
        self._listener: asyncio.Server | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The root URL, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        # A socket that never listens keeps the port ours while connections are refused.
        self._port_holder = self._bound_socket(self.port)
        self.port = self._port_holder.getsockname()[1]
        await self._listen()

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._reopening is not None:
            self._reopening.cancel()
        for task in list(self._tasks):
            await task
        await self._stop_listening()
        for connection in list(self.connections):
            connection.abort()
        if self._port_holder is not None:
            self._port_holder.close()
        await asyncio.sleep(0)  # let the aborted transports close their sockets

    async def refuse(self, seconds: float) -> None:
        """Refuse new connections for that many seconds, and close idle connections, so that no client reuses one.

        0: accept connections again. OSError if it cannot listen again.
        """
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

    def _bound_socket(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # asyncio sets TCP_NODELAY only where the protocol is named; without it, events wait 40 ms for each other
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
            lambda: HttpConnection(self), sock=self._bound_socket(self.port), backlog=_BACKLOG
        )

    async def _stop_listening(self) -> None:
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        for _ in range(2):  # uvloop closes its handles in the next turn of the loop
            await asyncio.sleep(0)

    def _reopen(self) -> None:
        self.refusing = False
        task = asyncio.get_running_loop().create_task(self._listen())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
