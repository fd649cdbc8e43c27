"""Asks over HTTP, on the streaming and the plain route. Each request has its own connection, since addresses change."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gevent.event import Event  # type: ignore[import-untyped]  # gevent ships no types

from chatproof.harness.common.target import Target
from chatproof.harness.protocol.transcript import End, Transport
from chatproof.loadtests.readers.http_response import HEAD_END, LAST_CHUNK, NotHttp, ResponseHead, read_body, read_head
from chatproof.loadtests.readers.stamped_connection import ConnectionFailed, StampedConnection
from chatproof.loadtests.readers.stream_recording import StreamRecording

STREAM_PATH: Final = "/api/chat/stream"
PLAIN_PATH: Final = "/api/chat"
_TERMINALS: Final = (b'"done"', b'"error"')
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
    """One request. `case`: its mark in the provider's journal. `stop_after`: the user hangs up this many seconds after
    the reply's first bytes."""

    message: str
    session_id: str | None = None
    jwt: str | None = None
    case: str = ""
    stop_after: float | None = None

    def body(self) -> dict[str, str]:
        return {"message": self.message} | ({"session_id": self.session_id} if self.session_id else {})


def request_bytes(target: Target, path: str, ask: StreamRequest) -> bytes:
    """The POST request. `Connection: close`, since the next request comes from another address."""
    body = json.dumps(ask.body()).encode()
    lines = [
        f"POST {target.root}{path} HTTP/1.1",
        f"Host: {target.authority}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"Accept: {'application/json' if path == PLAIN_PATH else 'text/event-stream'}",
        "Connection: close",
        *([f"Authorization: Bearer {ask.jwt}"] if ask.jwt else []),
    ]
    return "\r\n".join(lines).encode("latin-1", "replace") + HEAD_END + body


def ask_over_http(
    target: Target,
    ask: StreamRequest,
    *,
    source: str | None = None,
    limits: Limits | None = None,
    intended_at: float = 0.0,
    path: str = STREAM_PATH,
    began: Began | None = None,
) -> StreamRecording:
    """Ask, and wait for the end. Never raises for what a server does: the recording says how it ended.

    `began` gets the recording at once, for a caller who has to look before the reply has ended.
    """
    limits = limits or Limits()
    recording = StreamRecording(Transport.SSE, time.monotonic(), intended_at, plain=path == PLAIN_PATH, case=ask.case)
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
        _Exchange(wire, recording, limits).run(request_bytes(target, path, ask), ask.stop_after)
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
        self._tail = b""

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
            # the event is set when the reply ends; a server that stays silent is looked at now and then
            self._over.wait(min(left, limits.linger))

    def _has_terminal(self) -> bool:
        """Whether the last read looks like a terminal event: only then is the wait for the end short."""
        return bool(self._recording.reads) and any(mark in self._recording.reads[-1] for mark in _TERMINALS)

    def _arrived(self, at: float, data: bytes) -> None:
        recording = self._recording
        recording.append(at, data)
        if self._head is None:
            self._read_head()
        self._tail = data[-_TAIL:] if len(data) >= _TAIL else (self._tail + data)[-_TAIL:]
        if self._is_at_end() and self._is_whole():
            self._finish(at, End.COMPLETE)
        elif recording.size > self._limits.size:
            self._finish(at, End.TOO_LARGE, f"over {self._limits.size} bytes without an end")

    def _read_head(self) -> None:
        self._first.set()
        try:
            self._head = read_head(self._recording.raw)
        except NotHttp:
            self._finish(time.monotonic(), End.COMPLETE)

    def _is_at_end(self) -> bool:
        """Looks at the last bytes. That is exact for a stream, where `0` is not a legal line."""
        if self._head is None:
            return False
        if self._head.chunked:
            return self._tail == _LAST
        return self._head.length is not None and self._recording.size >= self._head.size + self._head.length

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
