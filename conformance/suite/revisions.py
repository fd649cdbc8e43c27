"""What the contract's first revision does not look at. Its rows are older than some of their tests."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotLookedAt

NOT_LOOKED_AT = "the contract's first revision does not look at this"


def is_first_revision(case: Case) -> bool:
    """Whether only the contract's first revision is asked for."""
    return case.lane.settings.contract == 1


def needs_a_later_revision(case: Case) -> None:
    """Stop a test that the first revision does not know. Raises NotLookedAt."""
    if is_first_revision(case):
        raise NotLookedAt(NOT_LOOKED_AT)
