"""Runs the harness's own parser and checks on a recording: exact, but too slow for every stream."""

from __future__ import annotations

from chatproof.harness.protocol.apis.chat_stream.chat_stream import ChatStream
from chatproof.harness.protocol.apis.chat_stream.completion_checks import completion_is_typed
from chatproof.harness.protocol.apis.chat_stream.token_checks import TOKEN_CHECKS
from chatproof.harness.protocol.checks.reply_form import checks_of
from chatproof.harness.protocol.checks.sio import one_terminal_event
from chatproof.harness.protocol.engineio import Emitted, PacketDecoder
from chatproof.harness.protocol.findings import Check, Violation
from chatproof.harness.protocol.requirements import Level, contract
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from chatproof.loadtests.readers.http_response import read_body, read_head
from chatproof.loadtests.readers.stream_recording import StreamRecording
from chatproof.loadtests.readers.websocket_frames import TEXT, FrameDecoder

_FOR_ANONYMOUS = "END-07"


def transcript_of(recording: StreamRecording) -> Transcript:
    """The recording as the harness reads it. Raises NotHttp, BadFrame as the parsers below do."""
    transcript = Transcript(recording.transport, case=recording.case, asked_at=recording.asked_at, api=recording.api)
    if recording.transport is Transport.SSE:
        _http(recording, transcript)
    else:
        frames, decoder = FrameDecoder(), PacketDecoder()
        for at, data in zip(recording.times, recording.reads, strict=True):
            for opcode, payload in frames.feed(data):
                signal = decoder.feed(payload.decode("utf-8", "replace")) if opcode == TEXT else None
                if isinstance(signal, Emitted):
                    transcript.event(at, signal.name, signal.args[0] if signal.args else None)
    end = recording.end or End.TRUNCATED
    transcript.ended(recording.ended_at, end, recording.fault)
    return transcript


def _http(recording: StreamRecording, transcript: Transcript) -> None:
    raw = recording.raw
    if (head := read_head(raw)) is None:
        return
    transcript.status, transcript.headers = head.status, head.headers
    body = read_body(head, raw, recording.reads, closed=recording.end is End.COMPLETE)
    before = 0
    for at, end in zip(recording.times, body.ends, strict=True):
        if end > before:
            transcript.read(at, body.data[before:end])
        before = end
    if recording.end is End.COMPLETE and not body.whole:
        transcript.ended(recording.ended_at, End.TRUNCATED, body.fault)


def violations(recording: StreamRecording, *, anonymous: bool = True) -> list[tuple[str, Violation]]:
    """The MUST requirements that a reply broke. `anonymous`: it was asked without a JWT."""
    transcript = transcript_of(recording)
    found: list[tuple[str, Violation]] = []
    must = {row.id for row in contract() if row.level is Level.MUST and row.holds_for(recording.api)}
    for check in _checks(recording):
        if check.id in must and (anonymous or check.id != _FOR_ANONYMOUS):
            found += [(check.id, finding) for finding in check(transcript) if isinstance(finding, Violation)]
    return found


def _checks(recording: StreamRecording) -> tuple[Check, ...]:
    if recording.transport is Transport.SSE:
        return checks_of(recording.api)
    own = (*TOKEN_CHECKS, completion_is_typed) if isinstance(recording.api, ChatStream) else ()
    return (one_terminal_event, *own)
