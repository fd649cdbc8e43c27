"""How many streams of 100 tokens/s a load-test client reads before p99 of its own error is too high."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from bench.capacity import Bounds, Capacity, Trial, best_of, capacity_table, goal, search
from bench.load_row import LoadRow
from bench.report import table

FULL: Final = Bounds(limit=5.0, first=32, most=2_000, seconds=240.0)
QUICK: Final = Bounds(limit=5.0, first=8, most=16, near=2.0, seconds=30.0)
OVER_SSE: Final = ("fast-readline", "requests")
OVER_SOCKETS: Final = ("socketio",)
MEASURED: Final = ("ours-sse", "ours-socketio", *OVER_SSE, *OVER_SOCKETS)
_LATE: Final = "the bare server itself was late"


def measure(names: Mapping[str, str], row: Callable[[str, int], LoadRow], quick: bool) -> dict[str, Capacity]:
    """Search the capacity of each client, by its key.

    Args:
        names: what each is called, by its key.
        row: measures one client, by its key, at a number of streams.
    """

    bounds = QUICK if quick else FULL
    return {
        key: search(names[key], lambda streams, key=key: trial_of(row(key, streams)), bounds)  # type: ignore[misc]
        for key in MEASURED
    }


def trial_of(row: LoadRow) -> Trial:
    """The larger p99 of the two errors, in milliseconds; none where streams failed."""
    doubt = _LATE if row.is_busy else ""
    if row.found is None or row.found["failed"]:
        lost = "" if row.found is None else f"{row.found['failed']} failed"
        return Trial(row.streams, None, row.why or lost, doubt)
    return Trial(row.streams, max(row.found["first"][1], row.found["between"][1]) * 1000, "", doubt)


def tables(found: Mapping[str, Capacity], names: Mapping[str, str]) -> str:
    """The capacities, and the goals."""
    named = {names[key]: one for key, one in found.items()}
    goals = [["goal", "measured", "holds"]]
    for ours, peers, over in (("ours-sse", OVER_SSE, "SSE"), ("ours-socketio", OVER_SOCKETS, "Socket.IO")):
        best = best_of({key: found[key] for key in peers if key in found})
        goals.append(goal(f"streams over {over}, with those of Locust's best client", found.get(ours), best))
    return (
        f"Capacity: the number of streams of 100 tokens/s that run at once without a lost one, while p99 of both errors"
        f" is {FULL.limit:g} ms at most.\n\n{capacity_table('p99 of the larger error, ms', named)}\n\n{table(goals)}\n"
    )
