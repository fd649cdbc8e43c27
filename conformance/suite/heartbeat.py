"""A timer that shows how late the suite's own event loop is."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

from chatproof.fake_providers.journal.entry import Entry
from chatproof.harness.protocol.lateness import Lateness
from chatproof.harness.protocol.transcript import End, Transcript, Transport

BEAT = 0.02  # seconds
KEPT = int(120 / BEAT)  # beats: two minutes
BUSY = 0.1  # seconds; a machine whose timers are this late is busy
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
        suite = [one for due, late in self.beats if due + late >= began for one in _all_of(late)]
        return Lateness(tuple(suite), tuple(write.late for entry in entries for write in entry.writes))

    def may_have_lost(self, reply: Transcript) -> bool:
        """Whether this machine can be why something of a reply did not come: in time, or at all, because the server
        gave the socket up while the suite was too busy to answer its pings; or the suite had no memory for it."""
        is_lost = reply.transport is not Transport.SSE and reply.end in (End.RESET, End.TRUNCATED)
        return reply.did_not_come or reply.is_shed or (is_lost and self.was_busy(reply.asked_at))

    def was_busy(self, began: float) -> bool:
        """Whether this machine was so busy since `began` that even what waits for seconds may have waited in vain."""
        return self.since(began).at() >= BUSY

    async def calm(self, patience: float) -> None:
        """Wait until the event loop has been on time for a moment, at most `patience` seconds."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            await asyncio.sleep(CALM_FOR)
            if self.since(time.monotonic() - CALM_FOR).at() < CALM:
                return


def _all_of(late: float) -> list[float]:
    """The lateness of a beat, and that of each beat that had no turn because of it: else one long pause would hide
    among many beats that came in time (coordinated omission)."""
    return [late - BEAT * number for number in range(int(late / BEAT) + 1)]
