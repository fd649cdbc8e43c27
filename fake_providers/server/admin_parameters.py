"""The parameters of control requests, read strictly, and replies in JSON."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import parse_qs

from chatproof.fake_providers.dialects.base import IncomingRequest, Reply, TimedFrame
from chatproof.fake_providers.journal.assertions import Wanted
from chatproof.fake_providers.journal.client_faults import ClientLimits
from chatproof.fake_providers.journal.control_client import MAX_WAIT_S

_DEFAULT_WAIT_S: Final = 10.0
_MAX_LIMIT_S: Final = 3_600.0
_DEFAULT_LIMIT: Final = 200
_MAX_LIMIT: Final = 2_000
_MAX_ID: Final = 200

Query = dict[str, str]


class BadRequest(ValueError):
    """An invalid control request. The text says what would be valid."""


def query_of(request: IncomingRequest) -> Query:
    """The query parameters; of several with one name, the last."""
    return {name: values[-1] for name, values in parse_qs(request.query).items()}


def case_of(query: Query) -> str | None:
    case = query.get("case")
    if case is not None and len(case) > _MAX_ID:
        raise BadRequest(f"case must be at most {_MAX_ID} characters long")
    return case


def limit_of(query: Query) -> int:
    """The largest number of entries to return."""
    return whole(query, "limit", 1, _MAX_LIMIT) or _DEFAULT_LIMIT


def timeout_of(query: Query) -> float:
    """How long to wait, in seconds."""
    return seconds(query.get("timeout", str(_DEFAULT_WAIT_S)), "timeout", MAX_WAIT_S)


def limits_of(query: Query) -> ClientLimits:
    """What the client under test may do."""
    given: dict[str, Any] = {name: whole(query, name, 0) for name in ("max_retries", "at_once")}
    for name in ("backoff", "read_timeout"):
        given[name] = seconds(query[name], name, _MAX_LIMIT_S) if name in query else None
    return ClientLimits(**{name: value for name, value in given.items() if value is not None})


def whole(query: Query, name: str, low: int, high: int = 1_000_000) -> int | None:
    if (value := query.get(name)) is None:
        return None
    if not value.isdecimal() or len(value) > 9 or not low <= int(value) <= high:
        raise BadRequest(f"{name} must be a whole number from {low} to {high}, not {value[:40]!r}")
    return int(value)


def seconds(value: Any, name: str, high: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number <= high:
        raise BadRequest(f"{name} must be seconds from 0 to {high:g}, not {str(value)[:40]!r}")
    return number


def wanted_of(query: Query) -> Wanted:
    """What to wait for. BadRequest if the query does not say."""
    wanted = Wanted(query.get("ended") == "1", whole(query, "tokens", 1), whole(query, "entries", 1))
    if wanted == Wanted():
        raise BadRequest("say what to wait for: ended=1, tokens=N or entries=N")
    return wanted


def json_reply(status: int, value: Any) -> Reply:
    return Reply(status, (("content-type", "application/json"),), (TimedFrame(json.dumps(value).encode(), 0.0),))
