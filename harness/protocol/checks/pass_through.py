"""Whether tokens are passed on as they come, against the provider's own pace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chatproof.harness.protocol.checks.tok import words
from chatproof.harness.protocol.findings import Check, Finding, Late, Unjudged, Violation, check
from chatproof.harness.protocol.transcript import Transcript

PAUSE = 0.25  # seconds; the contract asks only where the provider pauses at least this long


@dataclass(frozen=True, slots=True)
class ProviderWrite:
    """One write of the provider: when, in seconds of the transcript's clock, its text, its bytes and its tokens."""

    at: float
    text: str
    size: int = 0
    tokens: int = 0


def passed_on(said: Sequence[ProviderWrite], requirement_id: str = "SSE-06", pause: float = PAUSE) -> Check:
    """Each token arrives before the next one is generated.

    Compared by the number of characters, spaces left out, so that a server may cut tokens its own way; TOK-04
    compares the text itself.
    """

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        pauses = [
            (index, later.at) for index, (earlier, later) in enumerate(pairwise(said)) if later.at - earlier.at >= pause
        ]
        if not pauses:
            yield Unjudged(f"the provider made no pause of {pause * 1000:.0f} ms")
        for index, next_at in pauses:
            due = sum(len(words(one.text)) for one in said[: index + 1])
            there = sum(len(words(message.token)) for message in transcript.messages if message.at < next_at)
            if there < due:
                after = f"{(next_at - said[index].at) * 1000:.0f} ms after it wrote them"
                seen = f"{there} of {due} characters had arrived when the provider went on, {after}"
                expected = "each token arrives before the next one is generated"
                took = _arrival(transcript, due, next_at)
                arrived = "they never came" if took is None else f"they arrived {took * 1000:.0f} ms later"
                late = None if took is None else Late(took)
                yield Violation(f"{seen}; {arrived}", expected, next_at, late=late)
                return

    return look


def _arrival(transcript: Transcript, length: int, since: float) -> float | None:
    """Seconds from `since` until so many characters had arrived; None if they never did."""
    there = 0
    for message in transcript.tokens:
        there += len(words(message.token))
        if there >= length:
            return message.at - since
    return None
