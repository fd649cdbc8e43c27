"""What the suite reads of pytest's items."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.suite.case import Case
from conformance.suite.marks import TestBody, When


def body_of(item: pytest.Item) -> TestBody | None:
    """The coroutine function of one of the suite's tests, or None for any other."""
    return getattr(getattr(item, "obj", None), "chatproof_body", None)


def when_of(item: pytest.Item) -> When:
    """When a test runs."""
    when = getattr(getattr(item, "obj", None), "chatproof_when", When.IN_TURN)
    assert isinstance(when, When)
    return when


def ids_of(item: pytest.Item) -> list[str]:
    """The rows that a test names."""
    return [name for marker in item.iter_markers("requirement") for name in marker.args]


def parameters_of(item: pytest.Item) -> dict[str, Any]:
    """The values that a parametrised test was made with."""
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params) if callspec else {}


def arguments_of(item: pytest.Item, case: Case) -> dict[str, Any]:
    """A test's arguments: its case and its parameters. No other fixtures, so that a test may begin before
    pytest comes to it."""
    return {"case": case, **parameters_of(item)}
