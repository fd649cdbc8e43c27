"""AIS: what the AI SDK's documentation and client demand of a UI message stream.

Source: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol, and of npm `ai` (5 and 6) `uiMessageChunkSchema`, which
refuses parts that it does not know (5 and early versions of 6 fields, too), and `processUIMessageStream`, which refuses
parts of a block that was never begun.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from chatproof.harness.protocol.apis.ai_sdk import VERSION_HEADER
from chatproof.harness.protocol.apis.openai_chat import END_MARK
from chatproof.harness.protocol.apis.stream_marks import data_of, no_objects
from chatproof.harness.protocol.checks.sse import needs_stream
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Finding, Unjudged, Violation, check
from chatproof.harness.protocol.transcript import Transcript

BLOCKS, STEPS = ("text", "reasoning"), ("start", "delta", "end")
REASONS = ("stop", "length", "content-filter", "tool-calls", "error", "other", "unknown")
# the fields that a part must have as texts
_TEXTS: Final[dict[str, tuple[str, ...]]] = {
    **{f"{kind}-{step}": ("id",) for kind in BLOCKS for step in ("start", "end")},
    **{f"{kind}-delta": ("id", "delta") for kind in BLOCKS},
    "error": ("errorText",),
    "tool-input-start": ("toolCallId", "toolName"),
    "tool-input-delta": ("toolCallId", "inputTextDelta"),
    "tool-input-available": ("toolCallId", "toolName"),
    "tool-input-error": ("toolCallId", "toolName", "errorText"),
    "tool-output-available": ("toolCallId",),
    "tool-output-error": ("toolCallId", "errorText"),
    "tool-output-denied": ("toolCallId",),
    "tool-approval-request": ("toolCallId", "approvalId"),
    "tool-approval-response": (),
    "source-url": ("sourceId", "url"),
    "source-document": ("sourceId", "mediaType", "title"),
    "file": ("url", "mediaType"),
    "reasoning-file": ("url", "mediaType"),
    **dict.fromkeys(("start", "finish", "abort", "start-step", "finish-step", "message-metadata", "custom"), ()),
}
_OF_BLOCKS: Final = {"type", "id", "delta", "providerMetadata"}  # all that a part of a block can have
_BESIDE: Final = ("message-metadata",)  # what may stand before the start and behind the finish, as `data-…` may


@check("AIS-01")
@needs_stream
def version_is_told(transcript: Transcript) -> Iterator[Finding]:
    """The header by which a client knows the protocol's version."""
    name, value = VERSION_HEADER
    if (found := transcript.header(name)) != value:
        yield Violation(f"{name}: {found or '(none)'}", f"{name}: {value}")


@check("AIS-02")
@needs_stream
def parts_lie_in_their_blocks(transcript: Transcript) -> Iterator[Finding]:
    """Each delta lies between the start and the end of the block whose id it has; no block is begun twice, or left
    open at the end of its step or of the reply."""
    open_blocks: set[tuple[str, str]] = set()
    for one in data_of(transcript):
        kind, _, step = one.kind.rpartition("-")
        block, fault = (kind, str(one.body.get("id"))), ""
        if one.kind in ("finish", "finish-step") and open_blocks:
            left, name = min(open_blocks)
            fault = f"{one.kind} while the {left} block {shown(name)} is open"
        elif kind in BLOCKS and step == "start":
            fault = f"{kind}-start for the block {shown(block[1])}, which is open" if block in open_blocks else ""
            open_blocks.add(block)
        elif kind in BLOCKS and step in ("delta", "end"):
            is_open = block in open_blocks
            fault = "" if is_open else f"{kind}-{step} for the block {shown(block[1])}, which is not open"
            if step == "end":
                open_blocks.discard(block)
        if fault:
            yield one.breaks(fault, "start, deltas and end of a block, all with its id")
            return


@check("AIS-03")
@needs_stream
def finish_and_mark_end_it(transcript: Transcript) -> Iterator[Finding]:
    """One `finish`, behind it at most data and metadata, then `[DONE]`, then nothing."""
    expected = f"a part `finish` behind all other parts but data, then `data: {END_MARK}` as the last event"
    if transcript.terminal is not None and not transcript.is_success:
        yield Unjudged(f"the reply did not end well: {transcript.outcome()}")
        return
    data = list(data_of(transcript))
    kinds = [one.kind or one.text.strip() for one in data]
    if "finish" not in kinds or not kinds or kinds[-1] != END_MARK:
        yield Violation(f"the last events are {' and '.join(map(shown, kinds[-2:])) or 'none'}", expected)
        return
    if data[-1].is_dropped:
        yield data[-1].breaks(f"no blank line behind {END_MARK}, so that clients drop the mark", expected)
    behind = next((one for one in data[kinds.index("finish") + 1 : -1] if not _is_beside(one.kind)), None)
    if behind is not None:
        yield behind.breaks(f"behind finish came {shown(behind.text, 120)}", expected)


def _is_beside(kind: str) -> bool:
    return kind.startswith("data-") or kind in _BESIDE


@check("AIS-04")
@needs_stream
def start_comes_first(transcript: Transcript) -> Iterator[Finding]:
    """The part `start` comes before all other parts but data: it gives the message that the client fills."""
    first = next((one for one in data_of(transcript) if not _is_beside(one.kind)), None)
    if first is None:
        yield Unjudged(f"no part came: {transcript.outcome()}")
    elif first.kind != "start":
        yield first.breaks(f"the first part is {shown(first.text, 120)}", "a part `start`")


@check("AIS-05")
@needs_stream
def parts_are_known(transcript: Transcript) -> Iterator[Finding]:
    """Each event but the mark is a part of a documented type, or of one that begins with `data-`, with its fields."""
    yield from no_objects(transcript, END_MARK)
    for one in data_of(transcript):
        if one.body and (fault := _fault(one.kind, one.body)):
            expected = "parts of documented types with the documented fields; others begin with `data-`"
            yield one.breaks(f"{fault} in {shown(one.text, 120)}", expected)
            return


def _fault(kind: str, body: dict[str, Any]) -> str:
    """What is wrong with a part by itself, or nothing."""
    if kind.startswith("data-"):
        return "" if "data" in body else "no data"
    if kind not in _TEXTS:
        return f"the type {shown(body.get('type'))}"
    if wrong := [name for name in _TEXTS[kind] if not isinstance(body.get(name), str)]:
        return f"{wrong[0]} {shown(body[wrong[0]])}" if wrong[0] in body else f"no {wrong[0]}"
    if kind == "finish" and body.get("finishReason", "stop") not in REASONS:
        return f"finishReason {shown(body['finishReason'])}"
    return ""


@check("AIS-06")
@needs_stream
def older_clients_take_it(transcript: Transcript) -> Iterator[Finding]:
    """The parts of a block have the documented fields and no others."""
    for one in data_of(transcript):
        block, _, step = one.kind.rpartition("-")
        if block in BLOCKS and step in STEPS and (more := one.body.keys() - _OF_BLOCKS):
            seen = f"the field {shown(min(more))} in {shown(one.text, 120)}"
            yield one.breaks(seen, f"no fields but {', '.join(sorted(_OF_BLOCKS))}")
            return


STREAM_CHECKS = (
    version_is_told,
    parts_lie_in_their_blocks,
    finish_and_mark_end_it,
    start_comes_first,
    parts_are_known,
    older_clients_take_it,
)
