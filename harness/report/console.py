"""The report in the terminal: a table, the remarks, the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from chatproof.harness.common.redaction import redacted
from chatproof.harness.protocol.excerpts import counted
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report.failure_screen import reasons, repetition
from chatproof.harness.report.summary import ORDER, RunSummary, count
from chatproof.harness.report.verdicts import BAD, Record, Row, Verdict

MOST_SCREENS = 3  # of one row in one test


def table(summary: RunSummary) -> list[str]:
    """A line for each group with its counts, and one for all."""
    total = summary.counts
    columns = [column for column in ORDER if column is not Verdict.HARNESS_ERROR or total[column]]
    lines = [f"{'group':<8}" + "".join(f"{column:>16}" for column in columns)]
    for group, rows in summary.groups.items():
        counts, title = count(rows), summary.title(group)
        lines.append(f"{group:<8}" + "".join(f"{counts[column] or '·':>16}" for column in columns) + f"   {title[:48]}")
    lines.append(f"{'all':<8}" + "".join(f"{total[column]:>16}" for column in columns))
    return lines


def remarks(rows: Iterable[Row]) -> list[str]:
    """A line for each known failure, and one for each reason why rows do not apply."""
    lines: list[str] = []
    rows = list(rows)
    reasons_why: dict[str, list[str]] = {}
    for row in rows:
        if row.known and row.verdict in BAD:
            expected = f"; expected {row.expected}" if row.expected else ""
            lines.append(f"{row.name} {row.verdict}, known: {row.known}: {row.seen}{expected}")
        elif row.verdict is Verdict.NOT_APPLICABLE:
            reasons_why.setdefault(row.seen, []).append(row.name)
    lines += [f"{Verdict.NOT_APPLICABLE}, {why}: {_few(names)}" for why, names in reasons_why.items()]
    lines += [
        f"{row.name} passed when tried again alone; beside other tests: {row.retried}" for row in rows if row.retried
    ]
    return [redacted(line) for line in lines]


def situations(summary: RunSummary) -> list[str]:
    """A line for each covering array of situations: what was asked, and what was left out."""
    return [redacted(one.told()) for one in summary.situations]


def failure_text(records: Iterable[Record], command: str = "") -> str:
    """The text of a failed test: one screen for each finding, the first few of each row, and what helps to mend it.

    Args:
        command: judges the same server again, but for the rows to judge.
    """
    by_row: dict[str, list[Record]] = {}
    for record in records:
        by_row.setdefault(record.id, []).append(record)
    lines: list[str] = []
    for name, found in by_row.items():
        lines += [record.screen or f"{record.id} {record.verdict}: {record.seen}" for record in found[:MOST_SCREENS]]
        if len(found) > MOST_SCREENS:
            lines.append(f"… and {len(found) - MOST_SCREENS} more findings of {name}")
        if any(record.verdict is Verdict.VIOLATED for record in found):
            lines += reasons(contract()[name])
            by_hand = next((record.repeat for record in found if record.repeat), "")
            lines += repetition(by_hand, command and f"{command} --only {name}")
    return redacted("\n".join(lines))


def verdict_line(summary: RunSummary) -> str:
    """The run in one line."""
    counts, rows, strict = summary.counts, summary.rows, summary.strict
    bad = [row.name for row in rows if row.gates(strict)]
    tolerated = [row.name for row in rows if row.gates(True) and not row.gates(strict)]
    known = [row.name for row in rows if row.known and row.verdict in BAD]
    harmless = Counter(row.verdict for row in rows if row.verdict in BAD and not row.gates(strict))
    parts = (
        [f"{counted(counts[Verdict.PASSED], 'row')} passed"]
        if counts[Verdict.PASSED] or bad
        else ["no MUST row failed"]
    )
    told = [(one, counts[one] - harmless[one]) for one in ORDER[1:]]
    parts += [f"{number} {one}" for one, number in told if number]
    verdict = f"{summary.verdict.upper()} {summary.target}{f' ({api})' if (api := summary.told_api) else ''}"
    line = f"chatproof: {verdict}: {', '.join(parts)} in {summary.seconds:.0f} s"
    if summary.crashes:
        line += f"; the server crashed {counted(len(summary.crashes), 'time')}"
    if bad:
        line += f"; failed: {_few(bad)}"
    if tolerated:
        line += f"; SHOULD rows not kept: {_few(tolerated)}"
    if known:
        line += f"; known failures: {_few(known)}"
    return line


def _few(ids: Sequence[str], most: int = 12) -> str:
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")
