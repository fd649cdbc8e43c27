"""Control requests' parameters, read strictly, and their answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import parse_qs

from chatproof.fake_providers.dialects.base import Reply, Request
from chatproof.fake_providers.journal.entry import Entry
from chatproof.fake_providers.scripting.faults import Frame

MAX_WAIT_S: Final = 120.0
_DEFAULT_WAIT_S: Final = 10.0
_DEFAULT_LIMIT: Final = 200
_MAX_LIMIT: Final = 2_000
_MAX_ID: Final = 200

Query = dict[str, str]


class BadRequest(ValueError):
    """A control request that cannot be answered; the text says what would be right."""


def query_of(request: Request) -> Query:
    """The query's parameters, the last of each name."""
    return {name: values[-1] for name, values in parse_qs(request.query).items()}


def case_of(query: Query) -> str | None:
    case = query.get("case")
    if case is not None and len(case) > _MAX_ID:
        raise BadRequest(f"case must be at most {_MAX_ID} characters long")
    return case


def limit_of(query: Query) -> int:
    """How many entries are wanted at most."""
    return whole(query, "limit", 1, _MAX_LIMIT) or _DEFAULT_LIMIT


def timeout_of(query: Query) -> float:
    """How long to wait, in seconds."""
    return seconds(query.get("timeout", str(_DEFAULT_WAIT_S)), "timeout", MAX_WAIT_S)


def whole(query: Query, name: str, low: int, high: int = 1_000_000) -> int | None:
    value = query.get(name)
    if value is None:
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


@dataclass(frozen=True, slots=True)
class Summary:
    """Of some entries: how many there are, how many of them have ended, and the most tokens that one has written."""

    entries: int = 0
    ended: int = 0
    tokens: int = 0

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Self:
        ended = sum(entry.ended is not None for entry in entries)
        return cls(len(entries), ended, max((entry.tokens for entry in entries), default=0))

    def __str__(self) -> str:
        return f"{self.entries}.{self.ended}.{self.tokens}"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a wait waits for: all have `ended`, one has written `tokens`, there are `entries`; all that is given."""

    ended: bool
    tokens: int | None
    entries: int | None

    @classmethod
    def of(cls, query: Query) -> Self:
        wanted = cls(query.get("ended") == "1", whole(query, "tokens", 1), whole(query, "entries", 1))
        if not wanted.ended and wanted.tokens is None and wanted.entries is None:
            raise BadRequest("say what to wait for: ended=1, tokens=N or entries=N")
        return wanted

    def hold(self, entries: Sequence[Entry]) -> bool:
        if self.ended and not (entries and all(entry.ended for entry in entries)):
            return False
        if self.tokens is not None and not any(entry.tokens >= self.tokens for entry in entries):
            return False
        return self.entries is None or len(entries) >= self.entries

    def hold_for(self, parts: Sequence[Summary]) -> bool:
        """The same, of entries that several workers have."""
        entries = sum(part.entries for part in parts)
        if self.ended and not 0 < entries == sum(part.ended for part in parts):
            return False
        if self.tokens is not None and not any(part.tokens >= self.tokens for part in parts):
            return False
        return self.entries is None or entries >= self.entries


def json_reply(status: int, value: Any) -> Reply:
    return Reply(status, (("content-type", "application/json"),), (Frame(json.dumps(value).encode(), 0.0),))
