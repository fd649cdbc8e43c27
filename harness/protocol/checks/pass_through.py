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


def passed_on(
    said: Sequence[ProviderWrite],
    requirement_id: str = "SSE-06",
    pause: float = PAUSE,
    resumed_at: float | None = None,
) -> Check:
    """Each token arrives before the next one is generated. `resumed_at`: only what the provider says from then on
    counts, since the client may have had the beginning over another stream.

    Compared by the number of characters, spaces left out, so that a server may cut tokens its own way; TOK-04
    compares the text itself.
    """

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        pauses = [
            (index, later.at)
            for index, (earlier, later) in enumerate(pairwise(said))
            if later.at - earlier.at >= pause and (resumed_at is None or earlier.at >= resumed_at)
        ]
        had = 0
        if resumed_at is not None:
            had = max(0, sum(len(words(one.text)) for one in said) - len(words(transcript.text)))
        if not pauses:
            yield Unjudged(f"the provider made no pause of {pause * 1000:.0f} ms")
        missed = [miss for index, next_at in pauses if (miss := _miss(transcript, said, index, next_at, had))]
        if missed:
            first = missed[0]
            expected = "each token arrives before the next one is generated"
            yield Violation(str(first), expected, first.next_at, late=_late(missed, len(pauses)))

    return look


@dataclass(frozen=True, slots=True)
class _Miss:
    """`there` of `due` characters had arrived at `next_at`, when the provider went on after `pause` seconds. `took`:
    seconds until all had; None if they never did."""

    there: int
    due: int
    next_at: float
    pause: float
    took: float | None

    def __str__(self) -> str:
        arrived = "they never came" if self.took is None else f"they arrived {self.took * 1000:.0f} ms later"
        after = f"{self.pause * 1000:.0f} ms after it wrote them"
        return f"{self.there} of {self.due} characters had arrived when the provider went on, {after}; {arrived}"


def _miss(transcript: Transcript, said: Sequence[ProviderWrite], index: int, next_at: float, had: int) -> _Miss | None:
    """`had`: characters that had come over another stream."""
    due = sum(len(words(one.text)) for one in said[: index + 1]) - had
    there = sum(len(words(message.token)) for message in transcript.messages if message.at < next_at)
    if there >= due:
        return None
    return _Miss(there, due, next_at, next_at - said[index].at, _arrival(transcript, due, next_at))


def _late(missed: Sequence[_Miss], pauses: int) -> Late | None:
    """What a busy machine must have done to be the reason: it was late at each miss, by the shortest of them at
    least. So a server that always holds back is not excused by one late timer."""
    took = [one.took for one in missed if one.took is not None]
    if len(took) < len(missed):
        return None
    return Late(min(took), 100 - 100 * (len(missed) - 1) // pauses)


def _arrival(transcript: Transcript, length: int, since: float) -> float | None:
    """Seconds from `since` until so many characters had arrived; None if they never did."""
    there = 0
    for message in transcript.tokens:
        there += len(words(message.token))
        if there >= length:
            return message.at - since
    return None
