"""Asks over HTTP, on the streaming and the plain route. Each request has its own connection, since addresses change."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gevent.event import Event  # type: ignore[import-untyped]  # gevent ships no types

from chatproof.harness.common.target import Target
from chatproof.harness.protocol.apis.api import Api, Conversation, HttpAsk, Role, Turn
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM
from chatproof.harness.protocol.transcript import End, Transport
from chatproof.loadtests.readers.http_response import HEAD_END, LAST_CHUNK, NotHttp, ResponseHead, read_body, read_head
from chatproof.loadtests.readers.reading import understand
from chatproof.loadtests.readers.stamped_connection import ConnectionFailed, StampedConnection
from chatproof.loadtests.readers.stream_recording import StreamRecording

ACCEPTED: Final = "text/event-stream, application/json"
_LAST: Final = b"\r\n" + LAST_CHUNK
_TAIL: Final = len(_LAST)


Began = Callable[[StreamRecording], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """A client's limits, in seconds and bytes: to connect, without any data, for the whole reply, and its size."""

    connect: float = 10.0
    silence: float = 30.0
    whole: float = 300.0
    size: int = 16 << 20
    linger: float = 3.0
    """How long a response may stay open after its terminal event."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """One request. `turns`: what was said before, where the api has the client send it. `plain`: it asks the API
    document's route that answers with one JSON object. `case`: its mark in the provider's journal. `stop_after`: the
    user hangs up this many seconds after the reply's first bytes."""

    message: str
    session_id: str | None = None
    jwt: str | None = None
    case: str = ""
    stop_after: float | None = None
    turns: tuple[Turn, ...] = ()
    api: Api = CHAT_STREAM
    run: str = ""
    plain: bool = False

    @property
    def conversation(self) -> Conversation:
        """The same, as an api takes it."""
        return Conversation((*self.turns, Turn(Role.USER, self.message, self.run)), self.session_id, self.run, self.jwt)


