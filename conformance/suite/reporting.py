"""How what a test found gets to the reports: from its process to the one that writes them.

pytest's reports carry it as an attribute, which pytest-xdist takes along; properties would be written out in JUnit's
XML, where only what people read belongs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.harness.protocol.requirements import Contract
from chatproof.harness.report.evidence import Evidence
from chatproof.harness.report.verdicts import Record

ATTRIBUTE = "chatproof"
FOUND: pytest.StashKey[dict[str, Any]] = pytest.StashKey()


def keep(item: pytest.Item, case: Case) -> None:
    """Keep what a test found with its item, for its report."""
    item.stash[FOUND] = {
        "records": [record.to_json() for record in case.records],
        "evidence": [one.to_json() for one in case.evidence],
    }
    item.user_properties += properties(case.lane.contract, case.ids, case.lane.provider_name, case.records)


def attach(item: pytest.Item, report: pytest.TestReport) -> None:
    """Give the report of a test's call what was kept."""
    if report.when == "call" and FOUND in item.stash:
        setattr(report, ATTRIBUTE, item.stash[FOUND])


def records_of(report: pytest.TestReport) -> list[Record]:
    """What the test found, also in another process."""
    return [Record.from_json(one) for one in _found(report).get("records", ())]


def evidence_of(report: pytest.TestReport) -> list[Evidence]:
    """The exchanges that the test shows."""
    return [Evidence.from_json(one) for one in _found(report).get("evidence", ())]


def properties(
    contract: Contract, ids: Iterable[str], provider: str | None, records: Iterable[Record]
) -> list[tuple[str, object]]:
    """What JUnit's XML says of a test: its rows, their levels, the provider, and a verdict for each row."""
    rows = [contract[name] for name in ids]
    found: list[tuple[str, object]] = [
        ("requirements", " ".join(row.id for row in rows)),
        ("levels", " ".join(f"{row.id}={row.level}" for row in rows)),
    ]
    if provider and any(row.needs_provider for row in rows):
        found.append(("provider", provider))
    verdicts = dict.fromkeys((record.id, record.verdict.value) for record in records)
    found += [(f"verdict {name}", verdict) for name, verdict in verdicts]
    return found


def _found(report: pytest.TestReport) -> Mapping[str, Any]:
    found = getattr(report, ATTRIBUTE, None) if report.when == "call" else None
    return found if isinstance(found, dict) else {}
