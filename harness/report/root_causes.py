"""The root causes of a run's failures: what its red rows have in common, the worst first.

A server has few faults and many red rows. `root_causes` begins with what the run itself saw (a crash, a provider that
is never asked), goes on with what many rows saw alike (one answer, one reason, one transport), and ends with a cause
for each row that is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from chatproof.harness.common.redaction import redacted
from chatproof.harness.protocol.excerpts import counted
from chatproof.harness.protocol.requirements import HURTS, Hurt
from chatproof.harness.protocol.sent import OWN_NAME
from chatproof.harness.report.verdicts import BAD, Row, Verdict

MANY: Final = 3  # requirements that must share an answer or a transport before that is taken for their cause
VERY_MANY: Final = 10  # requirements that follow from one cause: it stands before all that explain fewer
LONG_ENOUGH: Final = 12  # characters of a reason that is worth comparing

LOOK: Final = "Look for this answer in the server's code, and for its cause in the server's output (--server-log FILE)."

_TEXT: Final = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_ANSWER: Final = re.compile(
    rf"(?<!WebSocket with )status ([45]\d\d)(?: with ({_TEXT}))?"
)  # as `Transcript.outcome` tells it
_DIFFERS: Final = re.compile(rf"\b{OWN_NAME.pattern}\b|\d+")  # ids of this run's cases, and numbers, differ by nature


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing to mend, and the rows that follow from it.

    `title`: what is wrong, in one sentence. `seen`: what was observed, in the server's own words where it said
    something; `expected`: what should have been; `do`: what to do about it. `rows`: names of rows (`Row.name`), in the
    contract's order, the one that says it best first. `gates`: whether it makes the run fail. `reason`: a row that
    could not be tested for a reason with this text in it follows from the cause. `repeat`: lines for a shell that send
    again what showed it, or nothing.
    """

    title: str
    seen: str = ""
    do: str = ""
    expected: str = ""
    rows: tuple[str, ...] = ()
    hurts: Hurt = Hurt.FORM
    gates: bool = True
    verdict: Verdict = Verdict.VIOLATED
    reason: str = ""
    repeat: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The requirements of its rows."""
        return tuple(dict.fromkeys(name.partition(" ")[0] for name in self.rows))

    def to_json(self) -> dict[str, Any]:
        """What the JSON report says of it."""
        return {
            "title": redacted(self.title),
            "rows": list(self.rows),
            "hurts": self.hurts.value,
            "verdict": self.verdict.value,
            "gates": self.gates,
            "seen": redacted(self.seen),
            "expected": redacted(self.expected),
            "do": redacted(self.do),
            "repeat": self.repeat or None,
        }


def root_causes(
    rows: Iterable[Row], found: Sequence[Cause] = (), strict: bool = False, server_error: str = ""
) -> tuple[Cause, ...]:
    """The causes of all red rows that are not known failures. Each such row follows from exactly one of them.

    Args:
        found: what the run itself saw. They come first, in their order, with the rows that follow from them.
        strict: whether SHOULD rows make the run fail.
        server_error: the line of the server's own output that names an error; it stands beside an answer that many
            rows saw.
    """
    left = [row for row in rows if row.verdict in (*BAD, Verdict.HARNESS_ERROR) and not row.known]
    first: list[Cause] = []
    for cause in found:
        mine = [row for row in left if row.name in cause.rows or (cause.reason and cause.reason in row.seen)]
        left = [row for row in left if row not in mine]
        first.append(_with_rows(cause, mine, strict) if mine else cause)
    shared: list[Cause] = []
    for alike, told in (
        (_faults, _own_fault),
        (_marks, partial(_common, server_error)),
        (_transports, _broken_transport),
    ):
        for mark, mine in _largest_first(left, alike):
            shared.append(_with_rows(told(mark, mine), mine, strict))
            left = [row for row in left if row not in mine]
    single: dict[tuple[str, Verdict], list[Row]] = {}
    for row in left:
        single.setdefault((row.requirement.id, row.verdict), []).append(row)
    rest = [_with_rows(_of_one_row(mine[0]), mine, strict) for mine in single.values()]
    return (*first, *sorted([*shared, *rest], key=_order))


def _order(cause: Cause) -> tuple[bool, bool, int, bool]:
    """What makes the run fail, first what explains many rows; then what hurts most; then what was seen, not guessed."""
    is_root = len(cause.ids) >= VERY_MANY
    return (not cause.gates, not is_root, HURTS.index(cause.hurts), cause.verdict is Verdict.NOT_TESTABLE)


def _with_rows(cause: Cause, rows: Sequence[Row], strict: bool) -> Cause:
    worst = min((row.requirement.hurts for row in rows), key=HURTS.index)
    gates = any(row.gates(strict) or row.verdict is Verdict.HARNESS_ERROR for row in rows)
    order = list(Verdict)
    verdict = min((row.verdict for row in rows), key=order.index)
    names = tuple(row.name for row in rows)
    repeat = cause.repeat or next((row.repeat for row in rows if row.repeat), "")
    return replace(cause, rows=names, hurts=worst, gates=gates, verdict=verdict, repeat=repeat)


# -- what rows have in common


Marks = Callable[[Row], Iterable[str]]


def _largest_first(rows: Sequence[Row], marks: Marks) -> Iterator[tuple[str, list[Row]]]:
    """Groups of rows that share a mark, each row in one group; single rows are left out."""
    left = list(rows)
    while True:
        groups: dict[str, list[Row]] = {}
        for row in left:
            for mark in dict.fromkeys(marks(row)):
                groups.setdefault(mark, []).append(row)
        found = [(mark, mine) for mark, mine in groups.items() if _is_a_group(mark, mine)]
        if not found:
            return
        mark, mine = max(found, key=lambda group: _size(group[1]))
        yield mark, mine
        left = [row for row in left if row not in mine]


def _size(rows: Iterable[Row]) -> int:
    return len({row.requirement.id for row in rows})


def _is_a_group(mark: str, rows: Sequence[Row]) -> bool:
    if mark == Verdict.HARNESS_ERROR:
        return bool(rows)
    if mark.startswith("reason "):
        return _size(rows) > 1 and any(row.verdict is Verdict.NOT_TESTABLE for row in rows)
    if mark.startswith("alike "):
        return _size(rows) > 1
    # a bad request may well get the same answer; it is a cause where ordinary requests get it
    return _size(row for row in rows if "4xx" not in row.expected) >= MANY


def _faults(row: Row) -> Iterator[str]:
    """Rows in which the suite itself failed."""
    if row.verdict is Verdict.HARNESS_ERROR:
        yield Verdict.HARNESS_ERROR


def _transports(row: Row) -> Iterator[str]:
    """The one transport over which a row fails that holds over others."""
    if row.only_over:
        yield row.only_over


def _marks(row: Row) -> Iterator[str]:
    """What a row may share with others: the answer that it saw, and the reason why it was not tested, whole and without
    its beginning."""
    if answer := _ANSWER.search(row.seen):
        yield f"answer {answer[1]} {_generic(answer[2] or '')}"
    if row.verdict is Verdict.NOT_TESTABLE:
        yield f"reason {_generic(row.seen)}"
        tail = row.seen.partition(": ")[2]
        if len(tail) >= LONG_ENOUGH:
            yield f"reason {_generic(tail)}"
    elif len(row.seen) >= LONG_ENOUGH:
        yield f"reason {_generic(row.seen)}"
        yield f"reason {_generic(row.seen.partition('; ')[0])}"  # without advice
        if row.expected:
            yield f"alike {row.seen} {row.expected}"


def _generic(text: str) -> str:
    return _DIFFERS.sub("#", " ".join(text.split()))


# -- in words


def _own_fault(_: str, rows: Sequence[Row]) -> Cause:
    return Cause(
        "The suite itself failed: this is a fault of chatproof, not of the server",
        rows[0].seen,
        "Report it, with the whole output of `chatproof check -v`.",
    )


def _broken_transport(transport: str, rows: Sequence[Row]) -> Cause:
    title = f"Over {transport} {counted(_size(rows), 'requirement')} fail that hold over other transports"
    return replace(_of_one_row(rows[0]), title=title)


def _common(server_error: str, mark: str, rows: Sequence[Row]) -> Cause:
    kind, _, _ = mark.partition(" ")
    if kind == "answer" and (answer := _ANSWER.search(rows[0].seen)):
        title = f"The server answers ordinary requests with status {answer[1]}"
        said = f"; the server's own output says: {server_error}" if server_error else ""
        return Cause(title, answer[0] + said, LOOK, "status 200 and a reply")
    violated = [row for row in rows if row.verdict is Verdict.VIOLATED]
    if violated:
        return _of_one_row(violated[0])
    title = f"{counted(_size(rows), 'requirement')} could not be tested"
    return Cause(title, rows[0].seen, "Mend what is named here first, then run the suite again.")


def _of_one_row(row: Row) -> Cause:
    one = row.requirement
    do = f"Typical fault: {one.typical}" if one.typical else ""
    return Cause(one.text, row.seen, do, row.expected)
