"""From records to rows, and from rows to one verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from chatproof.harness.protocol.requirements import Contract, Level, Requirement


class Verdict(StrEnum):
    """What is known of a row, in order of precedence: the first one among its records counts."""

    HARNESS_ERROR = "harness error"  # the suite's own fault
    VIOLATED = "violated"
    NOT_TESTABLE = "not testable"  # declared, but a precondition failed: red
    PASSED = "passed"
    NOT_APPLICABLE = "not applicable"  # not declared, or needs what this run does not have


BAD = (Verdict.VIOLATED, Verdict.NOT_TESTABLE)


class Overall(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"


class ExitCode(IntEnum):
    """The exit codes for CI. pytest's own 4 (bad usage) and 5 (nothing collected) stay as they are."""

    PASS = 0
    FAIL = 1
    ERROR = 2


@dataclass(frozen=True, slots=True)
class Record:
    """What one test found for one requirement. `screen` is the failure as a person reads it, `repeat` are lines for a
    shell that send the same again, or nothing.

    `weak`: the test could not tell; the record counts only where no other test could. `provider`: the one behind the
    server. `over`: the transport, where the test is there once for each. `timed`: a busy machine, or the tests beside,
    can have caused it. `retried`: what was seen of a row before its test was tried again alone, and passed.
    """

    id: str
    verdict: Verdict
    seen: str = ""
    expected: str = ""
    screen: str = ""
    test: str = ""
    weak: bool = False
    provider: str | None = None
    over: str = ""
    timed: bool = False
    retried: str = ""
    repeat: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a report that crosses processes."""
        return {**asdict(self), "verdict": self.verdict.value}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Record:
        return cls(**{**data, "verdict": Verdict(data["verdict"])})


@dataclass(frozen=True, slots=True)
class Row:
    """A requirement with its verdict. `repeat`: lines for a shell that send again what showed the failure, or nothing.

    `provider`: the one that was behind the server, where the row is judged with one. `known`: why its failure
    is known, which keeps it from making the run fail. `only_over`: the transport over which alone it fails, though it
    was judged over others too; or nothing. `retried`: what was seen of a row that passed when it was tried again
    alone.
    """

    requirement: Requirement
    verdict: Verdict
    seen: str = ""
    expected: str = ""
    screens: tuple[str, ...] = ()
    provider: str | None = None
    known: str | None = None
    only_over: str = ""
    retried: str = ""
    repeat: str = ""

    @property
    def name(self) -> str:
        """The row's id, with its provider where it was judged with one."""
        return f"{self.requirement.id} ({self.provider})" if self.provider else self.requirement.id

    def gates(self, strict: bool) -> bool:
        """Whether this row makes the run fail."""
        if self.verdict not in BAD or self.known:
            return False
        return strict or self.requirement.level is Level.MUST


Absent = Callable[[Requirement, str | None], Record]
"""What a row is that has no record, with a provider."""


@dataclass(slots=True)
class Ledger:
    """All records of a run."""

    contract: Contract
    records: list[Record] = field(default_factory=list)

    def add(self, records: Iterable[Record]) -> None:
        self.records += records

    def rows(self, selected: Iterable[str], absent: Absent, providers: Sequence[str] = ()) -> list[Row]:
        """The selected rows in the contract's order.

        Args:
            absent: says what a row without a record is.
            providers: those that were behind the server. A row that needs one is there once for each.
        """
        wanted = set(selected)
        by_key: dict[tuple[str, str | None], list[Record]] = {}
        for record in self.records:
            key = record.provider if providers and self.contract[record.id].is_judged_with_each else None
            by_key.setdefault((record.id, key), []).append(record)
        rows: list[Row] = []
        for one in self.contract:
            if one.id in wanted:
                behind = providers if one.is_judged_with_each and providers else (None,)
                usual = next(iter(providers), None)
                rows += (_row(one, by_key.get((one.id, key)) or [absent(one, key)], key, usual) for key in behind)
        return rows


def _row(requirement: Requirement, records: list[Record], provider: str | None, usual: str | None) -> Row:
    records = [record for record in records if not record.weak] or records
    order = list(Verdict)
    worst = min(records, key=lambda record: order.index(record.verdict))
    screens = tuple(record.screen for record in records if record.verdict is worst.verdict and record.screen)
    seen, behind = worst.seen, {record.provider for record in records} | {usual}
    if worst.verdict in BAD and provider is None and worst.provider and len(behind) > 1:
        seen = f"{seen} (with {worst.provider})"
    failed = {record.over for record in records if record.verdict is worst.verdict}
    held = {record.over for record in records} - failed
    only_over = failed.pop() if len(failed) == 1 and held and worst.verdict in BAD else ""
    retried = next((one.retried for one in records if one.retried and worst.verdict is Verdict.PASSED), "")
    repeat = next((one.repeat for one in records if one.verdict is worst.verdict and one.repeat), "")
    return Row(requirement, worst.verdict, seen, worst.expected, screens, provider, None, only_over, retried, repeat)


def overall(rows: Iterable[Row], strict: bool, stale: Sequence[str] = (), crashed: bool = False) -> Overall:
    """The one verdict. A run in which no row was judged is an error. `stale`: known failures that now pass.
    `crashed`: the server did, in a way that is not known."""
    rows = list(rows)
    verdicts = {row.verdict for row in rows}
    if Verdict.HARNESS_ERROR in verdicts:
        return Overall.ERROR
    if stale or crashed or any(row.gates(strict) for row in rows):
        return Overall.FAIL
    return Overall.PASS if verdicts & {Verdict.PASSED, Verdict.VIOLATED} else Overall.ERROR
