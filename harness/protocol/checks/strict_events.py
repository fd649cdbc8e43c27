"""API-04: what every client of an api does first with an event: it parses its data."""

from __future__ import annotations

from collections.abc import Iterator

from chatproof.harness.protocol.apis.api import Api, Finish
from chatproof.harness.protocol.checks.sse import DONE_MARK, needs_stream
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Finding, Unjudged, Violation, check
from chatproof.harness.protocol.messages import JsonFault
from chatproof.harness.protocol.sse_parser import BadText, Event, Line
from chatproof.harness.protocol.transcript import End, Transcript

BROKEN = (JsonFault.NOT_JSON, JsonFault.NOT_STRICT, JsonFault.SURROGATE)


@check("API-04")
@needs_stream
def events_are_strict(transcript: Transcript) -> Iterator[Finding]:
    """Each event, and each line of NDJSON, is UTF-8 and one strict JSON value, or a mark of the api. Events that have a
    name of their own, such as a ping, may hold what they like."""
    seen = False
    for stamped in transcript.items:
        item, is_cut = stamped.item, transcript.end is not End.COMPLETE and stamped.item.end == transcript.length
        if isinstance(item, BadText) and not is_cut:
            yield Violation(item.why, "valid UTF-8", stamped.at, stamped)
            return
        if not isinstance(item, Event) or not item.data or is_cut or not "".join(item.data).strip():
            continue
        seen = True
        if item.name != "message" or _is_mark(transcript.api, "\n".join(item.data)):
            continue
        if fault := next((fault for one in stamped.decoded for fault in one.faults if fault in BROKEN), None):
            what = "line" if isinstance(item, Line) else "event"
            expected = f"one strict JSON value in each {what}, or the mark of the end"
            yield Violation(f"{shown(item.data[0], 200)} {fault}", expected, stamped.at, stamped)
            return
    if not seen:
        yield Unjudged(f"no event came: {transcript.outcome()}")


@check("API-05")
def end_is_dispatched(transcript: Transcript) -> Iterator[Finding]:
    """The event that tells the end is whole: behind it comes a blank line (WHATWG HTML, 9.2.6: else it is dropped)."""
    terminal = transcript.terminal
    last = transcript.items[-1] if transcript.items else None
    if terminal is None or last is None or transcript.end is not End.COMPLETE:
        return
    item = last.item
    if not isinstance(item, Event) or item.closed or not item.data:
        return
    parts = transcript.api.read(item.name, "\n".join(item.data), last.decoded[0].body if last.decoded else None)
    if any(isinstance(part, Finish) and not part.closes for part in parts):
        seen = f"no blank line behind {shown(item.data[0], 120)}, so that clients drop it and see no end"
        yield Violation(seen, "a blank line behind the event that tells the end", last.at, last)


def _is_mark(api: Api, text: str) -> bool:
    return text.strip() == DONE_MARK or any(isinstance(part, Finish) for part in api.read("message", text, None))
