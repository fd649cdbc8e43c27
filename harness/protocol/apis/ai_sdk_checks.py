"""AIS: what the AI SDK's documentation and client demand of a UI message stream.

Source: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol, and `processUIMessageStream` of npm `ai`, which refuses parts
of a block that was never begun.
"""

from __future__ import annotations

from collections.abc import Iterator

from chatproof.harness.protocol.apis.ai_sdk import VERSION_HEADER
from chatproof.harness.protocol.apis.openai_chat import END_MARK
from chatproof.harness.protocol.apis.stream_marks import data_of
from chatproof.harness.protocol.checks.sse import needs_stream
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Finding, Unjudged, Violation, check
from chatproof.harness.protocol.transcript import Transcript

BLOCKS = ("text", "reasoning")


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
    """Each delta lies between the start and the end of the block whose id it has; no block is begun twice or left
    open at the finish."""
    open_blocks: set[tuple[str, object]] = set()
    for one in data_of(transcript):
        kind, _, step = str(one.body.get("type", "")).rpartition("-")
        block = kind, str(one.body.get("id"))
        fault = ""
        if one.body.get("type") == "finish" and open_blocks:
            kind, name = min(open_blocks, key=str)
            fault = f"finish while the {kind} block {shown(name)} is open"
        elif kind in BLOCKS and step == "start":
            fault = f"{kind}-start for the block {shown(block[1])}, which is open" if block in open_blocks else ""
            open_blocks.add(block)
        elif kind in BLOCKS and step in ("delta", "end"):
            fault = (
                f"{kind}-{step} for the block {shown(block[1])}, which is not open" if block not in open_blocks else ""
            )
            if step == "end":
                open_blocks.discard(block)
        if fault:
            yield Violation(fault, "start, deltas and end of a block, all with its id", one.stamped.at, one.stamped)
            return


@check("AIS-03")
@needs_stream
def finish_and_mark_end_it(transcript: Transcript) -> Iterator[Finding]:
    """`finish`, then `[DONE]`, then nothing."""
    expected = f"a part `finish`, then `data: {END_MARK}`, as the last two events"
    if transcript.terminal is not None and not transcript.is_success:
        yield Unjudged(f"the reply did not end well: {transcript.outcome()}")
        return
    last = [one.text.strip() if not one.body else str(one.body.get("type")) for one in data_of(transcript)][-2:]
    if last != ["finish", END_MARK]:
        yield Violation(f"the last events are {' and '.join(map(shown, last))}", expected)


@check("AIS-04")
@needs_stream
def start_comes_first(transcript: Transcript) -> Iterator[Finding]:
    """The part `start` is the first one: it gives the message that the client fills."""
    first = next(data_of(transcript), None)
    if first is None:
        yield Unjudged(f"no part came: {transcript.outcome()}")
    elif first.body.get("type") != "start":
        yield Violation(
            f"the first part is {shown(first.text, 120)}", "a part `start`", first.stamped.at, first.stamped
        )


STREAM_CHECKS = (version_is_told, parts_lie_in_their_blocks, finish_and_mark_end_it, start_comes_first)
