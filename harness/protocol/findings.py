"""What checks see, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from chatproof.harness.protocol.memory_budget import STOPPED
from chatproof.harness.protocol.transcript import Message, Stamped, Transcript


@dataclass(frozen=True, slots=True)
class Late:
    """A measurement was `seconds` above its limit; `percent` of 100 measurements had to be within it.

    `starved`: seconds that a server may be late on a busy machine without being slow itself: it waits longer for a
    processor than timers do, which hardly use one.
    """

    seconds: float
    percent: int = 100
    starved: float = 0.0


@dataclass(frozen=True, slots=True)
class Violation:
    """A requirement was not kept: what was seen, what was expected, and when (seconds, monotonic).

    `event` is the one that violates it, where there is one: many events may have come at the same moment. `late`: the
    violation is about time, which a busy machine can cause as well.
    """

    seen: str
    expected: str
    at: float | None = None
    event: Message | Stamped | None = None
    late: Late | None = None

    def with_cut(self, transcript: Transcript | None) -> Violation:
        """The same, behind what made the client stop reading, if it did."""
        if transcript is None or not transcript.fault.endswith(STOPPED):
            return self
        return replace(self, seen=f"{transcript.fault}: {self.seen}")


@dataclass(frozen=True, slots=True)
class Unjudged:
    """The transcript cannot show whether a requirement was kept, and why."""

    why: str


Finding = Violation | Unjudged


def violations(findings: Iterable[Finding]) -> list[Violation]:
    """The violations among findings."""
    return [one for one in findings if isinstance(one, Violation)]


Look = Callable[[Transcript], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """A pure function from a transcript to findings, for the requirement `id`. No finding: the row is kept."""

    id: str
    look: Look

    def __call__(self, transcript: Transcript) -> list[Finding]:
        return list(self.look(transcript))


def check(requirement_id: str) -> Callable[[Look], Check]:
    """Make a check of a function. The function says what it saw; the check knows for which requirement."""
    return lambda look: Check(requirement_id, look)


def unjudged(requirement_id: str, why: str) -> Check:
    """A check that cannot say anything, and why."""
    return Check(requirement_id, lambda _: [Unjudged(why)])


def on_behalf_of(requirement_id: str, *checks: Check) -> tuple[Check, ...]:
    """The same checks, speaking for another requirement."""
    return tuple(replace(one, id=requirement_id) for one in checks)


def flat(checks: Iterable[Check | Iterable[Check]]) -> Iterable[Check]:
    """Checks, and the checks in groups of them, one after the other."""
    for one in checks:
        if isinstance(one, Check):
            yield one
        else:
            yield from one
