"""The measurements of the chat servers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bench.capacity import Bounds, Capacity
from bench.chat_servers import Busy, Starter
from bench.client import Load
from bench.open_streams import Open


@dataclass(frozen=True, slots=True)
class Size:
    """The size of one run: durations in seconds, and numbers of streams, tokens and sessions.

    `warm_asks`: requests on each connection before memory is compared. `capacity`: where the number of streams is
    searched that a server passes on in time, by the p99 of the added latency in milliseconds.
    """

    rounds: int
    heat_s: float
    warm_s: float
    window_s: float
    streams: int
    tokens: int
    sessions: int
    sessions_s: float
    warm_asks: int
    capacity: Bounds
    capacity_tokens: int


FULL: Final = Size(3, 1.0, 0.5, 2.0, 1_000, 120, 10_000, 30.0, 20, Bounds(25.0, 64, 4_000), 70)
QUICK: Final = Size(1, 0.3, 0.3, 0.8, 1_000, 45, 500, 5.0, 3, Bounds(25.0, 16, 32, near=2.0, seconds=60.0), 45)


@dataclass(frozen=True, slots=True)
class Sample:
    """One window of load."""

    load: Load
    busy: Busy


@dataclass(frozen=True, slots=True)
class Idle:
    """`memory`: bytes of RSS per session, after this many sessions of one exchange each."""

    sessions: int
    memory: float


@dataclass(slots=True)
class Contender:
    """One server, which is one row of the tables."""

    name: str
    start: Starter
    samples: dict[int, list[Sample]] = field(default_factory=dict)
    opened: Open | None = None
    idle: Idle | None = None
    capacity: Capacity | None = None
    problems: list[str] = field(default_factory=list)
