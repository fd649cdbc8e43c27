"""The JSON report, for tools."""

from __future__ import annotations

import json
from typing import Any

from chatproof import __version__
from chatproof.harness.common.redaction import redacted
from chatproof.harness.report.summary import RunSummary


def as_json(summary: RunSummary) -> dict[str, Any]:
    """The report as a document. Its keys are stable; new ones may be added.

    `text`, `why` and `typical_fault` of a row are the contract's words, null where it has none. `provider` is the one
    that was behind the server for the row, or null where the row needs none or there was none. `known` is why a
    failure is known, or null. `retried` is what was seen beside other tests, where a row passed when it was tried again
    alone, or null. `repeat` are lines for a shell that send again what showed the failure, `command` judges the row
    alone; null where the row is kept, or none is known. `error` is why the run as a whole could not judge, or null.
    `start_by_hand` are lines for a shell that start the server and the fakes as the suite did, for the rows' `repeat`;
    null where it started none. `start_here` holds the root causes of all failures, the worst first: see
    `Cause`. `contract` is the revision of the contract whose rows were judged, `api` the name of what the server
    speaks. `crashes` holds those of the server: see
    `Crash`. `situations` says of each covering array which pairs of circumstances were tried: see `SituationTally`.
    """
    provider = summary.providers[0] if summary.providers else None
    return {
        "suite": __version__,
        "contract": summary.contract,
        "api": summary.api,
        "target": summary.target,
        "verdict": summary.verdict.value,
        "error": redacted(summary.error) or None,
        "start_here": [cause.to_json() for cause in summary.causes],
        "crashes": [crash.to_json() for crash in summary.crashes],
        "situations": [one.to_json() for one in summary.situations],
        "start_by_hand": summary.by_hand or None,
        "rows": [
            {
                "id": row.requirement.id,
                "text": row.requirement.text,
                "why": row.requirement.why or None,
                "typical_fault": row.requirement.typical or None,
                "level": row.requirement.level.value,
                "profile": row.requirement.profile.value,
                "provider": row.provider or (provider if row.requirement.needs_provider else None),
                "verdict": row.verdict.value,
                "seen": redacted(row.seen),
                "expected": redacted(row.expected),
                "known": row.known,
                "retried": redacted(row.retried) or None,
                "repeat": redacted(row.repeat) or None,
                "command": summary.command_for(row) or None,
            }
            for row in summary.rows
        ],
    }


def as_text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
