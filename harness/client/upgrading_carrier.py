"""Engine.IO that begins with long polling, and may move to a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from chatproof.harness.client.engineio_transports import (
    HANDSHAKE_TIMEOUT,
    CarrierClosed,
    Packet,
    PollingCarrier,
    WebSocketCarrier,
)
from chatproof.harness.protocol.engineio import PROBE, PROBED, UPGRADE
from chatproof.harness.protocol.excerpts import shown


@dataclass(slots=True)
class UpgradingCarrier:
    """Long polling, until `upgrade` moves it to a WebSocket in the steps of the official client."""

    polling: PollingCarrier
    _websocket: WebSocketCarrier | None = None
    _is_moving: bool = False
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _drained: asyncio.Event = field(default_factory=asyncio.Event)
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _broken: str = ""

    async def open(self) -> None:
        await self.polling.open()

    async def send(self, packet: str) -> None:
        async with self._sending:  # held during the move: the official client keeps its packets back as well
            if self._moved.is_set() and self._websocket:
                await self._websocket.send(packet)
            else:
                await self.polling.send(packet)

    async def receive(self) -> Iterable[Packet]:
        if not self._is_moving:
            try:
                return await self.polling.receive()
            except CarrierClosed as error:
                self._broken = str(error)
                self._drained.set()
                raise
        self._drained.set()  # the last poll came back, and the caller took its packets
        await self._moved.wait()
        assert self._websocket is not None
        return await self._websocket.receive()

    async def upgrade(self, meanwhile: Callable[[], Awaitable[object]] | None = None) -> None:
        """Move to a WebSocket, where the server's handshake offers it.

        A WebSocket for the same socket is opened and tried. Then no further poll begins, and once the open one came
        back, the server is told to go on over the WebSocket.

        Args:
            meanwhile: awaited just before the server is told.

        Raises:
            CarrierClosed: a step failed; the text says which.
        """
        opened = self.polling.opened
        if opened is None or not opened.offers_websocket:
            return  # the official client stays with polling
        polling = self.polling
        query = f"{polling.introduction.query}&sid={opened.sid}"
        headers = (*polling.introduction.headers_to(polling.target, is_socket=True), *polling.cookies)
        self._websocket = WebSocketCarrier(polling.target, polling.source, query, headers)
        await self._websocket.open()
        await self._websocket.send(PROBE)
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                answer = [packet.text for packet in await self._websocket.receive()]
        except TimeoutError:
            raise CarrierClosed(f"the probe ({PROBE}) was not answered within {HANDSHAKE_TIMEOUT:g} s") from None
        if answer != [PROBED]:
            raise CarrierClosed(f"the probe ({PROBE}) was answered with {shown(answer, 120)} instead of {PROBED}")
        async with self._sending:
            self._is_moving = True
            try:
                async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                    await self._drained.wait()
            except TimeoutError:
                raise CarrierClosed(f"the open poll was not answered within {HANDSHAKE_TIMEOUT:g} s") from None
            if self._broken:
                raise CarrierClosed(self._broken)
            if meanwhile:
                await meanwhile()
            await self._websocket.send(UPGRADE)
            self._moved.set()

    async def close(self) -> None:
        await self.polling.close()
        if self._websocket:
            await self._websocket.close()

    async def vanish(self) -> None:
        await self.polling.vanish()
        if self._websocket:
            await self._websocket.vanish()


Carrier = WebSocketCarrier | UpgradingCarrier
"""Carries Engine.IO packets. `open`, `send` and `receive` raise CarrierClosed; `close` hangs up in order, `vanish` by
RST and without a goodbye."""
