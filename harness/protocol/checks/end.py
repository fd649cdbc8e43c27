"""END-01: how a reply ends."""

from __future__ import annotations

from collections.abc import Iterator

from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.findings import Finding, Unjudged, Violation, check
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.transcript import End, Transcript


@check("END-01")
def one_completion_and_last(transcript: Transcript) -> Iterator[Finding]:
    """Exactly one completion, and nothing behind it."""
    expected = "exactly one completion, as the last event"
    if transcript.status not in (200, None) or transcript.end is End.REFUSED:
        yield Unjudged(f"there was no stream: {transcript.outcome()}")
        return
    if not (completions := transcript.of(Kind.COMPLETION)):
        if transcript.of(Kind.ERROR):
            yield Unjudged(f"the reply did not succeed: {transcript.outcome()}")
        else:
            yield Violation(f"no completion: {transcript.outcome()}", expected, transcript.ended_at)
        return
    if behind := transcript.messages[transcript.messages.index(completions[0]) + 1 :]:
        count = f"{counted(len(completions), 'completion')}, {counted(len(behind), 'event')} after the first"
        yield Violation(f"{count}: {shown(dict(behind[0].body))}", expected, behind[0].at, behind[0])
