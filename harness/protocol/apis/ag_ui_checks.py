"""AGU: what AG-UI's documentation and client demand of a run.

Source: https://docs.ag-ui.com/concepts/events, and `verifyEvents` of npm `@ag-ui/client`, which ends a run at the first
event that is out of order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chatproof.harness.protocol.apis.stream_marks import data_of
from chatproof.harness.protocol.checks.sse import needs_stream
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Check, Finding, Unjudged, Violation, check
from chatproof.harness.protocol.transcript import Transcript

ENDS = ("RUN_FINISHED", "RUN_ERROR")
_START, _CONTENT, _END = "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"


@check("AGU-01")
@needs_stream
def run_begins_and_ends(transcript: Transcript) -> Iterator[Finding]:
    """`RUN_STARTED` is the first event, `RUN_FINISHED` or `RUN_ERROR` the last."""
    kinds = [(str(one.body.get("type")), one.stamped) for one in data_of(transcript)]
    if not kinds:
        yield Unjudged(f"no event came: {transcript.outcome()}")
        return
    first, last = kinds[0], kinds[-1]
    if first[0] not in ("RUN_STARTED", "RUN_ERROR"):
        yield Violation(f"the first event is {shown(first[0])}", "RUN_STARTED first", first[1].at, first[1])
    elif last[0] not in ENDS:
        yield Violation(f"the last event is {shown(last[0])}", f"{' or '.join(ENDS)} last", last[1].at, last[1])


@check("AGU-02")
@needs_stream
def content_lies_in_its_message(transcript: Transcript) -> Iterator[Finding]:
    """`TEXT_MESSAGE_CONTENT` lies between the start and the end of the message that it names, and has a `delta`."""
    open_messages: set[str] = set()
    for one in data_of(transcript):
        kind, name = one.body.get("type"), str(one.body.get("messageId"))
        fault = ""
        if kind == _START:
            fault = f"{_START} for {shown(name)}, which is open" if name in open_messages else ""
            open_messages.add(name)
        elif kind in (_CONTENT, _END):
            fault = f"{kind} for {shown(name)}, which is not open" if name not in open_messages else ""
            if kind == _END:
                open_messages.discard(name)
            elif not fault and not isinstance(one.body.get("delta"), str):
                fault = f"{_CONTENT} with delta {shown(one.body.get('delta'))}"
        elif kind == "RUN_FINISHED" and open_messages:
            fault = f"RUN_FINISHED while the message {shown(min(open_messages))} is open"
        if fault:
            expected = "start, content with a delta, and end of a message, all with its id"
            yield Violation(fault, expected, one.stamped.at, one.stamped)
            return


def ids_are_those_asked_for(asked: Mapping[str, object]) -> Check:
    """`threadId` and `runId` of `RUN_STARTED` and `RUN_FINISHED` are those of the ask, whose body is `asked`."""

    @check("AGU-03")
    @needs_stream
    def look(transcript: Transcript) -> Iterator[Finding]:
        for one in data_of(transcript):
            if one.body.get("type") not in ("RUN_STARTED", "RUN_FINISHED"):
                continue
            for name in ("threadId", "runId"):
                if one.body.get(name) != asked[name]:
                    seen = f"{one.body['type']} with {name} {shown(one.body.get(name))}"
                    yield Violation(seen, f"{name} {shown(asked[name])}", one.stamped.at, one.stamped)
                    return

    return look


STREAM_CHECKS = (run_begins_and_ends, content_lies_in_its_message)
