"""The journal: what the fakes were asked, what they wrote and when, and who ended each request."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from chatproof.fake_providers.dialects.base import IncomingRequest
from chatproof.fake_providers.journal.assertions import Assertions, AsyncAssertions, Wanted
from chatproof.fake_providers.journal.entry import Ended, Entry, JournalWrite
from chatproof.fake_providers.planning.http_request import key_number
from chatproof.fake_providers.planning.planner import Answer
from chatproof.harness.common.redaction import redacted_headers, redacted_path

__all__ = ["Ended", "Entry", "Journal", "JournalWrite"]

_MAX_ENTRIES: Final = 2_000
_MAX_WEIGHT: Final = 64_000_000  # bytes, roughly: bodies, and a fixed amount for each write
_ENTRY_WEIGHT: Final = 2_000
_WRITE_WEIGHT: Final = 150


class Journal(Assertions):
    """Bounded by entries and by memory: it drops the oldest entries and counts them. For any number of threads.

    The assertions of `Assertions` block, and raise RuntimeError where that would stop an event loop; `aio` has
    the same assertions as coroutines.
    """

    def __init__(self, max_entries: int = _MAX_ENTRIES, max_weight: int = _MAX_WEIGHT) -> None:
        self.dropped = 0
        self.aio = _AsyncJournal(self)
        self._max_entries = max_entries
        self._max_weight = max_weight
        self._entries: deque[tuple[Entry, int]] = deque()
        self._by_case: dict[str, list[Entry]] = {}
        self._weight = 0
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        self._waiting: dict[str | None, set[Callable[[], object]]] = {}

    def begin(self, entry: Callable[[int], Entry], body_bytes: int, writes: int) -> Entry:
        """Add the entry that `entry` makes for the next id. Its body and its planned writes are its weight."""
        weight = _ENTRY_WEIGHT + body_bytes + writes * _WRITE_WEIGHT
        with self._lock:
            new = entry(next(self._ids))
            self._entries.append((new, weight))
            self._weight += weight
            if new.case is not None:
                self._by_case.setdefault(new.case, []).append(new)
            while len(self._entries) > 1 and self._too_much():
                self._drop_oldest()
        self._changed(new)
        return new

    def open(self, request: IncomingRequest, answer: Answer, received: float) -> Entry:
        """Add the entry of a request that arrived at `received` (time.monotonic() seconds), secrets redacted."""

        def entry(number: int) -> Entry:
            return Entry(
                id=number,
                provider=answer.provider,
                method=request.method,
                path=redacted_path(request.path, request.query),
                headers=redacted_headers(request.headers),
                body=request.json,
                received=received,
                stream=answer.stream,
                script=answer.script,
                case=answer.case,
                wires=answer.wires,
                size=len(request.body),
                reply_headers=answer.plan.headers,
                error=answer.plan.error,
                planned_writes=len(answer.plan.writes),
                unfinished=answer.plan.unfinished,
                key=key_number(request),
            )

        return self.begin(entry, len(request.body), len(answer.plan.writes))

    def wrote(
        self, entry: Entry, status: int | None, size: int, tokens: int, text: str, at: float | None = None
    ) -> None:
        """Note a write made just now, or at `at` (time.monotonic() seconds)."""
        entry.status = status
        entry.noted.append(JournalWrite(time.monotonic() if at is None else at, size, tokens, text))
        if self._waiting:
            self._changed(entry)

    def wrote_next(self, entry: Entry) -> None:
        """Note that the next of the entry's planned writes was made just now."""
        entry.times.append(time.monotonic())
        if self._waiting:
            self._changed(entry)

    def end(self, entry: Entry, how: Ended, at: float | None = None) -> None:
        """Note that the request ended just now, or at `at`."""
        entry.ended_at = time.monotonic() if at is None else at
        entry.ended = how  # set last: another thread that sees it sees the time too
        self._changed(entry)

    def entries(self, case: str | None = None, limit: int | None = None) -> list[Entry]:
        """The newest `limit` entries, of one case if given, the oldest first."""
        with self._lock:
            found = self._by_case.get(case, []) if case is not None else [entry for entry, _ in self._entries]
            wanted = found[max(0, len(found) - limit) :] if limit is not None else found
            return [entry.redact() for entry in wanted]

    def clear(self) -> None:
        """Forget all entries, those of running requests too."""
        with self._lock:
            self._entries.clear()
            self._by_case.clear()
            self._weight = self.dropped = 0

    async def wait(self, case: str | None, enough: Callable[[list[Entry]], bool], timeout: float) -> bool:
        """Wait until `enough` is true of the case's entries. False after `timeout` seconds."""
        changed = asyncio.Event()
        loop, own_thread = asyncio.get_running_loop(), threading.get_ident()

        def wake() -> None:
            if threading.get_ident() == own_thread:
                changed.set()
            elif not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)

        self._watch(case, wake)
        try:
            async with asyncio.timeout(timeout):
                while not enough(self.entries(case)):
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            return False
        finally:
            self._unwatch(case, wake)
        return True

    async def _until(self, case: str | None, wanted: Wanted, timeout: float) -> tuple[list[Entry], bool]:
        if not wanted.met(self.entries(case)) and timeout > 0:
            self._block(case, wanted, timeout)
        entries = self.entries(case)
        return entries, wanted.met(entries)

    async def _now(self) -> float:
        return time.monotonic()

    def _block(self, case: str | None, wanted: Wanted, timeout: float) -> None:
        if asyncio._get_running_loop() is not None:
            raise RuntimeError(
                "waiting here would block the event loop, and with it the request that you wait for:"
                " write `await journal.aio.…` instead of `journal.…`"
            )
        changed, deadline = threading.Event(), time.monotonic() + timeout
        self._watch(case, changed.set)
        try:
            while not wanted.met(self.entries(case)) and (left := deadline - time.monotonic()) > 0:
                changed.wait(left)
                changed.clear()
        finally:
            self._unwatch(case, changed.set)

    def _too_much(self) -> bool:
        return len(self._entries) > self._max_entries or self._weight > self._max_weight

    def _drop_oldest(self) -> None:
        entry, weight = self._entries.popleft()
        self._weight -= weight
        self.dropped += 1
        if entry.case is not None:
            of_case = self._by_case[entry.case]
            of_case.remove(entry)
            if not of_case:
                del self._by_case[entry.case]

    def _watch(self, case: str | None, wake: Callable[[], object]) -> None:
        with self._lock:
            self._waiting.setdefault(case, set()).add(wake)

    def _unwatch(self, case: str | None, wake: Callable[[], object]) -> None:
        with self._lock:
            waiting = self._waiting[case]
            waiting.discard(wake)
            if not waiting:
                del self._waiting[case]

    def _changed(self, entry: Entry) -> None:
        if not self._waiting:
            return
        with self._lock:
            for case in {entry.case, None}:
                for wake in self._waiting.get(case, ()):
                    wake()


class _AsyncJournal(AsyncAssertions):
    """A journal's assertions as coroutines, for asyncio."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def entries(self, case: str | None = None) -> list[Entry]:
        return self._journal.entries(case)

    async def _now(self) -> float:
        return time.monotonic()

    async def _until(self, case: str | None, wanted: Wanted, timeout: float) -> tuple[list[Entry], bool]:
        happened = await self._journal.wait(case, wanted.met, timeout)
        return self._journal.entries(case), happened
