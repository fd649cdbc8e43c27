"""A Socket.IO v5 client that records: every packet with its arrival time, every event in a transcript."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from chatproof.harness.client.engineio_transports import CarrierClosed, Packet, PollingCarrier, WebSocketCarrier
from chatproof.harness.client.http import Deadlines
from chatproof.harness.client.introduction import UNKNOWN, Introduction
from chatproof.harness.client.upgrading_carrier import Carrier, UpgradingCarrier
from chatproof.harness.common.target import Target
from chatproof.harness.protocol import engineio
from chatproof.harness.protocol.apis.api import Api, SocketAsk
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM
from chatproof.harness.protocol.memory_budget import STOPPED, MemoryBudget, SizeLimits
from chatproof.harness.protocol.sent import Emit, Sent, SentEvents
from chatproof.harness.protocol.transcript import End, Transcript, Transport

CONNECT_TIMEOUT = 5.0
SENT_KEPT = 20
EMITS_KEPT = 12  # the last events sent on a socket that it remembers
GOODBYE = 5.0  # seconds that a server may take to take the packets of a disconnect
PONGS_AT_ONCE = 10  # answers to pings that came together; an honest server sends one in many seconds
MOST_PACKETS = 100_000  # that one socket reads; the longest reply has a few thousand


class NotConnected(Exception):
    """The server did not take the Socket.IO connection, or ended it; the text says how."""


class NotUpgraded(NotConnected):
    """The move from polling to a WebSocket failed."""


@dataclass(slots=True)
class SocketClient:
    """One socket. Events go to the transcript of the last ask, or to `strays` before the first ask.

    `began_at`, `lost_at` and `left_at`: when the client began to connect, when the server refused or ended the
    connection, when the client left; in seconds, 0 where it has not happened. `sent`: the last packets that it sent.
    `receive_buffer`: SO_RCVBUF in bytes of a WebSocket, for a client that shall stop reading.
    """

    target: Target
    transport: Transport
    source: str | None = None
    api: Api = CHAT_STREAM
    budget: MemoryBudget | None = None
    receive_buffer: int | None = None
    introduction: Introduction = UNKNOWN
    opened: engineio.Opened | None = None
    opened_at: float = 0.0
    began_at: float = 0.0
    lost_at: float = 0.0
    left_at: float = 0.0
    sent: deque[Packet] = field(default_factory=lambda: deque(maxlen=SENT_KEPT))
    pings: list[float] = field(default_factory=list)
    strays: Transcript = field(init=False)
    decoder: engineio.PacketDecoder = field(default_factory=engineio.PacketDecoder)
    _carrier: Carrier | None = None
    _task: asyncio.Task[None] | None = None
    _current: Transcript | None = None
    _joined: bool = False
    _packets: int = 0
    _pongs: int = 0
    _closed: str = ""
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.strays = self._transcript(f"connect over {self.transport}")
        self.strays.sent = self._sent()

    def _transcript(self, request: str = "", limits: SizeLimits | None = None) -> Transcript:
        limits = limits or SizeLimits()
        return Transcript(self.transport, api=self.api, request=request, limits=limits, budget=self.budget)

    async def connect(self) -> Self:
        """Connect to the namespace `/`, and where the transport is to be upgraded, do that as well.

        Raises:
            NotConnected: the server refused, or did not answer within `CONNECT_TIMEOUT` seconds.
            NotUpgraded: it did connect, but not over the other transport.
        """
        who, target = self.introduction, self.target
        headers = who.headers_to(target, is_socket=True)
        carrier: Carrier = WebSocketCarrier(target, self.source, who.query, headers, self.receive_buffer)
        if self.transport is not Transport.WEBSOCKET:
            carrier = UpgradingCarrier(PollingCarrier(target, self.source, self.budget, who))
        self._carrier = carrier
        self.began_at = time.monotonic()
        try:
            await carrier.open()
            self._task = asyncio.create_task(self._run(carrier))
            await self._wait(lambda: self.opened is not None or self._closed, CONNECT_TIMEOUT, "no handshake")
            await self._join_and_upgrade(carrier)
        except CarrierClosed as error:
            self._end(str(error))
            await self.close()
            raise NotConnected(str(error)) from error
        except NotConnected:
            await self.close()
            raise
        return self

    async def _join_and_upgrade(self, carrier: Carrier) -> None:
        """Join the namespace, and upgrade at the same time, as the official client does."""
        steps = [asyncio.create_task(self._join(carrier))]
        if self.transport is Transport.UPGRADED:
            steps.append(asyncio.create_task(self.upgrade()))
        try:
            await asyncio.gather(*steps)
        finally:
            for step in steps:
                step.cancel()

    async def _join(self, carrier: Carrier) -> None:
        auth = self.introduction.auth
        await carrier.send(engineio.CONNECT + ("" if auth is None else json.dumps(auth)))
        await self._wait(lambda: self._joined or self._closed, CONNECT_TIMEOUT, "no answer to the connect packet")
        if self._closed:
            raise NotConnected(self._closed)

    @property
    def is_over(self) -> bool:
        """Whether it holds no connection any more."""
        return self._task is None and bool(self._closed)

    @property
    def is_open(self) -> bool:
        """Whether the socket is connected, as far as the server has said."""
        return self._joined and not self._closed

    @property
    def is_unanswered(self) -> bool:
        """Whether it has sent something, and the last ask has no terminal event yet."""
        return bool(self.sent) and (self._current is None or self._current.terminal is None)

    @property
    def emitted(self) -> Sent | None:
        """All that was emitted on it."""
        return (self._current or self.strays).sent

    @property
    def case(self) -> str:
        """The case of the last ask."""
        return self._current.case if self._current else ""

    async def upgrade(self, meanwhile: Callable[[], Awaitable[object]] | None = None) -> None:
        """Move a socket that polls to a WebSocket, if the server offers that.

        Args:
            meanwhile: awaited before the last step, while neither transport carries anything: as on a slow network.

        Raises:
            NotUpgraded: it failed. The socket is of no use any more.
        """
        assert isinstance(self._carrier, UpgradingCarrier)
        try:
            await self._carrier.upgrade(meanwhile)
        except CarrierClosed as error:
            why = f"the upgrade to WebSocket failed: {error}"
            self._end(why)
            self._grown.set()
            raise NotUpgraded(why) from error

    async def ask(self, ask: SocketAsk, limits: SizeLimits | None = None) -> Transcript:
        """Emit an api's ask, and begin its transcript. Raises NotConnected."""
        return await self.emit(ask.event, ask.payload, limits=limits)

    async def emit(self, name: str, *args: Any, escape: bool = False, limits: SizeLimits | None = None) -> Transcript:
        """Emit an event and begin a transcript with what comes from now on.

        Args:
            escape: write all but ASCII as JSON escapes; a lone surrogate cannot be sent otherwise.
            limits: of the transcript.

        Raises:
            NotConnected: the connection is gone.
        """
        transcript = self._transcript(f"emit {name} {args!r:.200}", limits)
        transcript.asked_at = time.monotonic()
        transcript.sent = self._sent(Emit(transcript.asked_at, name, args))
        self._current = transcript
        await self.send(engineio.emit(name, *args, escape=escape))
        return transcript

    async def emit_more(self, name: str, *args: Any) -> None:
        """Emit an event whose answer belongs to the current transcript."""
        if self._current and isinstance(self._current.sent, SentEvents):
            self._current.sent.emits += (Emit(time.monotonic(), name, args),)
        await self.send(engineio.emit(name, *args))

    def _sent(self, *more: Emit) -> SentEvents:
        """What was emitted on this socket, with one more."""
        last = self.emitted
        before = last.emits if isinstance(last, SentEvents) else ()
        origin = f"{self.target.scheme}://{self.target.authority}"
        return SentEvents(origin, self.target.root, self.transport.value, (*before, *more)[-EMITS_KEPT:])

    async def send(self, packet: str) -> None:
        """Send one packet as it is. Raises NotConnected."""
        try:
            assert self._carrier is not None
            self.sent.append(Packet(time.monotonic(), packet))
            await self._carrier.send(packet)
        except CarrierClosed as error:
            raise NotConnected(str(error)) from error

    async def until(self, is_reached: Callable[[], bool], timeout: float) -> bool:
        """Wait until `is_reached`, the connection's end, or `timeout` seconds. Gives whether it was reached."""
        try:
            await self._wait(lambda: is_reached() or self._closed, timeout, "")
        except NotConnected:
            return False
        return is_reached()

    async def terminal(self, transcript: Transcript, deadlines: Deadlines, linger: float = 0.0) -> Transcript:
        """Wait for a reply's terminal event, as long as the silence between two events is not too long, nor the whole;
        then wait `linger` seconds for events that must not follow."""
        silence, deadline = deadlines.silence, time.monotonic() + deadlines.whole
        while transcript.terminal is None and transcript.end is None:
            if not await self._grows(transcript, min(silence, deadline - time.monotonic())):
                break
        if transcript.terminal:
            await asyncio.sleep(linger)
            transcript.ended(time.monotonic(), End.COMPLETE)
        elif self._closed:
            transcript.ended(time.monotonic(), End.TRUNCATED, self._closed)
        else:
            since = max([transcript.asked_at, *(one.at for one in transcript.messages[-1:])])
            waited = time.monotonic() - since
            transcript.ended(time.monotonic(), End.TIMEOUT, f"no event for {waited:.1f} s{deadlines.cut}")
        return transcript

    async def _grows(self, transcript: Transcript, timeout: float) -> bool:
        length = len(transcript.messages)
        return await self.until(lambda: len(transcript.messages) > length, timeout)

    async def disconnect(self) -> None:
        """Leave with a disconnect packet, as the official client does."""
        if self.is_open and self._carrier:
            # closed already, as wanted; or the server does not take it
            with suppress(CarrierClosed, TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self._carrier.send(engineio.DISCONNECT)
                    await self._carrier.send(engineio.CLOSE)
        await self.close()

    async def close(self) -> None:
        """Drop the connection by FIN."""
        await self._stop()
        if self._carrier:
            await self._carrier.close()

    async def vanish(self) -> None:
        """Drop the connection by RST, without a disconnect packet."""
        await self._stop()
        if self._carrier:
            await self._carrier.vanish()

    async def stop_reading(self) -> None:
        """Stay connected and take no more bytes."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _stop(self) -> None:
        await self.stop_reading()
        if not self._closed:
            self._closed, self.left_at = "the client left", time.monotonic()

    def _end(self, why: str) -> None:
        """Note how the server ended the connection."""
        if not self._closed:
            self._closed, self.lost_at = why, time.monotonic()

    async def _wait(self, is_reached: Callable[[], object], timeout: float, missing: str) -> None:
        deadline = time.monotonic() + timeout
        while not is_reached():
            self._grown.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await self._grown.wait()
            except TimeoutError:
                raise NotConnected(f"{missing} within {timeout:g} s") from None

    async def _run(self, carrier: Carrier) -> None:
        try:
            while not self._closed:
                for packet in await carrier.receive():
                    self._take(packet)
                while self._pongs:
                    self._pongs -= 1
                    with suppress(CarrierClosed):  # the next read says so
                        await carrier.send(engineio.PONG)
                self._grown.set()
        except CarrierClosed as error:
            self._end(str(error))
        finally:
            self._grown.set()

    def _take(self, packet: Packet) -> None:
        self._packets += 1
        if self._packets > MOST_PACKETS:
            raise CarrierClosed(f"the server sent more than {MOST_PACKETS} packets; {STOPPED}")
        signal = self.decoder.feed(packet.text)
        match signal:
            case engineio.Opened():
                self.opened, self.opened_at = signal, packet.at
            case engineio.Pinged():
                self.pings.append(packet.at)
                self._pongs = min(self._pongs + 1, PONGS_AT_ONCE)
            case engineio.Joined():
                self._joined = True
            case engineio.Emitted(name, args):
                sink = self.strays if self._current is None else self._current
                sink.event(packet.at, name, args[0] if args else None)
                if sink.end is End.TOO_LARGE:
                    raise CarrierClosed(sink.fault)
            case engineio.Closed(why) | engineio.Bad(why):
                self._end(why)
