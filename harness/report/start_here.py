"""Where to start, in lines for a terminal: a block for each root cause, the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from chatproof.harness.common.redaction import redacted
from chatproof.harness.protocol.excerpts import CUT, counted
from chatproof.harness.report.root_causes import Cause

MORE = "chatproof explain ID says why; -v shows each failure whole"
MOST_ROWS = 8  # that a block names
TITLE, SEEN, EXPECTED, DO = 150, 400, 160, 200  # characters


def start_here(causes: Sequence[Cause]) -> list[str]:
    """A block of two to four lines for each cause; nothing where there is none."""
    gating = [cause for cause in causes if cause.gates]
    others = [cause for cause in causes if not cause.gates]
    lines: list[str] = []
    if gating:
        lines.append(f"Start here: {counted(len(gating), 'root cause')}, the worst first ({MORE})")
    for number, cause in enumerate(gating, 1):
        lines += _block(f"{number}. ", cause)
    if others:
        lines.append("Not kept, without an effect on the verdict:")
    for cause in others:
        lines += _block("- ", cause)
    return [redacted(line) for line in lines]


def names(cause: Cause, most: int = MOST_ROWS) -> str:
    """The rows that follow from a cause: each requirement once, with the providers that it was judged with."""
    lanes: dict[str, list[str]] = {}
    for name in cause.rows:
        requirement, _, provider = name.partition(" ")
        lanes.setdefault(requirement, []).extend([provider.strip("()")] if provider else [])
    told = [f"{one} ({', '.join(behind)})" if behind and len(lanes) == 1 else one for one, behind in lanes.items()]
    return ", ".join(told[:most]) + (f" and {len(told) - most} more" if len(told) > most else "")


def _block(mark: str, cause: Cause) -> Iterator[str]:
    indent = " " * 3
    rows = names(cause)
    yield f"{mark}{rows}: {_cut(cause.title, TITLE)}" if rows else f"{mark}{_cut(cause.title, TITLE)}"
    found = [(name, _cut(text, most)) for name, text, most in _found(cause)]
    if told := "; ".join(f"{name} {text}" for name, text in found if text):
        yield indent + told
    if cause.do:
        yield indent + _cut(cause.do, DO)
    if cause.repeat and "\n" not in cause.repeat:
        yield f"{indent}Repeat: {cause.repeat}"


def _found(cause: Cause) -> Iterable[tuple[str, str, int]]:
    return ("seen:", cause.seen, SEEN), ("expected:", cause.expected, EXPECTED)


def _cut(text: str, most: int) -> str:
    """A text in one line, cut between words."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[:most].rpartition(' ')[0] or text[:most]} {CUT}"
