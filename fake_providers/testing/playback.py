"""One planned reply as a client in this process reads it: no socket and no sleep, only what is due when."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Final

from chatproof.fake_providers.journal.entry import Ended, Entry
from chatproof.fake_providers.journal.journal import Journal
from chatproof.fake_providers.planning.http_writes import WritePlan

_BUFFER: Final = 65_536
"""Bytes written ahead of a client that does not read, as a socket's buffers would hold them."""


_ROUNDING: Final = 1e-9  # seconds


class Reset(Exception):
    """The fake reset the connection."""


class Playback:
    """`wait` says how long until something happens, `take` returns what is there.

    Time is the script's: `pace` is how many real seconds one of its seconds takes. With pace 0 its clock
    stands still until someone waits, and then jumps to the next write. Writes that are due enter the journal with
    their own time, even if the client reads them later. Locked, since another thread than the reader may close
    the client.
    """

    def __init__(self, plan: WritePlan, entry: Entry, journal: Journal, pace: float) -> None:
        self.pace = pace
        self._plan = plan
        self._entry = entry
        self._journal = journal
        self._start = entry.received
        self._jumped = 0.0
        self._next = 0
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._held_until = 0.0
        self._over = False
        self._lock = threading.Lock()

    def wait(self) -> float:
        """Script seconds until `take` has something: 0 for now, infinite for never."""
        with self._lock:
            self._write()
            if self._unread or self._finished():
                return 0.0
            return max(0.0, self._due() - self._now())  # time passes while this is worked out

    def jump(self, seconds: float) -> None:
        """With pace 0: let that many script seconds pass."""
        if self.pace == 0:
            due, later = self._due(), self._jumped + seconds
            # Rounding must not leave the clock just before what was waited for: the reply would look finished.
            self._jumped = due if abs(due - later) < _ROUNDING else later

    def take(self, size: int) -> bytes:
        """At most `size` bytes, of one write; empty at the end of the connection. Raises Reset."""
        with self._lock:
            self._write()
            if not self._unread:
                self._end(self._planned_end())
                if self._plan.end == "reset":
                    raise Reset
                return b""
            if self._unread_bytes >= _BUFFER:
                self._held_until = time.monotonic()
            data = self._unread.popleft()
            if len(data) > size:
                self._unread.appendleft(data[size:])
                data = data[:size]
            self._unread_bytes -= len(data)
            return data

    def hang_up(self) -> None:
        """The client closed the connection. Writes that were due before still count."""
        with self._lock:
            self._write()
            self._end("client_closed", time.monotonic())

    def _now(self) -> float:
        """Script seconds since the request arrived."""
        return self._jumped if self.pace == 0 else (time.monotonic() - self._start) / self.pace

    def _due(self) -> float:
        """When the next thing happens, in script seconds."""
        if self._next < len(self._plan.writes):
            return self._plan.writes[self._next].due
        return math.inf if self._plan.end == "stall" else self._plan.end_due

    def _finished(self) -> bool:
        return self._next == len(self._plan.writes) and self._due() <= self._now()

    def _write(self) -> None:
        now = self._now()
        while self._next < len(self._plan.writes) and self._due() <= now and self._unread_bytes < _BUFFER:
            if self._over:
                return
            write = self._plan.writes[self._next]
            at = max(self._time(write.due), self._held_until)
            self._journal.wrote(self._entry, self._plan.status, len(write.payload), write.tokens, write.text, at)
            self._unread.append(write.payload)
            self._unread_bytes += len(write.payload)
            self._next += 1
        if self._finished():
            self._end(self._planned_end())

    def _time(self, due: float) -> float:
        """That time by the journal's clock."""
        return time.monotonic() if self.pace == 0 else self._start + due * self.pace

    def _planned_end(self) -> Ended:
        return "faulted" if self._plan.faulted else "completed"

    def _end(self, how: Ended, at: float | None = None) -> None:
        if self._over:
            return
        self._over = True
        if at is None:
            last = self._entry.writes[-1].at if self._entry.writes else self._start
            at = max(self._time(self._plan.end_due), last)
        self._journal.end(self._entry, how, at)
