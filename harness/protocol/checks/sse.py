"""SSE: the stream on the wire."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Finding, Late, Look, Unjudged, Violation, check
from chatproof.harness.protocol.messages import JsonFault, Kind
from chatproof.harness.protocol.sse_parser import BadText, Event, Stray
from chatproof.harness.protocol.transcript import End, Stamped, Transcript

DONE_MARK = "[DONE]"  # OpenAI's end mark, which some servers pass on
WHOLE_EVENT_BYTES = 16 * 1024
PAUSE_INSIDE_EVENT = 0.05
END_AFTER_TERMINAL = 2.0
WITH_ARTICLE = {Kind.TOKEN: "a token", Kind.COMPLETION: "a completion", Kind.ERROR: "an error"}

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]+)"?', re.IGNORECASE)


def needs_stream(look: Look) -> Look:
    """Leave an answer unjudged that is no stream."""

    def guarded(transcript: Transcript) -> Iterator[Finding]:
        if transcript.status != 200:
            yield Unjudged(f"there was no stream to look at: {transcript.outcome()}")
        else:
            yield from look(transcript)

    return guarded


@check("SSE-01")
@needs_stream
def content_type(transcript: Transcript) -> Iterator[Finding]:
    """`text/event-stream`, in UTF-8 if it says a charset."""
    value = transcript.header("content-type") or ""
    charset = _CHARSET.search(value)
    if value.partition(";")[0].strip().lower() != "text/event-stream":
        yield Violation(f"Content-Type: {value or '(none)'}", "text/event-stream")
    elif charset and charset[1].lower() not in ("utf-8", "utf8"):
        yield Violation(f"charset {charset[1]}", "utf-8, or no charset")


@check("SSE-02")
@needs_stream
def one_object_a_line(transcript: Transcript) -> Iterator[Finding]:
    """Each event is one `data: ` line with one whole JSON object, and a blank line."""
    expected = "one line `data: ` with one whole JSON object, ended by a blank line"
    events = [stamped for stamped in transcript.items if isinstance(stamped.item, Event)]
    if not any(event.decoded for event in events):
        yield Violation(f"no `data:` line at all; the body starts {shown(transcript.body, 80)}", expected)
    for stamped in events:
        if seen := _event_fault(stamped, transcript):
            yield Violation(seen, expected, stamped.at, stamped)
            return


def _event_fault(stamped: Stamped, transcript: Transcript) -> str | None:
    event = stamped.item
    assert isinstance(event, Event)
    if not event.data or _is_done_mark(event):
        return None  # fields without data make no event; the end mark is SSE-04's
    if not event.closed:
        cut_off = transcript.end is not End.COMPLETE
        return None if cut_off else f"the last event is not ended by a blank line: {shown(event.data[-1])}"
    if len(event.data) > 1:
        return f"{len(event.data)} `data` lines in one event: {shown(event.data[0])}, {shown(event.data[1])}"
    if not all(field.spaced for field in event.fields if field.name == "data"):
        return f"no space behind `data:`: {shown('data:' + event.data[0])}"
    whole = (JsonFault.NOT_JSON, JsonFault.NOT_OBJECT)
    fault = next((fault for one in stamped.decoded for fault in one.faults if fault in whole), None)
    return f"{shown(event.data[0])} {fault}" if fault else None


def _is_done_mark(event: Event) -> bool:
    return "".join(event.data).strip() == DONE_MARK


@check("SSE-03")
@needs_stream
def strict_text(transcript: Transcript) -> Iterator[Finding]:
    """Valid UTF-8 and strict JSON."""
    strict = (JsonFault.NOT_STRICT, JsonFault.SURROGATE, JsonFault.ENCODED_TWICE)
    for stamped in transcript.items:
        if isinstance(stamped.item, BadText) and not _cut_off_by(stamped, transcript):
            yield Violation(stamped.item.why, "valid UTF-8", stamped.at, stamped)
            return
        for one in stamped.decoded:
            fault = next((fault for fault in one.faults if fault in strict), None)
            if fault and isinstance(stamped.item, Event):
                seen = f"{shown(stamped.item.data[0])} {fault}"
                yield Violation(seen, "strict JSON, encoded once", stamped.at, stamped)
                return


def _cut_off_by(stamped: Stamped, transcript: Transcript) -> bool:
    """A character cut in two by the connection's end is not the text's fault."""
    return transcript.end is not End.COMPLETE and stamped.item.end == transcript.length


@check("SSE-04")
@needs_stream
def nothing_between_events(transcript: Transcript) -> Iterator[Finding]:
    """Comments and standard fields only."""
    for stamped in transcript.items:
        item = stamped.item
        if isinstance(item, Stray) and not _cut_off_by(stamped, transcript):
            expected = "only comments and standard SSE fields"
            yield Violation(f"{shown(item.text)}: {item.why}", expected, stamped.at, stamped)
            return


@check("SSE-04")
@needs_stream
def no_end_mark(transcript: Transcript) -> Iterator[Finding]:
    """The terminal event ends it, and no mark behind that."""
    for stamped in transcript.items:
        if isinstance(stamped.item, Event) and _is_done_mark(stamped.item):
            yield Violation("data: [DONE]", "no end mark but the terminal event", stamped.at, stamped)
            return


@check("SSE-05")
@needs_stream
def unnamed_events(transcript: Transcript) -> Iterator[Finding]:
    """No event name, or `message`, on what a client must see; others, such as a ping, may have one."""
    for message in transcript.messages:
        if message.kind is not Kind.OTHER and message.name != "message":
            seen = f"event: {message.name}, on {WITH_ARTICLE[message.kind]}"
            yield Violation(seen, "no name, or `message`", message.at, message)
            return


@check("SSE-07")
@needs_stream
def events_come_whole(transcript: Transcript) -> Iterator[Finding]:
    """No pause inside an event of up to 16 KB."""
    starts: list[tuple[int, float]] = []
    length = 0
    for read in transcript.reads:
        starts.append((length, read.at))
        length += read.size
    for stamped in transcript.items:
        item = stamped.item
        if not isinstance(item, Event) or item.end - item.start > WHOLE_EVENT_BYTES:
            continue
        if stamped.at - stamped.began <= PAUSE_INSIDE_EVENT:
            continue
        times = [stamped.began, *(at for start, at in starts if item.start < start < item.end)]
        pause = max(later - earlier for earlier, later in pairwise(times))
        if pause > PAUSE_INSIDE_EVENT:
            seen = f"a pause of {pause * 1000:.0f} ms inside an event of {item.end - item.start} bytes"
            late = Late(pause - PAUSE_INSIDE_EVENT)
            yield Violation(seen, f"no pause over {PAUSE_INSIDE_EVENT * 1000:.0f} ms", stamped.began, stamped, late)
            return


@check("SSE-08")
@needs_stream
def ends_after_terminal(transcript: Transcript) -> Iterator[Finding]:
    """The response ends within 2 s of the terminal event."""
    if (terminal := transcript.terminal) is None:
        yield Unjudged(f"no terminal event came: {transcript.outcome()}")
        return
    if transcript.end is None or transcript.ended_at is None or transcript.end is End.LEFT:
        yield Unjudged("the client left before the response ended")
        return
    after = transcript.ended_at - terminal.at
    if transcript.end is End.TIMEOUT or after > END_AFTER_TERMINAL:
        seen = f"still open {after:.1f} s after the terminal event"
        yield Violation(seen, f"the response ends within {END_AFTER_TERMINAL:.0f} s", terminal.at, terminal)


@check("SSE-09")
@needs_stream
def framing_is_sound(transcript: Transcript) -> Iterator[Finding]:
    """The body ends as its framing says."""
    expected = "a chunked body that is terminated, or a Content-Length that is right"
    lengths = transcript.header("content-length")
    if lengths is not None and "chunked" in (transcript.header("transfer-encoding") or "").lower():
        yield Violation(f"both Transfer-Encoding: chunked and Content-Length: {lengths}", expected)
    elif transcript.end is End.TRUNCATED:
        yield Violation(transcript.fault, expected, transcript.ended_at)
    elif transcript.end is not End.COMPLETE:
        over = transcript.end is End.TIMEOUT and transcript.of(Kind.COMPLETION, Kind.ERROR)
        why = "it never ended (SSE-08)" if over else transcript.outcome()
        yield Unjudged(f"the body's end was not seen: {why}")


@check("SSE-10")
@needs_stream
def not_cacheable(transcript: Transcript) -> Iterator[Finding]:
    """`Cache-Control: no-cache` or `no-store`."""
    value = transcript.header("cache-control") or ""
    directives = {directive.partition("=")[0].strip().lower() for directive in value.split(",")}
    if not directives & {"no-cache", "no-store"}:
        yield Violation(f"Cache-Control: {value or '(none)'}", "no-cache or no-store")


STREAM_CHECKS = (
    content_type,
    one_object_a_line,
    strict_text,
    nothing_between_events,
    no_end_mark,
    unnamed_events,
    ends_after_terminal,
    framing_is_sound,
)
OF_EVERY_API = (content_type, nothing_between_events, ends_after_terminal, framing_is_sound)
