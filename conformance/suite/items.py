"""What the suite reads of pytest's items."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import TestBody, When
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import Contract, Profile
from chatproof.harness.protocol.transcript import Transport

BEHIND = "behind"  # the fixture that says which provider is behind the server


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
    return {name: value for name, value in callspec.params.items() if name != BEHIND} if callspec else {}


def provider_of(item: pytest.Item) -> str | None:
    """The provider that a test is for, or None where it is run once."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(BEHIND) if callspec else None


def arguments_of(item: pytest.Item, case: Case) -> dict[str, Any]:
    """A test's arguments: its case and its parameters. No other fixtures, so that a test may begin before
    pytest comes to it."""
    return {"case": case, **parameters_of(item)}


def uses_sockets(item: pytest.Item, contract: Contract) -> bool:
    """Whether a test asks over Socket.IO."""
    if parameters_of(item).get("transport", Transport.SSE) is not Transport.SSE:
        return True
    return any(Profile.SOCKETIO in contract[name].profiles for name in ids_of(item))


def is_wanted(item: pytest.Item, settings: Settings, contract: Contract) -> bool:
    """Whether a test says something of what this run is about. One that asks in a way that the server does not
    declare says nothing, whatever else it judges."""
    if settings.only and not settings.only & set(ids_of(item)):
        return False
    transport = parameters_of(item).get("transport", Transport.SSE)
    if transport is not Transport.SSE and Profile.SOCKETIO not in settings.profiles:
        return False
    rows = [contract[name] for name in ids_of(item)]
    if not all(set(row.profiles) <= settings.profiles for row in rows):
        return False
    return any(settings.has_provider or not row.needs_provider for row in rows)
