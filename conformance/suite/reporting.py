"""How the findings of a test reach the process that writes the reports.

They travel as an attribute of pytest's own report, which pytest-xdist sends along. Properties would not do: JUnit's
XML shows them, and it should hold only what people read.
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
    """Store what a test found with its pytest item."""
    item.stash[FOUND] = {
        "records": [record.to_json() for record in case.records],
        "evidence": [one.to_json() for one in case.evidence],
    }
    item.user_properties += properties(case.lane.contract, case.ids, case.lane.provider_name, case.records)


def explained(item: pytest.Item) -> None:
    """Note that the verdict of the run explains why the test failed."""
    item.stash[FOUND] = {}


def attach(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put what was stored into the report of a test's call."""
    if report.when == "call" and FOUND in item.stash:
        setattr(report, ATTRIBUTE, item.stash[FOUND])
        del item.stash[FOUND]


def forget(report: pytest.TestReport) -> None:
    """Take out of a report what was collected from it: pytest keeps all reports to the end."""
    if hasattr(report, ATTRIBUTE):
        setattr(report, ATTRIBUTE, {})


def records_of(report: pytest.TestReport) -> list[Record]:
    return [Record.from_json(one) for one in _found(report).get("records", ())]


def evidence_of(report: pytest.TestReport) -> list[Evidence]:
    return [Evidence.from_json(one) for one in _found(report).get("evidence", ())]


def properties(
    contract: Contract, ids: Iterable[str], provider: str | None, records: Iterable[Record]
) -> list[tuple[str, object]]:
    """The properties of a test in JUnit's XML: rows, levels, provider, and a verdict for each row."""
    rows = [contract[name] for name in ids]
    found: list[tuple[str, object]] = [
        ("requirements", " ".join(row.id for row in rows)),
        ("levels", " ".join(f"{row.id}={row.level}" for row in rows)),
    ]
    if provider and any(row.is_judged_with_each for row in rows):
        found.append(("provider", provider))
    verdicts = dict.fromkeys((record.id, record.verdict.value) for record in records)
    found += [(f"verdict {name}", verdict) for name, verdict in verdicts]
    return found


def _found(report: pytest.TestReport) -> Mapping[str, Any]:
    found = getattr(report, ATTRIBUTE, None) if report.when == "call" else None
    return found if isinstance(found, dict) else {}
