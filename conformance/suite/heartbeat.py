"""A timer that shows how late the suite's own event loop is."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from chatproof.fake_providers.journal.journal import Entry
from chatproof.harness.protocol.lateness import Lateness

BEAT = 0.02  # seconds
KEPT = int(120 / BEAT)  # beats: two minutes
CALM, CALM_FOR = 0.02, 0.5  # no beat later than this, for so long, in seconds


@dataclass(slots=True)
class Heartbeat:
    """Beats of the event loop: when each was due, and how late it came, in seconds. Without `start` there are none."""

    beats: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=KEPT))
    _timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin on the running event loop."""
        due = time.monotonic() + BEAT
        self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat, due)

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _beat(self, due: float) -> None:
        self.beats.append((due, max(0.0, time.monotonic() - due)))
        self.start()

    def since(self, began: float, entries: tuple[Entry, ...] | list[Entry] = ()) -> Lateness:
        """How late the suite was since `began` (monotonic seconds), and the provider in the writes of `entries`."""
        suite = [late for due, late in self.beats if due + late >= began]
        return Lateness(tuple(suite), tuple(write.late for entry in entries for write in entry.writes))

    async def calm(self, patience: float) -> None:
        """Wait until the event loop has been on time for a moment, at most `patience` seconds."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            await asyncio.sleep(CALM_FOR)
            if self.since(time.monotonic() - CALM_FOR).at() < CALM:
                return
