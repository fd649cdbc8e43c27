"""Faults that the rows of SIO notice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from engineio.packet import PING  # type: ignore[import-untyped]  # it ships no types

from tests.servers.broken.fault import WHOLE, fault
from tests.servers.parts import Ask, Config, Event, name_of
from tests.servers.plain_server import ChatServer


@fault(
    "broadcast",
    "SIO-06",
    WHOLE,
    may="SIO-07 SIO-09 SIO-12 INT-05 SES-08 SES-09 ERR-06",
    unjudged="INT-03 INT-09",  # a reply is over for the suite when another's end comes
)
class Broadcasts(ChatServer):
    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        await self.sio.emit(name_of(event), event)


@fault("session-room", "SIO-06", "SIO INT-06")
class SessionRoom(ChatServer):
    """To every socket that ever asked in the session."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if ask is None:
            await super().emit(sid, event, ask)
            return
        await self.sio.enter_room(sid, ask.session_id)
        await self.sio.emit(name_of(event), event, room=ask.session_id)


@fault("payload-ignored", "SIO-05", "SIO")
class IgnoresPayloads(ChatServer):
    """Those without anything in them."""

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        if args and args[0] is not None:
            await super().on_chat_stream(sid, *args)


@fault("blank-payload-asked", "SIO-05", "SIO-03 SIO-05 SIO-10", says="emit chat_stream ({'message': ''")
class AsksBlankSlowly(ChatServer):
    """An empty message goes to the provider, and its reply comes late. All other payloads are refused."""

    def is_message(self, text: str) -> bool:
        return text == "" or super().is_message(text)

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if ask.message == "" and "done" in event:
                    await asyncio.sleep(0.5)
                yield event


@fault("interleaved", "SIO-11", "SIO")
class Interleaves(ChatServer):
    def take_turn(self, sid: str) -> None:
        """No turns."""


@fault("asks-once", "SIO-10", "SIO-01 SIO-02 SIO-03 SIO-05 SIO-10 SIO-11", may="SIO-05 SIO-11")
class AsksOnce(ChatServer):
    """A socket's first turn never ends."""

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        await super().on_chat_stream(sid, *args)
        self.running.setdefault(sid, asyncio.create_task(asyncio.sleep(0)))


@fault(
    "no-pings",
    "SIO-09",
    "SIO-01 SIO-03 SIO-09",
    may="SIO-09",
)
class NoPings(ChatServer):
    """From a socket's first reply on."""

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        socket = self.sio.eio.sockets[self.sio.manager.eio_sid_from_sid(sid, "/")]
        send = socket.send

        async def send_no_ping(packet: Any) -> None:
            if packet.packet_type != PING:
                await send(packet)

        socket.send = send_no_ping
        await super().on_chat_stream(sid, *args)


@fault("polling-only", "SIO-01", "SIO-01 SSE-01", may="")
class PollingOnly(ChatServer):
    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.sio.eio.transports = ["polling"]
