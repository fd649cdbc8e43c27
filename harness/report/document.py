"""The report that other tools read: JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from chatproof import __version__
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.redaction import redacted
from chatproof.harness.report.verdicts import Overall, Row


def as_json(target: str, rows: Iterable[Row], verdict: Overall, provider: str | None = None) -> dict[str, Any]:
    """The report as a document. Its keys are stable; new ones may be added.

    `provider` of a row is the provider that was behind the server for it, or null where none was needed
    or there; the argument is that of rows which do not say it themselves. `known` is why a failure is known, or null.
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
                "provider": row.provider or (provider if row.requirement.needs_provider else None),
                "verdict": row.verdict.value,
                "seen": redacted(row.seen),
                "expected": redacted(row.expected),
                "known": row.known,
            }
            for row in rows
        ],
    }


def as_text(document: dict[str, Any]) -> str:
    """The document as it is written."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a report.

    Raises:
        ChatproofError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_text(document), encoding="utf-8")
    except OSError as error:
        raise ChatproofError(f"--report-json: cannot write {path}: {error.strerror}") from error
