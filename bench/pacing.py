"""How exactly the fakes keep their pace: many streams with the same delay between tokens, from one core."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import httpx

from bench.client import arrivals
from bench.reply import PACE_MS, TOKENS, request
from bench.servers import Server

STREAMS: Final = 500
_PACE_S: Final = PACE_MS / 1000


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of many errors, in milliseconds."""

    p50: float
    p99: float
    worst: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spread:
        cuts = statistics.quantiles(seconds, n=100)
        return cls(cuts[49] * 1000, cuts[98] * 1000, max(seconds) * 1000)


@dataclass(frozen=True, slots=True)
class Pace:
    """`gap`: the difference between the gap of two tokens at the client and the script's gap.

    `late`: the time from a token's absolute deadline (request's arrival + n delays) to its write, by the journal.
    `cpu`: the server's share of a core.
    """

    gap: Spread
    late: Spread
    cpu: float | None


async def pace(server: Server, streams: int, spread_s: float) -> Pace:
    """Measure once. The requests start evenly over `spread_s` seconds (0: in one burst)."""
    control = f"http://127.0.0.1:{server.port}/_fake/journal"
    async with httpx.AsyncClient(trust_env=False, timeout=60.0) as client:
        (await client.delete(control)).raise_for_status()
        cpu = server.cpu()
        seen = await arrivals(server.port, request("bench-paced"), streams, spread_s)
        used = server.cpu()
        answer = await client.get(control, params={"limit": streams})
    entries: list[dict[str, Any]] = answer.raise_for_status().json()["entries"]
    assert len(entries) == streams, f"the journal has {len(entries)} of {streams} streams"
    gaps = [abs(late - early - _PACE_S) for stream in seen for early, late in pairwise(stream.times)]
    late = [error for entry in entries for error in _lateness(entry)]
    lasted = (TOKENS + 1) * _PACE_S + spread_s
    share = None if cpu is None or used is None else (used - cpu) / lasted
    return Pace(Spread.of(gaps), Spread.of(late), share)


def _lateness(entry: dict[str, Any]) -> list[float]:
    said = [write["at"] for write in entry["writes"] if write["tokens"]]
    assert len(said) == TOKENS, f"{len(said)} writes for {TOKENS} tokens"
    return [at - entry["received"] - number * _PACE_S for number, at in enumerate(said)]
