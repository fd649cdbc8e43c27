"""From findings to rows, and from rows to one verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from harness.protocol.requirements import Contract, Level, Requirement


class Verdict(StrEnum):
    """What is known of a row. The order is that of precedence: the first one seen among its tests counts."""

    HARNESS_ERROR = "harness error"  # the suite's own fault
    VIOLATED = "violated"
    NOT_TESTABLE = "not testable"  # declared, but its precondition failed: red
    PASSED = "passed"
    NOT_APPLICABLE = "not applicable"  # not declared, or needs what this run does not have


class Overall(StrEnum):
    """The verdict on the whole run."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"


class ExitCode(IntEnum):
    """What the process tells CI. pytest's own 4 (bad usage) and 5 (nothing collected) stay as they are."""

    PASS = 0
    FAIL = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Record:
    """What one test found for one requirement. `screen` is the failure as a person reads it.

    `weak`: the test saw nothing that would tell; it counts only where no other test saw more.
    """

    id: str
    verdict: Verdict
    seen: str = ""
    expected: str = ""
    screen: str = ""
    test: str = ""
    weak: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a report that crosses processes."""
        return {**asdict(self), "verdict": self.verdict.value}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Record:
        """The reverse of `to_json`."""
        return cls(**{**data, "verdict": Verdict(data["verdict"])})


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement with its verdict."""

    requirement: Requirement
    verdict: Verdict
    seen: str = ""
    expected: str = ""
    screens: tuple[str, ...] = ()

    def gates(self, strict: bool) -> bool:
        """Whether this row makes the run fail."""
        if self.verdict not in (Verdict.VIOLATED, Verdict.NOT_TESTABLE):
            return False
        return strict or self.requirement.level is Level.MUST


@dataclass(slots=True)
class Ledger:
    """All records of a run."""

    contract: Contract
    records: list[Record] = field(default_factory=list)

    def add(self, records: Iterable[Record]) -> None:
        """Take what a test found."""
        self.records += records

    def rows(self, selected: Iterable[str], absent: Callable[[Requirement], Record]) -> list[Row]:
        """The selected rows in the contract's order; `absent` says what a row without a record is."""
        wanted = set(selected)
        by_id: dict[str, list[Record]] = {}
        for record in self.records:
            by_id.setdefault(record.id, []).append(record)
        return [_row(one, by_id.get(one.id) or [absent(one)]) for one in self.contract if one.id in wanted]


def _row(requirement: Requirement, records: list[Record]) -> Row:
    records = [record for record in records if not record.weak] or records
    order = list(Verdict)
    worst = min(records, key=lambda record: order.index(record.verdict))
    screens = tuple(record.screen for record in records if record.verdict is worst.verdict and record.screen)
    return Row(requirement, worst.verdict, worst.seen, worst.expected, screens)


def overall(rows: Iterable[Row], strict: bool) -> Overall:
    """One verdict. A run in which no check ran says nothing of the server: an error."""
    rows = list(rows)
    verdicts = {row.verdict for row in rows}
    if Verdict.HARNESS_ERROR in verdicts:
        return Overall.ERROR
    if any(row.gates(strict) for row in rows):
        return Overall.FAIL
    return Overall.PASS if verdicts & {Verdict.PASSED, Verdict.VIOLATED} else Overall.ERROR
