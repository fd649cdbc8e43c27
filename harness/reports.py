"""What a run leaves: the JSON that other tools read, and the table that people read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness import __version__
from harness.errors import ChatproofError
from harness.protocol.requirements import Contract, Level
from harness.trace import redacted
from harness.verdicts import Overall, Row, Verdict

COLUMNS = (Verdict.PASSED, Verdict.VIOLATED, Verdict.NOT_TESTABLE, Verdict.NOT_APPLICABLE, Verdict.HARNESS_ERROR)


def as_json(target: str, rows: Iterable[Row], verdict: Overall, provider: str | None) -> dict[str, Any]:
    """The report as a document. Its keys are stable; new ones may be added.

    `provider` of a row is the provider that was behind the server for it, or null where none was needed
    or there.
    """
    return {
        "suite": __version__,
        "target": target,
        "verdict": verdict.value,
        "rows": [
            {
                "id": row.requirement.id,
                "level": row.requirement.level.value,
                "profile": row.requirement.profile.value,
                "provider": provider if row.requirement.needs_provider else None,
                "verdict": row.verdict.value,
                "seen": redacted(row.seen),
                "expected": redacted(row.expected),
            }
            for row in rows
        ],
    }


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a report.

    Raises:
        ChatproofError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ChatproofError(f"--report-json: cannot write {path}: {error.strerror}") from error


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
        if row.verdict in (Verdict.NOT_APPLICABLE, Verdict.NOT_TESTABLE):
            unjudged.setdefault((row.verdict, row.seen), []).append(row.requirement.id)
        elif row.verdict is not Verdict.PASSED:
            level = "" if row.requirement.level is Level.MUST else " (SHOULD)"
            expected = f"; expected {row.expected}" if row.expected else ""
            lines.append(f"{row.requirement.id}{level} {row.verdict}: {row.seen}{expected}")
    lines += [f"{verdict}, {why}: {', '.join(ids)}" for (verdict, why), ids in unjudged.items()]
    return [redacted(line) for line in lines]


def verdict_line(target: str, rows: Sequence[Row], verdict: Overall, strict: bool, seconds: float) -> str:
    """The run in one line."""
    counts = _count(rows)
    bad = [row.requirement.id for row in rows if row.gates(strict)]
    tolerated = [row.requirement.id for row in rows if row.gates(True) and not row.gates(strict)]
    parts = [f"{counts[Verdict.PASSED]} rows passed"]
    parts += [f"{counts[one]} {one}" for one in COLUMNS[1:] if counts[one]]
    line = f"chatproof: {verdict.upper()} {target}: {', '.join(parts)} in {seconds:.0f} s"
    if bad:
        line += f"; failed: {_few(bad)}"
    if tolerated:
        line += f"; SHOULD rows not kept: {_few(tolerated)}"
    return line


def _few(ids: Sequence[str], most: int = 12) -> str:
    return ", ".join(ids[:most]) + (f" and {len(ids) - most} more" if len(ids) > most else "")


def _count(rows: Iterable[Row]) -> Counter[Verdict]:
    return Counter(row.verdict for row in rows)
