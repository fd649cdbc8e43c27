"""One HTTP/1 connection of the server: it reads requests, plays one reply at a time, and sees who hangs up."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import Final, Protocol, cast

import httptools

from chatproof.fake_providers.dialects.base import IncomingRequest, Reply, TimedFrame
from chatproof.fake_providers.journal.journal import Ended, Entry, Journal
from chatproof.fake_providers.planning.http_request import as_request
from chatproof.fake_providers.planning.http_writes import WritePlan, plan_writes
from chatproof.fake_providers.planning.planner import Planner
from chatproof.fake_providers.server.admin import PREFIX, Admin
from chatproof.fake_providers.server.player import Player, reset
from chatproof.fake_providers.server.turnstile import Turnstile

_LOG: Final = logging.getLogger(__name__)

MAX_BODY: Final = 32_000_000
_MAX_HEAD: Final = 65_536
_MAX_PIPELINED: Final = 16
_BUFFER: Final = 65_536
_LINGER: Final = 2.0
"""Seconds to keep reading after our FIN: closing with unread bytes sends RST, and the client loses the reply."""


class Service(Protocol):
    """What a connection needs of its server."""

    admin: Admin
    planner: Planner
    journal: Journal
    pace: float
    refusing: bool
    turnstile: Turnstile
    connections: set[HttpConnection]


@dataclass(slots=True)
class _Head:
    """A request whose headers are complete."""

    method: str
    target: str
    headers: dict[str, str]
    version: str
    keep_alive: bool


class HttpConnection(asyncio.Protocol):
    """Pipelined requests are answered one after the other."""

    def __init__(self, service: Service) -> None:
        self.control = False
        self._service = service
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._head: _Head | None = None
        self._upgrade: _Head | None = None
        self._target = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._queue: deque[tuple[_Head, bytes]] = deque()
        self._player: Player | None = None
        self._answering: asyncio.Task[None] | None = None
        self._paused = False
        self._closing = False

    # the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_BUFFER)
        self._service.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.connections.discard(self)
        self._hang_up("client_closed" if exc is None else "client_reset")
        self._closing = True
        self._transport = None
        self._queue.clear()

    def eof_received(self) -> bool:
        # HTTP clients do not half-close: FIN means that nobody reads the reply.
        self._hang_up("client_closed")
        return False

    def pause_writing(self) -> None:
        self._paused = True
        if self._player is not None:
            self._player.pause()

    def resume_writing(self) -> None:
        self._paused = False
        if self._player is not None:
            self._player.resume()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._head is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(400, "this is not an HTTP/1.1 request")
            return
        if self._head is None and self._head_bytes > _MAX_HEAD:
            self._refuse(431, f"the headers are longer than {_MAX_HEAD} bytes")

    def _decline_upgrade(self, rest: bytes) -> None:
        """Parse the request again without its offer (h2c, as some clients make): the answer is HTTP/1.1."""
        head = self._upgrade
        self._upgrade = None
        self._parser = httptools.HttpRequestParser(self)
        if head is None or head.method == "CONNECT":
            self._refuse(400, "there is no tunnel here")
            return
        kept = [f"{name}: {value}" for name, value in head.headers.items() if name not in ("connection", "upgrade")]
        lines = [f"{head.method} {head.target} HTTP/{head.version}", *kept, "", ""]
        self.data_received("\r\n".join(lines).encode("latin-1") + rest)

    # the parser's side

    def on_message_begin(self) -> None:
        self._target, self._headers, self._head = b"", {}, None
        self._body, self._body_bytes = [], 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._head = _Head(
            self._parser.get_method().decode("latin-1"),
            self._target.decode("latin-1"),
            self._headers,
            self._parser.get_http_version(),
            self._parser.should_keep_alive(),
        )
        self._head_bytes = 0
        if self._parser.should_upgrade():
            self._head, self._upgrade = None, self._head
        elif self._headers.get("expect", "").lower() == "100-continue":
            self._go_on_sending()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        waiting = sum(len(queued) for _, queued in self._queue)
        if self._body_bytes + waiting > MAX_BODY:
            self._body = []
            self._refuse(413, f"the body is larger than {MAX_BODY} bytes")
        elif not self._closing:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._head is None or self._closing:
            return
        self._queue.append((self._head, b"".join(self._body)))
        self._head, self._body = None, []
        if len(self._queue) > _MAX_PIPELINED:
            self._refuse(429, f"more than {_MAX_PIPELINED} requests are waiting on this connection")
        else:
            self._service.turnstile.let_through(self._answer_next)

    # answering

    def _go_on_sending(self) -> None:
        # Only between replies: inside one it would become a part of it.
        if self._transport is not None and self._player is None and self._answering is None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def close_if_idle(self) -> None:
        """Close the connection if it is idle and not used for control requests."""
        arriving = self._head is not None or self._head_bytes or self._queue
        if not self.control and not arriving and self._player is None and self._answering is None:
            self._close()

    def abort(self) -> None:
        """Drop the connection at once, as a process that is killed does."""
        self._closing = True
        if self._answering is not None:
            self._answering.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _answer_next(self) -> None:
        if self._player is not None or self._answering is not None or self._closing or not self._queue:
            return
        head, body = self._queue.popleft()
        request = as_request(head.method, head.target, head.headers, body)
        self.control = request.path.startswith(PREFIX)
        if self.control:
            self._answering = self._loop.create_task(self._answer_control(head, request))
            return
        received = time.monotonic()
        try:
            answer = self._service.planner.answer(
                request, chunks_allowed=head.version != "1.0", keep_alive=head.keep_alive
            )
            entry = self._service.journal.open(request, answer, received)
        except Exception:
            self._failed(request)
            return
        pace = self._service.pace
        self._play(answer.plan if pace == 1 else answer.plan.at_pace(pace), entry)

    async def _answer_control(self, head: _Head, request: IncomingRequest) -> None:
        try:
            reply = await self._service.admin.answer(request)
        except Exception:
            self._answering = None
            self._failed(request)
            return
        finally:
            self._answering = None
        if not self._closing:
            self._play(plan_writes(reply, False, head.keep_alive), None)

    def _play(self, reply_plan: WritePlan, entry: Entry | None) -> None:
        if self._transport is None:
            return
        self._player = Player(self._transport, reply_plan, self._service.journal, entry, self._played)
        self._player.start(self._paused)

    def _played(self, reply_plan: WritePlan) -> None:
        self._player = None
        if self._transport is None:
            return
        if reply_plan.end == "reset":
            self._closing = True
            reset(self._transport)
        elif not reply_plan.keep_alive or (self._service.refusing and not self.control):
            self._close()
        elif self._queue:
            # Not a direct call: a long pipeline of instant replies would recurse as deeply.
            self._loop.call_soon(self._answer_next)

    def _failed(self, request: IncomingRequest) -> None:
        """Log a bug of the fakes and answer 500, so that it does not look like a provider that hangs."""
        _LOG.exception("cannot answer %s %s", request.method, request.path)
        self._refuse(500, "an internal error, see the log of the fakes")

    def _refuse(self, status: int, reason: str) -> None:
        """Answer an unusable request with an error, then close: what follows on the connection cannot be parsed."""
        if self._closing or self._transport is None:
            return
        if self._player is None and self._answering is None:
            body = f'{{"error": {{"message": "chatproof fake provider: {reason}"}}}}'.encode()
            reply = Reply(status, (("content-type", "application/json"),), (TimedFrame(body, 0.0),))
            for write in plan_writes(reply, False, False).writes:
                self._transport.write(write.payload)
        self._close(linger=True)

    def _close(self, linger: bool = False) -> None:
        """Send FIN after the last write. `linger`: keep reading for a while, since the client may still send."""
        self._closing = True
        self._queue.clear()
        if self._transport is None or self._transport.is_closing():
            return
        if linger and self._transport.can_write_eof():
            self._transport.write_eof()
            self._loop.call_later(_LINGER, self._transport.close)
        else:
            self._transport.close()

    def _hang_up(self, how: Ended) -> None:
        if self._player is not None:
            self._player.hang_up(how)
            self._player = None
        if self._answering is not None:
            self._answering.cancel()
