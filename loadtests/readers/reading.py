"""From a recording to its outcome and the arrival time of each token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from chatproof.harness.common.redaction import clipped
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.transcript import End, Transport
from chatproof.loadtests.readers import websocket_frames as frames
from chatproof.loadtests.readers.event_scanner import ScannedEvent, socket_event, sse_events
from chatproof.loadtests.readers.http_response import NotHttp, ResponseBody, ResponseHead, read_body, read_head
from chatproof.loadtests.readers.stream_recording import StreamRecording


class StreamOutcome(StrEnum):
    """How a stream ended, as its user sees it."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"  # the user left on purpose
    ERROR_EVENT = "error event"
    LIMITED = "refused 429"
    REFUSED = "refused otherwise"  # any other status, or no connection
    CUT = "cut"
    RESET = "reset"
    TIMEOUT = "timeout"
    NO_TERMINAL = "no terminal event"
    VIOLATION = "contract violation"
    UNFINISHED = "unfinished"  # still open when the run ended


_BROKEN = {
    End.REFUSED: StreamOutcome.REFUSED,
    End.RESET: StreamOutcome.RESET,
    End.TIMEOUT: StreamOutcome.TIMEOUT,
    End.TRUNCATED: StreamOutcome.CUT,
    End.LEFT: StreamOutcome.INTERRUPTED,
    End.TOO_LARGE: StreamOutcome.VIOLATION,
}


@dataclass(slots=True)
class Reading:
    """One parsed stream. Times are seconds of the recording's clock.

    `joined`: tokens that arrived in one read with the token before, so that their own arrival time is not known.
    `detail`: in a few words, why the stream is not complete.
    """

    outcome: StreamOutcome
    recording: StreamRecording
    detail: str = ""
    status: int | None = None
    token_times: list[float] = field(default_factory=list)
    terminal_at: float | None = None
    joined: int = 0

    @property
    def first_token(self) -> float | None:
        """Seconds from the intended start to the first token."""
        return self.token_times[0] - self.recording.intended_at if self.token_times else None

    @property
    def whole(self) -> float | None:
        """Seconds from the intended start to the terminal event of a complete reply."""
        if self.outcome is not StreamOutcome.COMPLETE or self.terminal_at is None:
            return None
        return self.terminal_at - self.recording.intended_at


def understand(recording: StreamRecording) -> Reading:
    """Parse a recording. Never raises for what a server did."""
    try:
        if recording.transport is Transport.SSE:
            return _http(recording)
        return _socket(recording)
    except (NotHttp, frames.BadFrame) as error:
        return Reading(StreamOutcome.VIOLATION, recording, str(error))


def _http(recording: StreamRecording) -> Reading:
    raw = recording.raw
    if (head := read_head(raw)) is None:
        if recording.unfinished:
            return Reading(StreamOutcome.UNFINISHED, recording)
        outcome = _BROKEN.get(recording.end or End.TRUNCATED, StreamOutcome.CUT)
        return Reading(outcome, recording, recording.fault or "the connection ended before an answer came")
    if head.status != 200:
        return _refused(recording, head.status)
    body = read_body(head, raw, recording.reads, closed=recording.end is End.COMPLETE)
    return _plain(recording, body) if recording.plain else _stream(recording, head, body)


def _refused(recording: StreamRecording, status: int) -> Reading:
    return Reading(
        StreamOutcome.LIMITED if status == 429 else StreamOutcome.REFUSED, recording, f"status {status}", status
    )


