"""The measurements of the fakes and their peers."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from bench.client import Load
from bench.pacing import STREAMS
from bench.servers import Server

LEVELS: Final = (1, 16, 64)
SPREADS_S: Final = (0.0, 1.0)
"""The paced streams start within this time: in one burst, and evenly over a second."""


@dataclass(frozen=True, slots=True)
class Size:
    """The size of one run: durations in seconds.

    `heat_s`: warm-up of a new server before its first window, for its just-in-time compiler and caches.
    """

    rounds: int
    heat_s: float
    warm_s: float
    window_s: float
    streams: int = STREAMS


FULL: Final = Size(3, 1.5, 0.3, 2.0)
QUICK: Final = Size(1, 0.5, 0.2, 0.6)


@dataclass(frozen=True, slots=True)
class Sample:
    """One window of load on one server."""

    load: Load
    writes: float | None
    """Write calls per stream."""
    server_cpu: float | None
    """Share of a core."""


@dataclass(slots=True)
class Contender:
    """One server, which is one row of the table, and its samples by number of connections."""

    name: str
    start: Callable[[], AbstractContextManager[Server]]
    script: str
    samples: dict[int, list[Sample]] = field(default_factory=dict)
    skipped: str | None = None

    def rate(self, connections: int) -> float | None:
        """Return the streams per second, the median of the rounds."""
        found = self.samples.get(connections)
        return statistics.median(sample.load.rate for sample in found) if found else None

    def writes(self) -> float | None:
        """Return the write calls per stream, the median of all samples."""
        known = [sample.writes for found in self.samples.values() for sample in found if sample.writes is not None]
        return statistics.median(known) if known else None

    def cpu(self, connections: int) -> tuple[float | None, float] | None:
        """Return the shares of a core that server and client used, the medians of the rounds."""
        found = self.samples.get(connections)
        if not found:
            return None
        known = [sample.server_cpu for sample in found if sample.server_cpu is not None]
        client = statistics.median(sample.load.client_cpu for sample in found)
        return (statistics.median(known) if known else None, client)
