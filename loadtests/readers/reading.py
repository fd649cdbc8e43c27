"""From a recording to its outcome and the arrival time of each token."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from chatproof.harness.common.redaction import clipped
from chatproof.harness.protocol.apis.api import Framing
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ChatStream
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.transcript import End, Transport
from chatproof.loadtests.readers import websocket_frames as frames
from chatproof.loadtests.readers.event_scanner import ReplyScan, ScannedEvent, is_sole_token
from chatproof.loadtests.readers.http_response import NotHttp, ResponseBody, ResponseHead, read_body, read_head
from chatproof.loadtests.readers.stream_recording import StreamRecording
from chatproof.loadtests.readers.strict import transcript_of
from chatproof.loadtests.readers.token_reads import tokens_of_reads


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
_TERMINAL = (Kind.COMPLETION, Kind.ERROR)


@dataclass(slots=True)
class Reading:
    """One parsed stream. Times are seconds of the recording's clock.

    `token_times`: when each token arrived that brought text; an empty one, or a thought, shows a user nothing.
    `joined`: tokens that arrived in one read with the token before, so that their own arrival time is not known.
    `detail`: in a few words, why the stream is not complete. `conversation`, `message`: the server's own ids.
    """

    outcome: StreamOutcome
    recording: StreamRecording
    detail: str = ""
    status: int | None = None
    token_times: list[float] = field(default_factory=list)
    terminal_at: float | None = None
    joined: int = 0
    conversation: str = ""
    message: str = ""
    _text: str | None = None

    @property
    def text(self) -> str:
        """The reply's text. Most users do not ask for it, so the API document's own tokens are decoded only here."""
        if self._text is None:
            try:
                self._text = transcript_of(self.recording).text
            except (NotHttp, frames.BadFrame):
                self._text = ""
        return self._text

    @property
    def first_token(self) -> float | None:
        """Seconds from the intended start to the first text."""
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
    if recording.plain:
        return _plain(recording, read_body(head, raw, recording.reads, closed=recording.end is End.COMPLETE))
    return _stream(recording, head)


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


def _stream(recording: StreamRecording, head: ResponseHead) -> Reading:
    kind, coding = head.get("content-type"), head.get("content-encoding").lower()
    media_type = kind.partition(";")[0].strip().lower()
    is_sse = recording.api.framing is Framing.SSE
    if media_type != "text/event-stream" if is_sse else media_type == "text/html":
        wanted = "text/event-stream" if is_sse else "lines of JSON"
        said = read_body(head, recording.raw, recording.reads, closed=True).data
        detail = f"Content-Type {kind or '(none)'}, not {wanted}: {shown(said, 60)}"
        return Reading(StreamOutcome.VIOLATION, recording, detail, 200)
    if coding not in ("", "identity"):
        return Reading(StreamOutcome.VIOLATION, recording, f"Content-Encoding {coding}, not asked for", 200)
    reading = Reading(StreamOutcome.COMPLETE, recording, status=200)
    first, reads = _body_reads(head, recording.reads)
    counts = tokens_of_reads(reads) if isinstance(recording.api, ChatStream) and head.chunked else []
    for at, count in zip(recording.times[first:], counts, strict=False):
        reading.token_times += [at] * count
    reading.joined = sum(counts) - len(counts)
    rest = reads[len(counts) :]  # is parsed
    body = read_body(replace(head, size=0), b"".join(rest), rest, closed=recording.end is End.COMPLETE)
    scan = ReplyScan.of_body(recording.api, body.data, whole=body.whole)
    _stamp(reading, scan, body.ends, recording.times[first + len(counts) :])
    return _concluded(reading, scan, body.whole, body.fault)


def _body_reads(head: ResponseHead, reads: Sequence[bytes]) -> tuple[int, list[bytes]]:
    """The number of the read in which the body begins, and the reads from there on without the head."""
    left = head.size
    for index, data in enumerate(reads):
        if left < len(data):
            return index, [data[left:], *reads[index + 1 :]]
        left -= len(data)
    return len(reads), []


def _stamp(reading: Reading, scan: ReplyScan, ends: Sequence[int], times: Sequence[float]) -> None:
    """Give each event the time of the read that held its last byte; both are in order."""
    index, last = 0, -1
    is_decoded = not reading.token_times
    for event in scan.found:
        while ends[index] < event.end:
            index += 1
        if event.brings_text:
            reading.token_times.append(times[index])
            reading.joined += index == last
            last = index
        elif event.kind in _TERMINAL and reading.terminal_at is None:
            reading.terminal_at = times[index]
    reading.conversation, reading.message = scan.conversation, scan.message
    reading._text = scan.text if is_decoded else None


def _socket(recording: StreamRecording) -> Reading:
    if recording.status is not None:
        return _refused(recording, recording.status)
    reading = Reading(StreamOutcome.COMPLETE, recording)
    api, reads = recording.api, recording.reads
    scan, parser = ReplyScan(api), frames.FrameDecoder()
    sole = next((index for index, data in enumerate(reads) if not is_sole_token(api, data)), len(reads))
    reading.token_times = recording.times[:sole]
    for index, data in enumerate(reads[sole:], 1):  # an event is located by its read: frames are not contiguous text
        if parser.is_between and is_sole_token(api, data):
            scan.found.append(ScannedEvent(Kind.TOKEN, index, None))
            continue
        for opcode, payload in parser.feed(data):
            if opcode == frames.TEXT:
                scan.packet(payload, index)
    _stamp(reading, scan, range(1, len(reads) - sole + 1), recording.times[sole:])
    return _concluded(reading, scan, recording.end is End.COMPLETE, recording.fault)


def _concluded(reading: Reading, scan: ReplyScan, is_whole: bool, why: str) -> Reading:
    recording, found = reading.recording, scan.found
    terminal = next((i for i, event in enumerate(found) if event.kind in _TERMINAL), None)
    if scan.faults:
        reading.outcome, reading.detail = StreamOutcome.VIOLATION, scan.faults[0]
    elif terminal is None:
        _without_terminal(reading, is_whole, why)
    elif found[terminal].kind is Kind.ERROR:
        reading.outcome, reading.detail = StreamOutcome.ERROR_EVENT, clipped(found[terminal].text or "", 120)
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
    if is_whole and recording.end is End.COMPLETE and recording.api.ends_with_body:
        reading.terminal_at = recording.times[-1]
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
