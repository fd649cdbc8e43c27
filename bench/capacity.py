"""Capacity: how many streams at a time keep a limit. Found by doubling and bisection; what is doubtful is repeated."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Final

from bench.report import table
from chatproof.harness.protocol.excerpts import counted

CLEAR: Final = 0.5
"""A trial whose figure is below this share of the limit is not repeated."""
FACTOR: Final = 4.0
"""The goal: how many times the best peer's capacity ours is to be."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where to search, and for how long.

    `limit`: milliseconds that the figure of a trial must not pass. `first`: the number of streams to begin with.
    `most`: the largest number to try. `near`: the ratio of two numbers that are near enough to end. `seconds`: after
    which no other number of streams is tried.
    """

    limit: float
    first: int
    most: int
    near: float = 1.1
    seconds: float = 400.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One measurement at a number of streams.

    `figure`: p99 in milliseconds; None: streams were lost, for the reason `problem`. `doubt`: what else, apart from the
    one that is measured, may have been too slow.
    """

    streams: int
    figure: float | None
    problem: str = ""
    doubt: str = ""

    def __str__(self) -> str:
        found = self.problem if self.figure is None else f"p99 {self.figure:.2f} ms"
        return f"{found} ({self.doubt})" if self.doubt else found


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a search found.

    `held`: the most streams that kept the limit; 0: not even one stream did. `passed`: the fewest that did not; None:
    all that were tried kept it. `open_end`: why the capacity may be larger than `passed`, or nothing.
    """

    held: int
    passed: int | None
    open_end: str
    trials: tuple[Trial, ...]

    def figure(self, streams: int | None) -> str:
        """The median figure of the trials at that number of streams, or what was lost."""
        found = [trial for trial in self.trials if trial.streams == streams]
        figures = sorted(trial.figure for trial in found if trial.figure is not None)
        if figures and len(figures) * 2 >= len(found):
            return f"{figures[len(figures) // 2]:.1f}"
        return f"streams were lost: {found[-1].problem}" if found else "–"


def search(
    name: str, measure: Callable[[int], Trial], bounds: Bounds, clock: Callable[[], float] = time.monotonic
) -> Capacity:
    """Find the capacity of `name`; a line on stderr tells of each trial.

    `measure` runs one trial at a number of streams; `clock` gives seconds.
    """
    trials: list[Trial] = []

    def holds(streams: int) -> bool:
        """Two trials of three decide; one alone does where its figure is far below the limit."""
        kept = lost = 0
        while kept < 2 and lost < 2:
            trial = measure(streams)
            trials.append(trial)
            sys.stderr.write(f"{name}: {counted(streams, 'stream')}: {trial}\n")
            sys.stderr.flush()
            if trial.figure is not None and trial.figure <= bounds.limit * CLEAR:
                return True
            if trial.figure is not None and trial.figure <= bounds.limit:
                kept += 1
            else:
                lost += 1
        return kept == 2

    began, held, passed = clock(), 0, None
    at: int | None = min(bounds.first, bounds.most)
    while at is not None and clock() - began < bounds.seconds:
        if holds(at):
            held = at
        else:
            passed = at
        at = _next(held, passed, bounds)
    open_end = next((trial.doubt for trial in trials if trial.streams == passed and trial.doubt), "")
    if passed is None:
        in_time = f"after {bounds.seconds:g} s the search ended"
        open_end = f"no more than {held:,} were tried" if at is None else in_time
    return Capacity(held, passed, open_end, tuple(trials))


def _next(held: int, passed: int | None, bounds: Bounds) -> int | None:
    """The next number of streams to try; None: the two are near enough."""
    if passed is None:
        return min(2 * held, bounds.most) if held < bounds.most else None
    if passed - held <= 1:
        return None
    if not held:
        return 1
    return round(sqrt(held * passed)) if passed > held * bounds.near else None


def capacity_table(head: str, found: Mapping[str, Capacity]) -> str:
    """A table with a line for each of those that were measured. `head`: what a figure is, and its unit."""
    rows = [["", "kept the limit", "passed it", f"{head}: at the one / at the other", "trials", "may be more"]]
    for name, one in found.items():
        passed = "–" if one.passed is None else f"{one.passed:,}"
        figures = f"{one.figure(one.held)} / {one.figure(one.passed)}"
        rows.append([name, f"{one.held:,}", passed, figures, str(len(one.trials)), one.open_end or "no"])
    return table(rows)


def goal(name: str, ours: Capacity | None, best: Capacity | None) -> list[str]:
    """A line of the table of goals: the ratio of two capacities, and how small and how large it may be."""
    name = f"{name}: at least {FACTOR:g} ×"
    if ours is None or best is None or not best.held:
        return [name, "–", "not measured"]
    ratio = ours.held / best.held
    least = "?" if best.passed is None else f"{ours.held / best.passed:.2f}"
    most = "?" if ours.passed is None else f"{ours.passed / best.held:.2f}"
    holds = ratio >= FACTOR
    doubt = best.open_end if holds else ours.open_end
    told = f"not judged: {doubt}" if doubt else "yes" if holds else "**no**"
    return [name, f"{ratio:.2f} × ({least} to {most})", told]


def best_of(found: Mapping[str, Capacity]) -> Capacity | None:
    """The largest of some capacities, or None."""
    return max(found.values(), key=lambda one: one.held, default=None)
