"""Asks for which the provider must be there, made by tests that run beside the others.

A test of ERR-02 makes the provider refuse connections for a while. Tests of its phase run alone then, but those in the
background may be about to ask again.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext

from chatproof.conformance.suite.case import Case


def steady(case: Case) -> AbstractAsyncContextManager[None]:
    """Within it nobody makes the provider refuse connections."""
    return case.lane.provider.open_door if case.lane.provider else nullcontext()