def _plain(recording: StreamRecording, body: ResponseBody) -> Reading:
    if not body.whole:
        outcome = _BROKEN.get(recording.end or End.TRUNCATED, StreamOutcome.CUT)
        return Reading(outcome, recording, recording.fault or body.fault, 200)
    try:
        is_object = isinstance(json.loads(body.data), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        return Reading(StreamOutcome.VIOLATION, recording, f"not a JSON object: {shown(body.data, 60)}", 200)
    return Reading(StreamOutcome.COMPLETE, recording, "", 200, terminal_at=recording.times[-1])


def _stream(recording: StreamRecording, head: ResponseHead, body: ResponseBody) -> Reading:
    kind, coding = head.get("content-type"), head.get("content-encoding").lower()
    if kind.partition(";")[0].strip().lower() != "text/event-stream":
        detail = f"Content-Type {kind or '(none)'}, not text/event-stream: {shown(body.data, 60)}"
        return Reading(StreamOutcome.VIOLATION, recording, detail, 200)
    if coding not in ("", "identity"):
        return Reading(StreamOutcome.VIOLATION, recording, f"Content-Encoding {coding}, not asked for", 200)
    reading = Reading(StreamOutcome.COMPLETE, recording, status=200)
    found, faults = sse_events(body.data, whole=body.whole)
    _stamp(reading, found, body.ends)
    return _concluded(reading, found, faults, body.whole, body.fault)


def _stamp(reading: Reading, found: Sequence[ScannedEvent], ends: Sequence[int]) -> None:
    """Give each event the time of the read that held its last byte; both lists are in order."""
    index, last = 0, -1
    times = reading.recording.times
    for event in found:
        while ends[index] < event.end:
            index += 1
        if event.kind is Kind.TOKEN:
            reading.token_times.append(times[index])
            reading.joined += index == last
            last = index
        elif event.kind is not Kind.OTHER and reading.terminal_at is None:
            reading.terminal_at = times[index]


def _socket(recording: StreamRecording) -> Reading:
    if recording.status is not None:
        return _refused(recording, recording.status)
    reading = Reading(StreamOutcome.COMPLETE, recording)
    found: list[ScannedEvent] = []
    ends: list[int] = []
    parser = frames.FrameDecoder()
    for index, data in enumerate(recording.reads):
        ends.append(index + 1)  # an event is located by the number of its read: frames are not contiguous text
        for opcode, payload in parser.feed(data):
            event = socket_event(payload) if opcode == frames.TEXT else None
            if event is not None:
                found.append(event._replace(end=index + 1))
    _stamp(reading, found, ends)
    return _concluded(reading, found, [], recording.end is End.COMPLETE, recording.fault)


def _concluded(reading: Reading, found: Sequence[ScannedEvent], faults: list[str], is_whole: bool, why: str) -> Reading:
    recording = reading.recording
    terminal = next((i for i, event in enumerate(found) if event.kind in (Kind.COMPLETION, Kind.ERROR)), None)
    if faults:
        reading.outcome, reading.detail = StreamOutcome.VIOLATION, faults[0]
    elif terminal is None:
        _without_terminal(reading, is_whole, why)
    elif found[terminal].kind is Kind.ERROR:
        reading.outcome = StreamOutcome.ERROR_EVENT
        reading.detail = clipped(str((found[terminal].body or {}).get("error")), 120)
    elif any(event.kind is not Kind.OTHER for event in found[terminal + 1 :]):
        reading.outcome, reading.detail = StreamOutcome.VIOLATION, "events after the completion"
    elif recording.end is End.TIMEOUT:
        reading.outcome, reading.detail = StreamOutcome.VIOLATION, "the response stayed open after the completion"
    elif not is_whole and recording.end in (End.COMPLETE, End.TRUNCATED):
        reading.outcome, reading.detail = StreamOutcome.VIOLATION, f"{why}, after the completion"
    return reading


def _without_terminal(reading: Reading, is_whole: bool, why: str) -> None:
    recording = reading.recording
    if recording.unfinished:
        reading.outcome, reading.detail = StreamOutcome.UNFINISHED, ""
        return
    if recording.end in (End.COMPLETE, None):
        reading.outcome = StreamOutcome.NO_TERMINAL if is_whole else StreamOutcome.CUT
        reading.detail = "the stream ended without a completion" if is_whole else why
    else:
        assert recording.end is not None
        reading.outcome, reading.detail = _BROKEN[recording.end], recording.fault or why
    if recording.stopped_at is not None and reading.outcome in (
        StreamOutcome.CUT,
        StreamOutcome.RESET,
        StreamOutcome.NO_TERMINAL,
    ):
        reading.outcome, reading.detail = StreamOutcome.INTERRUPTED, ""
