"""Packets that a lenient client reads, and that make the official client give the socket up; pings that do not come."""

from __future__ import annotations

import math
from typing import Any

from engineio.packet import PING  # type: ignore[import-untyped]  # it ships no types

from tests.servers.broken.fault import fault
from tests.servers.engine_sockets import EngineSockets
from tests.servers.parts import Ask, Config, Event
from tests.servers.plain_server import ChatServer

CONNECT = 0  # Socket.IO's type of packet


@fault("joins-without-an-id", "SIO-01", "SIO-01", says="a connect packet without a `sid`", contract=2)
class JoinsWithoutAnId(ChatServer):
    """As a hand-written server does: the connect packet is answered with its own type, and nothing behind it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        send = self.sio._send_packet

        async def send_bare(socket: str, packet: Any) -> None:
            if packet.packet_type == CONNECT:
                packet.data = None
            await send(socket, packet)

        self.sio._send_packet = send_bare


@fault("upgrades-are-null", "SIO-01", "SIO-01", says="not an Engine.IO handshake", contract=2)
class UpgradesAreNull(ChatServer):
    """As Go writes a slice with nothing in it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.sio.eio._upgrades = lambda sid, transport: None


@fault("tells-not-a-number", "SIO-02", "SIO-02", says="an event that is not JSON", contract=2)
class TellsNotANumber(ChatServer):
    """A field more in each token, of which the provider said nothing. Python writes it as NaN."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        await super().emit(sid, {**event, "logprob": math.nan} if "token" in event else event, ask)


@fault("polling-not-pinged", "SIO-09", "SIO-09", says="without one", contract=2)
class PollingNotPinged(EngineSockets):
    """A client that polls is heard of anyway, so it gets no pings, and gives the socket up for it."""

    def change(self, engine: Any, polls: bool) -> None:
        send = engine.send

        async def send_no_ping(packet: Any) -> None:
            if polls and packet.packet_type == PING and not engine.upgraded:
                engine.last_ping = None
                return
            await send(packet)

        engine.send = send_no_ping