def request_bytes(target: Target, ask: StreamRequest, http: HttpAsk) -> bytes:
    """The request. `Connection: close`, since the next request comes from another address."""
    body = b"" if http.body is None else json.dumps(http.body).encode()
    names = {name.lower() for name, _ in http.headers}
    headers = [("Host", target.authority), *http.headers]
    if "accept" not in names:
        headers.append(("Accept", "application/json" if ask.plain else ACCEPTED))
    if http.body is not None:
        headers += [] if "content-type" in names else [("Content-Type", "application/json")]
        headers.append(("Content-Length", str(len(body))))
    lines = [f"{http.method} {target.root}{http.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "Connection: close"]).encode("latin-1", "replace") + HEAD_END + body


def ask_over_http(
    target: Target,
    ask: StreamRequest,
    *,
    source: str | None = None,
    limits: Limits | None = None,
    intended_at: float = 0.0,
    began: Began | None = None,
) -> StreamRecording:
    """Ask, and wait for the end. Never raises for what a server does: the recording says how it ended.

    `began` gets the recording at once, for a caller who has to look before the reply has ended.
    """
    limits = limits or Limits()
    began_at = time.monotonic()
    http = CHAT_STREAM.ask_chat(ask.conversation) if ask.plain else ask.api.ask(ask.conversation)
    recording = StreamRecording(Transport.SSE, began_at, intended_at, plain=ask.plain, case=ask.case, api=ask.api)
    # an api of the user's own may have ids in its path: the request is named by the path without them
    recording.asked = http.method, http.path if ask.plain else ask.api.path
    if began is not None:
        began(recording)
    try:
        wire = StampedConnection(target, source, deadline=limits.connect)
    except ConnectionFailed as error:
        recording.ended(time.monotonic(), error.end, str(error))
        return recording
    try:
        recording.connected_at = time.monotonic()
        recording.lags = wire.lags
        _Exchange(wire, recording, limits).run(request_bytes(target, ask, http), ask.stop_after)
    finally:
        wire.close()
    return recording


class _Exchange:
    """One request and its response, while the connection is open."""

    def __init__(self, wire: StampedConnection, recording: StreamRecording, limits: Limits) -> None:
        self._wire = wire
        self._recording = recording
        self._limits = limits
        self._over = Event()
        self._first = Event()
        self._head: ResponseHead | None = None
        self._watched = 0  # bytes from which on every read is looked at
        self._looked_at = 0
        self._terminal = False

    def run(self, request: bytes, stop_after: float | None) -> None:
        recording = self._recording
        try:
            self._wire.send(request, self._limits.connect)
        except (OSError, ConnectionFailed) as error:
            recording.ended(time.monotonic(), End.RESET, f"while sending: {error}")
            return
        self._wire.start(self._arrived, self._ended)
        if stop_after is not None:
            self._first.wait(self._limits.silence)
            if recording.end is None and self._first.is_set() and not self._over.wait(stop_after):
                recording.stopped_at = time.monotonic()
                recording.ended(recording.stopped_at, End.LEFT)
                return
        self._wait_for_end()

    def _wait_for_end(self) -> None:
        recording, limits = self._recording, self._limits
        while recording.end is None:
            silence = limits.linger if self._has_terminal() else limits.silence
            if not (left := recording.patience(silence, limits.whole)):
                self._wire.pause()
                return
            # the event is set when the reply ends; a server that falls silent is looked at
            quiet = time.monotonic() - (recording.times[-1] if recording.times else recording.asked_at)
            self._over.wait(min(left, limits.linger - quiet if quiet < limits.linger else limits.linger))

    def _has_terminal(self) -> bool:
        """Whether the reply has ended, and only the response is still open. A stream that is silent is parsed once."""
        recording = self._recording
        if recording.plain or not recording.times or time.monotonic() - recording.times[-1] < self._limits.linger:
            return False
        if self._looked_at != recording.size:
            self._looked_at = recording.size
            self._terminal = understand(recording).terminal_at is not None
        return self._terminal

    def _arrived(self, at: float, data: bytes) -> None:
        recording = self._recording
        recording.times.append(at)
        recording.reads.append(data)
        recording.size += len(data)
        if data.endswith(LAST_CHUNK) or recording.size >= self._watched or len(data) < _TAIL:
            self._look(at)

    def _look(self, at: float) -> None:
        """Look whether the response has ended. Most reads of a stream are not looked at."""
        recording, limits = self._recording, self._limits
        if self._head is None:
            self._read_head()
        if self._head is not None and self._is_at_end(self._head) and self._is_whole():
            self._finish(at, End.COMPLETE)
        elif recording.size > limits.size:
            self._finish(at, End.TOO_LARGE, f"over {limits.size} bytes without an end")

    def _read_head(self) -> None:
        self._first.set()
        try:
            self._head = head = read_head(self._recording.raw)
        except NotHttp:
            self._finish(time.monotonic(), End.COMPLETE)
            return
        if head is not None:
            counted = None if head.chunked else head.length
            self._watched = self._limits.size if counted is None else min(self._limits.size, head.size + counted)

    def _is_at_end(self, head: ResponseHead) -> bool:
        """Looks at the last bytes. That is exact for a stream, where `0` is not a legal line."""
        if head.chunked:
            return b"".join(self._recording.reads[-_TAIL:]).endswith(_LAST)
        return head.length is not None and self._recording.size >= head.size + head.length

    def _is_whole(self) -> bool:
        """For JSON, which unlike a stream may hold any bytes, the chunks are counted."""
        assert self._head is not None
        if not self._recording.plain or not self._head.chunked:
            return True
        return read_body(self._head, self._recording.raw, (), closed=False).whole

    def _ended(self, at: float, end: End, fault: str) -> None:
        if end is End.COMPLETE and self._head is None:
            end, fault = End.TRUNCATED, "the server closed the connection before it answered"
        self._finish(at, end, fault)

    def _finish(self, at: float, end: End, fault: str = "") -> None:
        self._wire.pause()
        self._recording.ended(at, end, fault)
        self._first.set()
        self._over.set()
