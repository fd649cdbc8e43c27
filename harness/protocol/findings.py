"""What checks say, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from chatproof.harness.protocol.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Violation:
    """A requirement that was not kept: what was seen, what was expected, and when (seconds, monotonic)."""

    id: str
    seen: str
    expected: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A requirement that this transcript cannot show, and why: neither kept nor violated."""

    id: str
    why: str


Finding = Violation | Unjudged


@dataclass(frozen=True, slots=True)
class Check:
    """A pure function from a transcript to findings, for one requirement. No finding: it is kept."""

    id: str
    look: Callable[[Transcript], Iterable[Finding]]

    def __call__(self, transcript: Transcript) -> list[Finding]:
        return list(self.look(transcript))


def check(requirement_id: str) -> Callable[[Callable[[Transcript], Iterable[Finding]]], Check]:
    """Make a check of a function."""
    return lambda look: Check(requirement_id, look)


def on_behalf_of(requirement_id: str, *checks: Check) -> tuple[Check, ...]:
    """The same checks, speaking for another requirement that asks for the same."""
    return tuple(Check(requirement_id, _speaking_for(requirement_id, one)) for one in checks)


def _speaking_for(requirement_id: str, one: Check) -> Callable[[Transcript], Iterable[Finding]]:
    return lambda transcript: [replace(finding, id=requirement_id) for finding in one(transcript)]
