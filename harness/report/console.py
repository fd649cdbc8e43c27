"""The report that people read in the terminal: a table, the remarks, the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from chatproof.harness.common.redaction import redacted
from chatproof.harness.protocol.requirements import Contract, Level
from chatproof.harness.report.verdicts import Overall, Record, Row, Verdict

COLUMNS = (Verdict.PASSED, Verdict.VIOLATED, Verdict.NOT_TESTABLE, Verdict.NOT_APPLICABLE, Verdict.HARNESS_ERROR)
MOST_SCREENS = 3  # of one row in one test


def table(contract: Contract, rows: Sequence[Row]) -> list[str]:
    """A line for each group with its counts, and one for all."""
    columns = [column for column in COLUMNS if column is not Verdict.HARNESS_ERROR or _count(rows)[column]]
    lines = [f"{'group':<8}" + "".join(f"{column:>16}" for column in columns)]
    groups = dict.fromkeys(row.requirement.group for row in rows)
    for group in groups:
        counts = _count(row for row in rows if row.requirement.group == group)
        title = contract.titles.get(group, "").replace("`", "")
        lines.append(f"{group:<8}" + "".join(f"{counts[column] or '·':>16}" for column in columns) + f"   {title[:48]}")
    counts = _count(rows)
    lines.append(f"{'all':<8}" + "".join(f"{counts[column]:>16}" for column in columns))
    return lines


def remarks(rows: Iterable[Row]) -> list[str]:
    """A line for each violation, and one for each reason why rows were not judged."""
    lines: list[str] = []
    unjudged: dict[tuple[Verdict, str], list[str]] = {}
    for row in rows:
        known = f", known: {row.known}" if row.known else ""
        if row.verdict in (Verdict.NOT_APPLICABLE, Verdict.NOT_TESTABLE) and not known:
            unjudged.setdefault((row.verdict, row.seen), []).append(row.name)
        elif row.verdict is not Verdict.PASSED:
            level = "" if row.requirement.level is Level.MUST else " SHOULD"
            expected = f"; expected {row.expected}" if row.expected else ""
            lines.append(f"{row.name}{level} {row.verdict}{known}: {row.seen}{expected}")
    lines += [f"{verdict}, {why}: {', '.join(ids)}" for (verdict, why), ids in unjudged.items()]
    return [redacted(line) for line in lines]


def failure_text(records: Iterable[Record]) -> str:
    """What a failed test says: one screen for each finding, of many for one row the first ones."""
    by_row: dict[str, list[Record]] = {}
    for record in records:
        by_row.setdefault(record.id, []).append(record)
    lines: list[str] = []
    for name, found in by_row.items():
        lines += [record.screen or f"{record.id} {record.verdict}: {record.seen}" for record in found[:MOST_SCREENS]]
        if len(found) > MOST_SCREENS:
            lines.append(f"… and {len(found) - MOST_SCREENS} more findings of {name}")
    return redacted("\n".join(lines))


def verdict_line(target: str, rows: Sequence[Row], verdict: Overall, strict: bool, seconds: float) -> str:
    """The run in one line."""
    counts = _count(rows)
    bad = [row.name for row in rows if row.gates(strict)]
    tolerated = [row.name for row in rows if row.gates(True) and not row.gates(strict)]
    known = [row.name for row in rows if row.known and row.verdict in (Verdict.VIOLATED, Verdict.NOT_TESTABLE)]
    parts = [f"{counts[Verdict.PASSED]} rows passed"]
    parts += [f"{counts[one]} {one}" for one in COLUMNS[1:] if counts[one]]
    line = f"chatproof: {verdict.upper()} {target}: {', '.join(parts)} in {seconds:.0f} s"
    if bad:
        line += f"; failed: {_few(bad)}"
    if tolerated:
        line += f"; SHOULD rows not kept: {_few(tolerated)}"
    if known:
        line += f"; known failures: {_few(known)}"
    return line


def _few(ids: Sequence[str], most: int = 12) -> str:
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")


def _count(rows: Iterable[Row]) -> Counter[Verdict]:
    return Counter(row.verdict for row in rows)
