"""An HTTP/1.1 client that records: every read with its arrival time, and how the exchange ended.

Framing is h11's. The client judges nothing and raises nothing for what a server does wrong.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import h11

from chatproof.harness.client.connection import TcpConnection
from chatproof.harness.client.encodings import BROKEN, ContentDecoder, decoder
from chatproof.harness.client.manner import USUAL, Manner
from chatproof.harness.client.sender import Sender
from chatproof.harness.common.errors import reason_of
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.apis.api import Headers, HttpAsk
from chatproof.harness.protocol.excerpts import CUT, shown
from chatproof.harness.protocol.memory_budget import MB, SizeLimits
from chatproof.harness.protocol.sent import SentRequest
from chatproof.harness.protocol.transcript import End, Transcript, Transport

NO_ANSWER = "the connection was closed without an answer"
HEAD_LIMIT = 64 * 1024  # bytes of the status line and the headers
PIECE = 1024  # compressed bytes decoded at once: they may expand a thousandfold
INFORMATIONAL_LIMIT = 100  # answers of 1xx before the real one
PIECES_PER_LINE = 4  # chunks of the body, for each line that the limits allow
AFTER_TERMINAL = 2.5  # seconds that a response may stay open after its terminal event (SSE-08 allows 2)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What to send. `body` goes out as it is. `manner`: how it is written."""

    method: str
    path: str
    body: bytes = b""
    headers: Headers = ()
    manner: Manner = USUAL

    @classmethod
    def of(cls, ask: HttpAsk, headers: Headers = ()) -> Self:
        """A request from an api's ask, with further headers."""
        if ask.body is None:
            return cls(ask.method, ask.path, b"", (*ask.headers, *headers))
        return cls.json(ask.method, ask.path, ask.body, (*ask.headers, *headers))

    @classmethod
    def json(cls, method: str, path: str, value: object, headers: Headers = ()) -> Self:
        body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        return cls(method, path, body, (("Content-Type", "application/json"), *headers))

    def __str__(self) -> str:
        start = self.body[:200].decode("utf-8", "replace")
        more = f"{CUT} ({len(self.body)} bytes)" if len(self.body) > 200 else ""
        return f"{self.method} {self.path} {start}{more}".rstrip()


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds allowed: to connect, between two reads, and for the whole exchange.

    `cut`: why they are shorter than usual, for the message about what did not come.
    """

    connect: float = 5.0
    silence: float = 10.0
    whole: float = 60.0
    cut: str = ""


@dataclass(slots=True)
class HttpExchange:
    """One request under way. Its transcript grows while it runs. End it with `close`, `reset` or `finish`."""

    target: Target
    request: HttpRequest
    source: str | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)
    receive_buffer: int | None = None
    kept: TcpConnection | None = None  # one that an earlier exchange left open
    transcript: Transcript = field(default_factory=lambda: Transcript(Transport.SSE, limits=SizeLimits()))
    connection: TcpConnection | None = None
    _can_serve_again: bool = False
    _task: asyncio.Task[None] | None = None
    _grown: asyncio.Event = field(default_factory=asyncio.Event)
    _may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> Self:
        """Send the request and read the answer, in a task of its own."""
        request, target = self.request, self.target
        self.transcript.request = str(request)
        url = f"{target.url}{request.path}"
        sent = SentRequest(request.method, url, self._headers(), request.body, version=request.manner.version)
        sent.in_packets = bool(request.manner.packets)
        self.transcript.sent = sent
        self.transcript.asked_at = time.monotonic()
        self._task = asyncio.create_task(self._run())
        return self

    async def wait(self) -> Transcript:
        """Wait until the response has ended or a deadline has passed. The connection stays open."""
        assert self._task is not None
        await asyncio.shield(self._task)
        return self.transcript

    async def finish(self) -> Transcript:
        """Wait until the response has ended or a deadline has passed, and hang up."""
        try:
            await self.wait()
        finally:
            await self.close()
        return self.transcript

    async def until(self, is_reached: Callable[[Transcript], bool], timeout: float) -> bool:
        """Wait until the transcript has something, or has ended, or `timeout` seconds have passed."""
        deadline = time.monotonic() + timeout
        while not is_reached(self.transcript):
            left = deadline - time.monotonic()
            if self.transcript.end is not None or left <= 0:
                return False
            self._grown.clear()
            try:
                await asyncio.wait_for(self._grown.wait(), left)
            except TimeoutError:
                return is_reached(self.transcript)
        return True

    @property
    def is_over(self) -> bool:
        """Whether it has ended and holds no connection any more."""
        return self.transcript.end is not None and self.connection is None

    def keep(self) -> TcpConnection | None:
        """Take the connection out of a finished exchange, if HTTP says that it can be used again. Else None."""
        if not self._can_serve_again:
            return None
        connection, self.connection = self.connection, None
        return connection

    async def close(self) -> None:
        """Hang up by FIN."""
        await self._leave(TcpConnection.close)

    async def reset(self) -> None:
        """Hang up by RST."""
        await self._leave(TcpConnection.reset)

    async def stop_reading(self) -> None:
        """Stay connected and take no more bytes."""
        if self._task and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _leave(self, hang_up: Callable[[TcpConnection], None]) -> None:
        await self.stop_reading()
        self.transcript.ended(time.monotonic(), End.LEFT)
        if self.connection:
            hang_up(self.connection)
            self.connection = None

    async def _run(self) -> None:
        transcript = self.transcript
        try:
            async with asyncio.timeout(self.deadlines.connect):
                self.connection = self.kept or await TcpConnection.open(self.target, self.source, self.receive_buffer)
        except TimeoutError:
            self._end(End.REFUSED, f"no connection within {self.deadlines.connect:g} s")
            return
        except OSError as error:
            self._end(End.REFUSED, f"no connection ({reason_of(error)})")
            return
        transcript.asked_at = time.monotonic()
        sender = asyncio.create_task(self._send(self.connection))
        try:
            reader = _Reader(self.connection, transcript, self.deadlines, self._grown, self._may_go_on)
            self._can_serve_again = await reader.run(self.request.method)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            self._grown.set()

    def _headers(self) -> Headers:
        request = self.request
        given = (("Host", self.target.authority), *request.headers)
        has_body = request.body or request.method in ("POST", "PUT", "PATCH")
        return request.manner.headers(given, request.body if has_body else None)

    async def _send(self, connection: TcpConnection) -> None:
        request = self.request
        head = f"{request.method} {self.target.root}{request.path} HTTP/{request.manner.version}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self._headers()) + "\r\n"
        sender = Sender(connection, request.manner, self.transcript, self._may_go_on)
        await sender.send(head.encode("latin-1"), request.body)

    def _end(self, end: End, fault: str) -> None:
        self.transcript.ended(time.monotonic(), end, fault)
        self._grown.set()


@dataclass(slots=True)
class _Reader:
    """Reads an answer into a transcript."""

    connection: TcpConnection
    transcript: Transcript
    deadlines: Deadlines
    grown: asyncio.Event
    may_go_on: asyncio.Event
    _decode: ContentDecoder | None = None
    _received: int = 0
    _pieces: int = 0
    _informational: int = 0

    async def run(self, method: str) -> bool:
        """Read the whole answer. Gives whether the connection can carry another request."""
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_LIMIT)
        # h11 reads an answer only to a request that it knows; `_send` sends the real bytes.
        http.send(h11.Request(method=method, target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
        http.send(h11.EndOfMessage())
        at, silent_since, whole = time.monotonic(), time.monotonic(), time.monotonic() + self.deadlines.whole
        try:
            while self.transcript.end is None:
                event = http.next_event()
                if event is h11.NEED_DATA:
                    async with asyncio.timeout_at(min(whole, self._patience(silent_since))):
                        data = await self.connection.receive()
                    at = silent_since = time.monotonic()
                    if not data and self.transcript.status is None:  # h11 would say it in words of its own
                        self._ended(at, End.TRUNCATED, NO_ANSWER)
                    else:
                        http.receive_data(data)
                elif isinstance(event, h11.Event):
                    self._take(event, at, http)
                else:
                    break
        except TimeoutError:
            now, cut = time.monotonic(), self.deadlines.cut
            fault = (
                f"not over after {self.deadlines.whole:g} s"
                if now >= whole
                else f"nothing for {now - silent_since:.1f} s"
            )
            self._ended(now, End.TIMEOUT, f"{fault}{cut}")
        except h11.RemoteProtocolError as error:
            self._ended(at, End.TRUNCATED, str(error))
        except OSError as error:
            self._ended(time.monotonic(), End.RESET, reason_of(error))
        return self.transcript.end is End.COMPLETE and http.their_state is h11.DONE

    @property
    def _limits(self) -> SizeLimits:
        return self.transcript.limits or SizeLimits()

    def _patience(self, silent_since: float) -> float:
        terminal = self.transcript.terminal
        deadline = silent_since + self.deadlines.silence
        return min(deadline, terminal.at + AFTER_TERMINAL) if terminal else deadline

    def _take(self, event: h11.Event, at: float, http: h11.Connection) -> None:
        if isinstance(event, h11.Response):
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers]
            self.transcript.answered(at, event.status_code, headers)
            self._decode = decoder(self.transcript.header("content-encoding"))
            self.grown.set()
            self.may_go_on.set()
        elif isinstance(event, h11.Data):
            self._append(at, bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            self._append(at, b"", last=True)
            surplus, _ = http.trailing_data
            if surplus and self.transcript.status is not None:
                self._ended(at, End.TRUNCATED, f"{len(surplus)} bytes after the end of the body: {shown(surplus, 60)}")
            else:
                self._ended(at, End.COMPLETE)
        elif isinstance(event, h11.InformationalResponse):
            self._informational += 1
            if event.status_code == 100:
                self.may_go_on.set()
            if self._informational > INFORMATIONAL_LIMIT:
                self.transcript.too_large(at, f"more than {INFORMATIONAL_LIMIT} answers of status {event.status_code}")
                self.grown.set()
        elif isinstance(event, h11.ConnectionClosed):
            self._ended(at, End.TRUNCATED, NO_ANSWER)

    def _append(self, at: float, data: bytes, last: bool = False) -> None:
        self._received += len(data)
        self._pieces += 1
        try:
            plain = self._unpacked(self._decode, data, last) if self._decode else data
        except BROKEN as error:
            self._ended(at, End.TRUNCATED, f"the Content-Encoding is broken: {error}")
            return
        if plain:
            self.transcript.read(at, plain)
        limits = self._limits
        if self._received > limits.body:  # compressed bytes may decode to nothing
            self.transcript.too_large(at, f"more than {limits.body / MB:.0f} MB")
        elif self._pieces > limits.lines * PIECES_PER_LINE:
            self.transcript.too_large(at, f"more than {self._pieces - 1} chunks")
        self.grown.set()

    def _unpacked(self, decode: ContentDecoder, data: bytes, last: bool) -> bytes:
        """Decode bytes, up to a little more than the limit."""
        pieces = [data[start : start + PIECE] for start in range(0, len(data), PIECE)] or [b""]
        plain, left = [], self._limits.body - self.transcript.length
        for number, piece in enumerate(pieces, 1):
            plain.append(decode(piece, last and number == len(pieces)))
            left -= len(plain[-1])
            if left < 0:
                break
        return b"".join(plain)

    def _ended(self, at: float, end: End, fault: str = "") -> None:
        self.transcript.ended(at, end, fault)
        self.grown.set()


def json_of(transcript: Transcript) -> Any:
    """The body as JSON, or None where it is not JSON."""
    try:
        return json.loads(transcript.body)
    except (ValueError, RecursionError):
        return None
