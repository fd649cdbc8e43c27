"""The two transports of Engine.IO packets, WebSocket and long polling. Both stamp each packet with its arrival."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, RejectConnection, RejectData, TextMessage
from wsproto.events import Request as WsRequest
from wsproto.utilities import LocalProtocolError, ProtocolError, RemoteProtocolError

from chatproof.harness.client.connection import TcpConnection
from chatproof.harness.client.http import Deadlines, HttpExchange, HttpRequest
from chatproof.harness.client.introduction import ALLOW_ORIGIN, UNKNOWN, Introduction
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.apis.api import Headers
from chatproof.harness.protocol.engineio import SEPARATOR, Opened, PacketDecoder
from chatproof.harness.protocol.excerpts import CUT
from chatproof.harness.protocol.memory_budget import LONGEST_LINE, STOPPED, MemoryBudget, SizeLimits
from chatproof.harness.protocol.transcript import End, Transcript, Transport

PATH = "/socket.io/?EIO=4&transport="
HANDSHAKE_TIMEOUT = 5.0
COOKIES_KEPT = 20
SHOWN = 120  # bytes of an answer that cannot be read
LONGEST_COOKIE = 4_096  # characters, as in browsers
SHAKING_PACKETS = 100  # in the answer that opens a connection
MOST_OTHERS = 10_000  # frames between two text messages: pings, pongs, binary data
PAYLOAD_LIMITS = SizeLimits(24 << 20)  # of an answer to a poll, which may hold a whole reply
SHORT_LIMITS = SizeLimits(2 * LONGEST_LINE)  # of an answer to anything else
TOO_LONG = f"the server sent a packet of more than {LONGEST_LINE // 1024} KB; {STOPPED}"


def _beginning(answer: Transcript) -> str:
    """The first bytes of a body, without a copy of all of them."""
    first = b"".join(read.data[:SHOWN] for read in answer.reads[:SHOWN])[:SHOWN]
    return f"{first!r}{CUT if answer.length > len(first) else ''}"


class CarrierClosed(Exception):
    """The connection is over; the text says how."""


@dataclass(frozen=True, slots=True)
class Packet:
    """An Engine.IO packet and when its last byte came."""

    at: float
    text: str


@dataclass(slots=True)
class WebSocketCarrier:
    """Engine.IO straight over a WebSocket.

    `query` and `headers` go with its request; `receive_buffer` is SO_RCVBUF in bytes.
    """

    target: Target
    source: str | None = None
    query: str = ""
    headers: Headers = ()
    receive_buffer: int | None = None
    _ws: WSConnection = field(default_factory=lambda: WSConnection(ConnectionType.CLIENT))
    _connection: TcpConnection | None = None
    _parts: list[str] = field(default_factory=list)
    _length: int = 0
    _others: int = 0
    _reply: bytes = b""

    async def open(self) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                self._connection = await TcpConnection.open(self.target, self.source, self.receive_buffer)
                path = f"{self.target.root}{PATH}websocket{self.query}"
                headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers]
                request = WsRequest(host=self.target.authority, target=path, extra_headers=headers)
                await self._connection.send(self._ws.send(request))
                while not await self._accepted(self._connection):
                    pass
        except TimeoutError as error:
            raise CarrierClosed(f"no WebSocket within {HANDSHAKE_TIMEOUT:g} s") from error
        except (OSError, RemoteProtocolError) as error:
            raise CarrierClosed(f"no WebSocket: {error}") from error

    async def _accepted(self, connection: TcpConnection) -> bool:
        self._ws.receive_data(await connection.receive() or None)
        for event in self._ws.events():
            if isinstance(event, AcceptConnection):
                return True
            if isinstance(event, RejectConnection | RejectData | CloseConnection):
                status = getattr(event, "status_code", None)
                raise CarrierClosed(f"the server refused the WebSocket{f' with status {status}' if status else ''}")
        return False

    async def send(self, packet: str) -> None:
        try:
            assert self._connection is not None
            await self._connection.send(self._ws.send(TextMessage(data=packet)))
        except (OSError, ProtocolError) as error:  # a LocalProtocolError: the server has said that it closes
            raise CarrierClosed(f"the WebSocket is gone: {error}") from error

    async def receive(self) -> list[Packet]:
        packets = self._packets(time.monotonic())  # what came with the handshake
        try:
            while not packets:
                assert self._connection is not None
                data = await self._connection.receive()
                self._ws.receive_data(data or None)
                packets = self._packets(time.monotonic())
                with suppress(OSError):  # keep what came before the end; the next read reports the end
                    if self._reply:
                        await self._connection.send(self._reply)
                self._reply = b""
        except (OSError, RemoteProtocolError) as error:
            raise CarrierClosed(f"the WebSocket broke: {error}") from error
        return packets

    def _packets(self, at: float) -> list[Packet]:
        packets = []
        for event in self._ws.events():
            if isinstance(event, TextMessage):
                self._others = 0
                self._parts.append(event.data)
                # in bytes of memory, of which an empty part takes some too
                self._length += len(event.data) * (1 if event.data.isascii() else 4) + 1
                if self._length > LONGEST_LINE:
                    self._parts.clear()  # the exception's traceback keeps this carrier alive
                    raise CarrierClosed(TOO_LONG)
                if event.message_finished:
                    packets.append(Packet(at, "".join(self._parts)))
                    self._parts.clear()
                    self._length = 0
            elif isinstance(event, CloseConnection):
                if packets:
                    packets.append(Packet(at, "1"))
                    break
                raise CarrierClosed(f"the server closed the WebSocket (code {event.code})")
            else:  # a ping, a pong, binary data
                self._others += 1
                if self._others > MOST_OTHERS:
                    raise CarrierClosed(f"the server sent {MOST_OTHERS} frames without a message; {STOPPED}")
                if isinstance(event, Ping):
                    with suppress(LocalProtocolError):  # the server has closed as well
                        self._reply = self._ws.send(event.response())  # to the last one of a read (RFC 6455, 5.5.3)
        return packets

    async def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    async def vanish(self) -> None:
        if self._connection:
            self._connection.reset()
            self._connection = None


@dataclass(slots=True)
class PollingCarrier:
    """Engine.IO over long polling: one GET waits for packets, a POST sends them.

    Cookies are kept and sent back, as browsers do: several workers may tell their own clients by them.
    """

    target: Target
    source: str | None = None
    budget: MemoryBudget | None = None
    introduction: Introduction = UNKNOWN
    opened: Opened | None = None
    _path: str = f"{PATH}polling"
    _waiting: Iterable[Packet] = ()
    _patience: float = 60.0
    _cookies: dict[str, str] = field(default_factory=dict)
    _poll: HttpExchange | None = None

    async def open(self) -> None:
        self._path += self.introduction.query
        answer = await self._ask(HttpRequest("GET", self._path), Deadlines(silence=HANDSHAKE_TIMEOUT))
        packets = list(self._payload(answer, SHAKING_PACKETS))
        opened = PacketDecoder().feed(packets[0].text) if packets else None
        if not isinstance(opened, Opened):
            raise CarrierClosed(f"no Engine.IO handshake over polling: {_beginning(answer)}")
        self.opened = opened
        self._path += f"&sid={opened.sid}"
        self._patience = opened.ping_interval + opened.ping_timeout + HANDSHAKE_TIMEOUT
        self._waiting = packets

    async def send(self, packet: str) -> None:
        headers = (("Content-Type", "text/plain;charset=UTF-8"),)
        request = HttpRequest("POST", self._path, packet.encode("utf-8", "surrogatepass"), headers)
        await self._ask(request, Deadlines(silence=HANDSHAKE_TIMEOUT * 2))

    async def receive(self) -> Iterable[Packet]:
        if self._waiting:
            packets, self._waiting = self._waiting, ()
            return packets
        deadlines = Deadlines(silence=self._patience, whole=self._patience * 2)
        request = self._introduced(HttpRequest("GET", self._path))
        self._poll = self._exchange(request, deadlines, PAYLOAD_LIMITS)
        answer = await self._poll.wait()  # left open if cancelled: the caller chooses how to hang up
        await self._poll.close()
        self._poll = None
        self._keep_cookies(answer)
        return self._payload(self._checked(answer))

    def _exchange(self, request: HttpRequest, deadlines: Deadlines, limits: SizeLimits) -> HttpExchange:
        transcript = Transcript(Transport.POLLING, limits=limits, budget=self.budget)
        return HttpExchange(self.target, request, self.source, deadlines, transcript=transcript).start()

    async def _ask(self, request: HttpRequest, deadlines: Deadlines) -> Transcript:
        answer = await self._exchange(self._introduced(request), deadlines, SHORT_LIMITS).finish()
        self._keep_cookies(answer)
        return self._checked(answer)

    @property
    def cookies(self) -> Headers:
        """The header that sends the cookies back; none where there are no cookies."""
        value = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        return (("Cookie", value),) if value else ()

    def _introduced(self, request: HttpRequest) -> HttpRequest:
        """The request with what the client says of itself, and with its cookies."""
        headers = self.introduction.headers_to(self.target, request.method)
        return replace(request, headers=(*request.headers, *headers, *self.cookies))

    def _checked(self, answer: Transcript) -> Transcript:
        """An answer that the client may read. Raises CarrierClosed."""
        if answer.status != 200 or answer.end is not End.COMPLETE:
            said = _beginning(answer) if answer.status in (None, 200) else ""  # else the outcome has it
            raise CarrierClosed(f"polling failed: {answer.outcome()} {said}".rstrip())
        allowed = answer.header(ALLOW_ORIGIN)
        if not self.introduction.may_read(self.target, allowed):
            page = self.introduction.origin
            raise CarrierClosed(f"a page of {page} may not read the answer: {ALLOW_ORIGIN}: {allowed}")
        return answer

    def _keep_cookies(self, answer: Transcript) -> None:
        """Keep cookies, and ignore their attributes: all go to one path, and no socket outlives them."""
        for key, line in answer.headers:
            name, there, value = line.partition(";")[0].partition("=")
            fits = len(line) <= LONGEST_COOKIE and len(self._cookies) < COOKIES_KEPT
            if key == "set-cookie" and there and fits:
                self._cookies[name.strip()] = value.strip()

    @staticmethod
    def _payload(answer: Transcript, most: int = PAYLOAD_LIMITS.lines) -> Iterator[Packet]:
        """The packets of an answer to a poll, one by one: together they may be much longer than their bytes."""
        at = answer.reads[-1].at if answer.reads else time.monotonic()
        body, start = answer.body, 0
        for _ in range(most):
            if start > len(body):
                return
            end = body.find(SEPARATOR.encode(), start)
            end = len(body) if end < 0 else end
            if end - start > LONGEST_LINE:
                raise CarrierClosed(TOO_LONG)
            yield Packet(at, body[start:end].decode("utf-8", "replace"))
            start = end + 1
        raise CarrierClosed(f"the server sent more than {most} packets in one answer; {STOPPED}")

    async def close(self) -> None:
        if self._poll:
            await self._poll.close()

    async def vanish(self) -> None:
        if self._poll:
            await self._poll.reset()
