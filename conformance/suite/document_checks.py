"""Checks of what only the API document's own events have, in tests that judge other apis as well."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.harness.protocol.findings import Check
from chatproof.harness.protocol.requirements import OWN_API


def of_document(case: Case, *checks: Check) -> tuple[Check, ...]:
    """The checks; none of them where the server speaks another api."""
    return checks if case.lane.api.name == OWN_API else ()
