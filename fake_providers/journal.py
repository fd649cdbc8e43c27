"""What the fakes were asked for, what they wrote and when, and who ended each request."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, cast

Ended = Literal["completed", "faulted", "client_closed", "client_reset"]

_MAX_ENTRIES: Final = 2_000
_MAX_WEIGHT: Final = 64_000_000  # bytes, roughly: bodies, and a fixed price for each write
_ENTRY_WEIGHT: Final = 2_000
_WRITE_WEIGHT: Final = 150


class JournalWrite(NamedTuple):
    """One write to the socket: `at` in time.monotonic() seconds, `bytes` with HTTP framing."""

    at: float
    bytes: int
    tokens: int
    text: str


@dataclass(slots=True)
class Entry:
    """One request to a fake provider. Times are time.monotonic() of the fakes' machine, in seconds.

    `ended` is None while the request runs; "completed": played whole; "faulted": ended as its script's
    fault wants; "client_closed", "client_reset": the client hung up before the end (FIN, RST).
    `status` is None until the answer begins, and stays so where there is none.
    """

    id: int
    provider: str
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    received: float
    status: int | None = None
    stream: bool = False
    script: str | None = None
    case: str | None = None
    writes: list[JournalWrite] = field(default_factory=list)
    ended: Ended | None = None
    ended_at: float | None = None

    @property
    def text(self) -> str:
        """All text written so far."""
        return "".join(write.text for write in self.writes)

    @property
    def tokens(self) -> int:
        """The number of tokens written so far."""
        return sum(write.tokens for write in self.writes)

    @property
    def hangup_after(self) -> float | None:
        """Seconds between the last write (or the request) and the client's hang-up; None if it did not hang up."""
        if self.ended_at is None or self.ended not in ("client_closed", "client_reset"):
            return None
        return self.ended_at - (self.writes[-1].at if self.writes else self.received)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "provider": self.provider,
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "body": self.body,
            "status": self.status,
            "stream": self.stream,
            "script": self.script,
            "case": self.case,
            "received": self.received,
            "writes": [write._asdict() for write in self.writes],
            "ended": self.ended,
            "ended_at": self.ended_at,
            "hangup_after": self.hangup_after,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """The entry in the JSON form that `to_json` gives. KeyError, TypeError on another form."""
        values = {key: value for key, value in data.items() if key not in ("writes", "hangup_after")}
        writes = [JournalWrite(**write) for write in data["writes"]]
        return cls(**values, writes=writes)


class Journal:
    """Bounded by entries and by weight; the oldest are dropped and counted. For one event loop."""

    def __init__(self, max_entries: int = _MAX_ENTRIES, max_weight: int = _MAX_WEIGHT) -> None:
        self.dropped = 0
        self._max_entries = max_entries
        self._max_weight = max_weight
        self._entries: deque[tuple[Entry, int]] = deque()
        self._by_case: dict[str, list[Entry]] = {}
        self._weight = 0
        self._ids = itertools.count(1)
        self._waiting: dict[str | None, set[asyncio.Event]] = {}

    def begin(self, entry: Callable[[int], Entry], body_bytes: int, writes: int) -> Entry:
        """Add the entry made for the next id; the sizes of its body and its planned writes are its weight."""
        new = entry(next(self._ids))
        weight = _ENTRY_WEIGHT + body_bytes + writes * _WRITE_WEIGHT
        self._entries.append((new, weight))
        self._weight += weight
        if new.case is not None:
            self._by_case.setdefault(new.case, []).append(new)
        while len(self._entries) > 1 and (len(self._entries) > self._max_entries or self._weight > self._max_weight):
            self._drop_oldest()
        self._changed(new)
        return new

    def wrote(self, entry: Entry, status: int | None, size: int, tokens: int, text: str) -> None:
        """Bytes were handed to the socket just now."""
        entry.status = status
        entry.writes.append(JournalWrite(time.monotonic(), size, tokens, text))
        if self._waiting:
            self._changed(entry)

    def end(self, entry: Entry, how: Ended) -> None:
        """The request is over."""
        entry.ended, entry.ended_at = how, time.monotonic()
        self._changed(entry)

    def entries(self, case: str | None = None, limit: int | None = None) -> list[Entry]:
        """The newest `limit` entries, of one case if given, the oldest first."""
        found = self._by_case.get(case, []) if case is not None else [entry for entry, _ in self._entries]
        return found[max(0, len(found) - limit) :] if limit is not None else list(found)

    def clear(self) -> None:
        """Forget all entries; requests that still run are forgotten too."""
        self._entries.clear()
        self._by_case.clear()
        self._weight = self.dropped = 0

    async def wait(self, case: str | None, enough: Callable[[list[Entry]], bool], timeout: float) -> bool:
        """Wait until `enough(entries of the case)`, at most `timeout` seconds. False at the timeout."""
        changed = asyncio.Event()
        waiting = self._waiting.setdefault(case, set())
        waiting.add(changed)
        try:
            async with asyncio.timeout(timeout):
                while not enough(self.entries(case)):
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            return False
        finally:
            waiting.discard(changed)
            if not waiting:
                self._waiting.pop(case, None)
        return True

    def _drop_oldest(self) -> None:
        entry, weight = self._entries.popleft()
        self._weight -= weight
        self.dropped += 1
        if entry.case is not None:
            of_case = self._by_case[entry.case]
            of_case.remove(entry)
            if not of_case:
                del self._by_case[entry.case]

    def _changed(self, entry: Entry) -> None:
        for case in {entry.case, None}:
            for event in self._waiting.get(case, ()):
                event.set()


def redacted_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers without their secrets; a Bearer scheme stays visible."""
    return {name: _redacted(name, value) for name, value in headers.items()}


def redacted_path(path: str, query: str) -> str:
    """Path and query, with the values of `key=` and its like replaced."""
    if not query:
        return path
    parts = [part.partition("=") for part in query.split("&")]
    hidden = [f"{name}=[redacted]" if _secret(name) else name + equals + value for name, equals, value in parts]
    return f"{path}?{'&'.join(hidden)}"


def _redacted(name: str, value: str) -> str:
    if not _secret(name):
        return value
    return "Bearer [redacted]" if value[:7].lower() == "bearer " else "[redacted]"


def _secret(name: str) -> bool:
    name = name.lower()
    return name in _SECRETS or name.endswith(("-key", "_key", "-token", "_token"))


_SECRETS: Final = cast("frozenset[str]", frozenset({"authorization", "proxy-authorization", "cookie", "key"}))
