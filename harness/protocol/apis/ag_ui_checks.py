"""AGU: what AG-UI's specification and client demand of a run.

Sources: https://docs.ag-ui.com/concepts/events, https://docs.ag-ui.com/spec/1.0/events/lifecycle and, for what is
opened and closed, https://docs.ag-ui.com/spec/1.0/basic/patterns/streaming. `verifyEvents` of npm `@ag-ui/client` ends
a run at the first event that is out of order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chatproof.harness.protocol.apis.stream_marks import Datum, data_of, no_objects
from chatproof.harness.protocol.checks.sse import needs_stream
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Check, Finding, Unjudged, Violation, check
from chatproof.harness.protocol.transcript import Transcript

STARTED, FINISHED, FAILED = "RUN_STARTED", "RUN_FINISHED", "RUN_ERROR"
CONTENT, CHUNK = "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CHUNK"
# what is opened, goes on and is closed, by the beginning of its events' names, with the field that names it
_SPANS: Final = {"TEXT_MESSAGE": "messageId", "REASONING_MESSAGE": "messageId", "TOOL_CALL": "toolCallId"}
_STEPS: Final = ("START", "CONTENT", "ARGS", "END")
_MESSAGE: Final = ("messageId",)
# the fields that an event must have as texts; the names with THINKING are those before the specification's version 1.0
_TEXTS: Final[dict[str, tuple[str, ...]]] = {
    STARTED: ("threadId", "runId"),
    FINISHED: ("threadId", "runId"),
    FAILED: ("message",),
    "STEP_STARTED": ("stepName",),
    "STEP_FINISHED": ("stepName",),
    "TEXT_MESSAGE_START": _MESSAGE,
    CONTENT: (*_MESSAGE, "delta"),
    "TEXT_MESSAGE_END": _MESSAGE,
    "REASONING_START": _MESSAGE,
    "REASONING_MESSAGE_START": _MESSAGE,
    "REASONING_MESSAGE_CONTENT": (*_MESSAGE, "delta"),
    "REASONING_MESSAGE_END": _MESSAGE,
    "REASONING_END": _MESSAGE,
    "THINKING_TEXT_MESSAGE_CONTENT": ("delta",),
    "TOOL_CALL_START": ("toolCallId", "toolCallName"),
    "TOOL_CALL_ARGS": ("toolCallId", "delta"),
    "TOOL_CALL_END": ("toolCallId",),
    "TOOL_CALL_RESULT": (*_MESSAGE, "toolCallId"),
    "ACTIVITY_SNAPSHOT": (*_MESSAGE, "activityType"),
    "ACTIVITY_DELTA": (*_MESSAGE, "activityType"),
    "CUSTOM": ("name",),
    **dict.fromkeys((CHUNK, "REASONING_MESSAGE_CHUNK", "TOOL_CALL_CHUNK", "REASONING_ENCRYPTED_VALUE"), ()),
    **dict.fromkeys(("THINKING_START", "THINKING_END", "THINKING_TEXT_MESSAGE_START", "THINKING_TEXT_MESSAGE_END"), ()),
    **dict.fromkeys(("STATE_SNAPSHOT", "STATE_DELTA", "MESSAGES_SNAPSHOT", "RAW"), ()),
    **dict.fromkeys(("SUBAGENT_STARTED", "SUBAGENT_FINISHED", "SUBAGENT_ERROR"), ()),
}


@check("AGU-01")
@needs_stream
def run_begins_and_ends(transcript: Transcript) -> Iterator[Finding]:
    """A run lies between `RUN_STARTED` and `RUN_FINISHED` or `RUN_ERROR`, with nothing outside; another may follow.

    A run can fail before it begins, and after it has finished.
    """
    expected = f"{STARTED} first, {FINISHED} or {FAILED} last, and nothing of a run outside them"
    last = ""  # the last of the three that came
    for one in data_of(transcript):
        kind, fault = one.kind, ""
        if not last and kind not in (STARTED, FAILED):
            fault = f"the first event is {shown(kind or one.text, 120)}"
        elif last == STARTED and kind == STARTED:
            fault = f"{STARTED} while a run is under way"
        elif last == FINISHED and kind not in (STARTED, FAILED):
            fault = f"after {FINISHED} came {shown(kind or one.text, 120)}"
        elif last == FAILED and kind != STARTED:
            fault = f"after {FAILED} came {shown(kind or one.text, 120)}"
        if fault:
            yield one.breaks(fault, expected)
            return
        last = kind if kind in (STARTED, FINISHED, FAILED) else last
    if not last:
        yield Unjudged(f"no event came: {transcript.outcome()}")
    elif last == STARTED:
        yield Violation(f"the run never ended: {transcript.outcome()}", expected, transcript.ended_at)


@check("AGU-02")
@needs_stream
def all_is_closed_that_is_opened(transcript: Transcript) -> Iterator[Finding]:
    """Content of a message lies between the start and the end of that message; so do tool calls and steps."""
    open_ones: set[tuple[str, str]] = set()
    expected = "start, content and end of a message, all with its id, and nothing open when the run finishes"
    chunked = False  # whether a chunk has named its message
    for one in data_of(transcript):
        fault = ""
        if one.kind == FINISHED and open_ones:
            what, name = min(open_ones)
            fault = f"{FINISHED} while {_words(what)} {shown(name)} is open"
        elif one.kind in (STARTED, FAILED):
            open_ones, chunked = set(), False
        elif one.kind == CHUNK:
            chunked = chunked or isinstance(one.body.get("messageId"), str)
            fault = "" if chunked else f"the first {CHUNK} has no messageId"
        elif span := _span(one):
            what, name, step = span
            is_open = (what, name) in open_ones
            if step == "START":
                fault = f"{one.kind} for {shown(name)}, which is open" if is_open else ""
                open_ones.add((what, name))
            else:
                fault = "" if is_open else f"{one.kind} for {shown(name)}, which is not open"
                open_ones -= {(what, name)} if step == "END" else set()
        if fault:
            yield one.breaks(fault, expected)
            return


def _span(one: Datum) -> tuple[str, str, str] | None:
    """What an event opens, goes on with or closes: its kind, its name and which of these; None for other events."""
    if one.kind in ("STEP_STARTED", "STEP_FINISHED"):
        return "STEP", str(one.body.get("stepName")), "START" if one.kind == "STEP_STARTED" else "END"
    what, _, step = one.kind.rpartition("_")
    if what not in _SPANS or step not in _STEPS:
        return None
    return what, str(one.body.get(_SPANS[what])), step


def _words(what: str) -> str:
    return f"the {what.removeprefix('TEXT_').lower().replace('_', ' ')}"


def ids_are_those_asked_for(asked: Mapping[str, object]) -> Check:
    """`threadId` and `runId` of `RUN_STARTED` and `RUN_FINISHED` are those of the ask, whose body is `asked`.

    Runs of the thread's history may come before: only the last run is looked at.
    """

    @check("AGU-03")
    @needs_stream
    def look(transcript: Transcript) -> Iterator[Finding]:
        events = {one.kind: one for one in data_of(transcript) if one.kind in (STARTED, FINISHED)}
        for kind, one in events.items():
            for name in ("threadId", "runId"):
                if one.body.get(name) != asked[name]:
                    yield one.breaks(f"{kind} with {name} {shown(one.body.get(name))}", f"{name} {shown(asked[name])}")
                    return

    return look


@check("AGU-04")
@needs_stream
def events_are_known(transcript: Transcript) -> Iterator[Finding]:
    """Each event is one JSON object of a described type, with its fields, in lines that end in LF."""
    if b"\r\n\r\n" in transcript.body:
        yield Violation("lines that end in CR LF", "LF alone: the official client finds no single event otherwise")
        return
    yield from no_objects(transcript)
    for one in data_of(transcript):
        if one.body and (fault := _fault(one.kind, one.body)):
            expected = "events of described types with their fields; what else there is to say goes into CUSTOM or RAW"
            yield one.breaks(f"{fault} in {shown(one.text, 120)}", expected)
            return


def _fault(kind: str, body: Mapping[str, Any]) -> str:
    """What is wrong with an event by itself, or nothing."""
    if kind not in _TEXTS:
        return f"the type {shown(body.get('type'))}"
    if wrong := [name for name in _TEXTS[kind] if not isinstance(body.get(name), str)]:
        return f"{wrong[0]} {shown(body[wrong[0]])}" if wrong[0] in body else f"no {wrong[0]}"
    return ""


STREAM_CHECKS = (run_begins_and_ends, all_is_closed_that_is_opened, events_are_known)
