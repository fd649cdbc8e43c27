"""Faults of sockets that poll, and of those that begin with polling and move to a WebSocket."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web
from engineio.packet import MESSAGE, NOOP, PING  # type: ignore[import-untyped]  # it ships no types

from tests.servers.broken.fault import fault
from tests.servers.engine_sockets import EngineSockets
from tests.servers.parts import Ask, Config, Event
from tests.servers.plain_server import ChatServer, Handler


def _is_event(packet: Any) -> bool:
    """Whether an Engine.IO packet carries an event of Socket.IO. None stands for the end."""
    return packet is not None and packet.packet_type == MESSAGE and str(packet.data).startswith("2")


@fault(
    "upgraded-forgotten", "SIO-13", "SIO-13 SIO-01", says="ask 1 of a socket that had moved to a WebSocket: 0 tokens"
)
class ForgetsTheUpgraded(EngineSockets):
    """Asks of a socket that has moved find no client."""

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        if not self.has_moved(sid):
            await super().on_chat_stream(sid, *args)


@fault("upgrade-loses-the-queue", "SIO-13", "SIO-13 SIO-01", says="never came: ")
class LosesTheQueue(EngineSockets):
    """Below the framework: what is said during the move stays in the queue of the transport that is given up."""

    def change(self, engine: Any, polls: bool) -> None:
        if polls:
            put = engine.queue.put

            async def put_unless_moving(packet: Any) -> None:
                if not (engine.upgrading and _is_event(packet)):
                    await put(packet)

            engine.queue.put = put_unless_moving


@fault("upgrade-repeats", "SIO-13", "SIO-13 SIO-01", says="came twice: ")
class RepeatsAtTheMove(EngineSockets):
    """To be safe, the last event is sent again over the new transport."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.last: dict[str, Event] = {}

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if self.has_moved(sid) and sid in self.last:
            await super().emit(sid, self.last.pop(sid), ask)
        if not self.has_moved(sid):
            self.last[sid] = event
        await super().emit(sid, event, ask)


@fault("upgrade-ends-the-reply", "SIO-13", "SIO-13 SIO-01", says="the reply was not completed after the move: ")
class EndsTheReply(EngineSockets):
    """The end of polling is taken for the end of its client."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        sid = self.asker()
        began_moved = self.has_moved(sid)
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if self.has_moved(sid) and not began_moved:
                    return
                yield event


@fault("upgrade-refused", "SIO-13", "SIO-13 SIO-01", says="the upgrade to WebSocket failed: the server refused")
class RefusesTheMove(ChatServer):
    """In front of the framework: a proxy that lets a WebSocket through only where it begins one."""

    @web.middleware
    async def as_json(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if "sid" in request.query and "Upgrade" in request.headers:
            return web.Response(status=400)
        return await super().as_json(request, handler)


@fault("upgrade-leaves-the-poll-open", "SIO-13", "SIO-13 SIO-01", says="the open poll was not answered within 5 s")
class LeavesThePollOpen(EngineSockets):
    """Below the framework: nobody ends the poll that is open, so the move waits for the next ping, as late as usual."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.sio.eio.ping_interval = 25

    def change(self, engine: Any, polls: bool) -> None:
        if polls:
            poll = engine.poll

            async def poll_without_noop() -> Any:
                packets = await poll()
                while engine.upgrading and [packet.packet_type for packet in packets] == [NOOP]:
                    packets = await poll()
                return packets

            engine.poll = poll_without_noop


@fault("polling-loses-letters", "SIO-02", "SIO-01 SIO-02", says="became '??????????'", contract=2)
class PollingLosesLetters(EngineSockets):
    """Below the framework: answers to polls are written in Latin-1."""

    def change(self, engine: Any, polls: bool) -> None:
        if polls:
            poll = engine.poll

            async def poll_latin_1() -> Any:
                packets = await poll()
                for packet in packets:
                    if isinstance(packet.data, str) and not engine.upgraded:
                        packet.data = re.sub(r"\\u(?!00)[0-9a-f]{4}", "?", packet.data)
                return packets

            engine.poll = poll_latin_1


@fault("polling-loses-errors", "SIO-08", "SIO-01 SIO-08", says="no error: ", contract=2)
class PollingLosesErrors(EngineSockets):
    """Errors go to the WebSocket of a client, which those who poll have not."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if "error" not in event or self.engine_of(sid).upgraded:
            await super().emit(sid, event, ask)


@fault("upgraded-loses-errors", "SIO-08", "SIO-01 SIO-08", says="no error: ", contract=2)
class UpgradedLosesErrors(EngineSockets):
    """Errors go to the transport with which a client began."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if "error" not in event or not self.has_moved(sid):
            await super().emit(sid, event, ask)


@fault("upgraded-not-pinged", "SIO-09", "SIO-01 SIO-09", says="without one", contract=2)
class UpgradedNotPinged(EngineSockets):
    """Below the framework: pings belong to polling, and end with it."""

    def change(self, engine: Any, polls: bool) -> None:
        send = engine.send

        async def send_unless_moved(packet: Any) -> None:
            if not (polls and engine.upgraded and packet.packet_type == PING):
                await send(packet)

        engine.send = send_unless_moved


@fault("upgraded-not-cancelled", "INT-03", "SIO-01 INT-03", says="whose socket had moved", contract=2)
class UpgradedNotCancelled(EngineSockets):
    """Who leaves is known by the transport with which they began."""

    async def on_disconnect(self, sid: str, reason: str = "") -> None:
        if sid not in self.polled:
            await super().on_disconnect(sid, reason)


@fault("upgraded-held-back", "SIO-13", "SIO-13 SIO-01", says="characters had arrived when the provider went on")
class HoldsBackTheUpgraded(EngineSockets):
    """A socket that has moved gets its reply in one piece."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        sid = self.asker()
        async with aclosing(super().reply(ask)) as events:
            if not self.has_moved(sid):
                async for event in events:
                    yield event
                return
            for event in [event async for event in events]:
                yield event


@fault("upgrade-turns-the-queue", "SIO-13", "SIO-13 SIO-01", says="came after later ones: ")
class TurnsTheQueue(EngineSockets):
    """Below the framework: what waited during the move is sent, the last first."""

    def change(self, engine: Any, polls: bool) -> None:
        if polls:
            put, waiting = engine.queue.put, list[Any]()

            async def put_turned(packet: Any) -> None:
                if engine.upgrading and _is_event(packet):
                    waiting.append(packet)
                    return
                while waiting:
                    await put(waiting.pop())
                await put(packet)

            engine.queue.put = put_turned


@fault("upgrade-drops-the-session", "SIO-13", "SIO-13 SIO-01", says="the next ask in the session of that reply: the")
class DropsTheSession(EngineSockets):
    """The close of the polling transport counts as the client's end: what it said in mid-reply is thrown away."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.moved: set[str] = set()

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if ask and "count" in event and event["count"] > 1 and self.has_moved(sid) and sid not in self.moved:
            self.moved.add(sid)
            self.forget(ask.session_id)
        await super().emit(sid, event, ask)
