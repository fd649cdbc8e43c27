"""Faults that INT-11 and INT-12 notice: of clients of Socket.IO that leave, wait or stop reading."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from engineio.async_drivers.aiohttp import WebSocket  # type: ignore[import-untyped]  # it ships no types

from tests.servers.broken.fault import fault
from tests.servers.engine_sockets import EngineSockets
from tests.servers.parts import Ask, Config, Event
from tests.servers.plain_server import ChatServer
from tests.servers.unheard import unheard

INT_11, INT_12 = "SIO-01 INT-11", "SIO-01 INT-12"


@fault("socket-end-noticed-on-emit", "INT-11", INT_11, says="the provider's connection stayed open")
class NoticedOnEmit(ChatServer):
    """A reply looks whether its client is there when it has something to say."""

    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        """Nothing is told."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if not self.sio.manager.is_connected(sid, "/"):
            raise asyncio.CancelledError
        await super().emit(sid, event, ask)


@fault("socket-end-noticed-by-pings", "INT-11", INT_11, says="the provider's connection stayed open")
class NoticedByPings(EngineSockets):
    """Below the framework: a connection whose client has gone is kept until a ping is not answered."""

    def change(self, engine: Any, polls: bool) -> None:
        close = engine.close

        async def close_late(*args: Any, **how: Any) -> None:
            await asyncio.sleep(6)
            await close(*args, **how)

        engine.close = close_late

    async def on_disconnect(self, sid: str, reason: str = "") -> None:
        if reason != "client disconnect":
            await super().on_disconnect(sid, reason)


@fault("waiting-ask-outlives-its-socket", "INT-11", INT_11, says="a client asked twice on one socket, and left")
class OutlivesItsSocket(ChatServer):
    """Asks of one socket stand in line, and the line goes on when the socket has gone."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.turns: dict[str, asyncio.Lock] = {}

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        async with self.turns.setdefault(sid, asyncio.Lock()):
            await super().on_chat_stream(sid, *args)


@fault("session-line-outlives-its-clients", "INT-11", INT_11, says="a client asked in a session in which a reply ran")
class OutlivesItsClients(ChatServer):
    """A worker takes the asks of a session one after the other, whether or not somebody still waits for them."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.lines: dict[str, asyncio.Lock] = {}
        self.waiting: set[str] = set()

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        line = self.lines.setdefault(ask.session_id, asyncio.Lock())
        if not line.locked():
            async with line, aclosing(super().reply(ask)) as events:
                async for event in events:
                    yield event
            return

        async def in_line() -> AsyncGenerator[Event, None]:
            async with line:
                async for event in ChatServer.reply(self, ask):
                    yield event

        async for event in unheard(in_line(), self.background):
            yield event


@fault("stuck-socket", "INT-12", INT_12, says="while three sockets did not read, over ")
class StuckSocket(EngineSockets):
    """Backpressure, but for all sockets together: whoever emits waits until there is room, and all others behind it."""

    most = 12  # packets

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.door = asyncio.Lock()

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        async with self.door:
            engine = self.engine_of(sid)
            while engine and not engine.closed and engine.queue.qsize() > self.most:
                await asyncio.sleep(0.005)
            await super().emit(sid, event, ask)


@fault("one-socket-writes-at-a-time", "INT-12", INT_12, says="while three sockets did not read, over websocket: ")
class OneWritesAtATime(ChatServer):
    """Below the framework: all WebSockets are written through one door."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        door = asyncio.Lock()

        class OneAtATime(WebSocket):  # type: ignore[misc]  # it ships no types
            async def send(self, message: Any) -> None:
                async with door:
                    await super().send(message)

        self.sio.eio._async = {**self.sio.eio._async, "websocket": OneAtATime}
