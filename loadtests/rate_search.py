"""Finds the highest rate that keeps the objectives: doubles the rate until one is not kept, then halves the gaps.

A rate is kept, missed, or not judged, where a limit lies within a figure's error. The result is the gap between the
highest rate that is kept and the lowest that is missed; what is not judged lies between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from chatproof.loadtests.metrics import SECONDS
from chatproof.loadtests.objectives import Judged, ObjectiveVerdict
from chatproof.loadtests.result import Result, shown
from chatproof.loadtests.run_summary import figure
from chatproof.loadtests.text_columns import columns

KEPT: Final = 0
MISSED: Final = 1
_MOST_UNSURE: Final = 2
"""Rates that may be not judged before the doubling ends: higher ones would hardly be judged either."""


@dataclass(frozen=True, slots=True)
class TriedRate:
    """A rate, in streams a second, and how it went. `code`: the run's exit code."""

    rate: float
    code: int
    result: Result

    @property
    def reasons(self) -> list[Judged]:
        """The objectives that were missed, or else those that were not judged."""
        judged = self.result.judged
        wanted = ObjectiveVerdict.MISSED if self.code == MISSED else ObjectiveVerdict.UNJUDGED
        return [one for one in judged if one.verdict is wanted] if self.code != KEPT else []

    @property
    def why(self) -> str:
        """Which objectives stopped it, with their figures; empty where all are kept."""
        if self.code == KEPT:
            return ""
        if overload := self.result.meta.get("overload"):
            return f"the server falls behind: {overload['text']}"
        said = [f"{one.objective.text}: {figure(one) or one.why}" for one in self.reasons]
        if said or self.result.metrics.complete_share != 0:
            return ", ".join(said) or "figures are missing"
        return "no stream was complete"

    def to_json(self) -> dict[str, Any]:
        """The rate's figures, times in seconds, for a table or a plot."""
        result = self.result
        good, ttft = result.goodput(), result.metrics.histograms.get("ttft")
        p50, p95, p99 = ttft.percentiles((50, 95, 99)) if ttft is not None else (None, None, None)
        return {
            "rate": self.rate,
            "exit_code": self.code,
            "verdict": ("passed", "missed", "not judged")[self.code],
            "why": self.why,
            "objectives": [one.to_json() for one in result.judged],
            "streams": result.metrics.outcomes.total(),
            "complete_share": result.metrics.complete_share,
            "goodput_share": good["share"] if good else None,
            "goodput_rate": good["rate"] if good else None,
            "ttft": {"p50": p50, "p95": p95, "p99": p99},
            "error": result.known.first,
            "overload": result.meta.get("overload"),
        }


Try = Callable[[float], Result]


@dataclass(slots=True)
class Search:
    """The search so far: the rates in the order in which they were tried. `most`: the highest that may be tried."""

    most: float
    precision: float = 0.1
    tried: list[TriedRate] = field(default_factory=list)
    is_interrupted: bool = False

    @property
    def stop(self) -> TriedRate | None:
        """The lowest rate that was missed."""
        return min((one for one in self.tried if one.code == MISSED), key=lambda one: one.rate, default=None)

    @property
    def best(self) -> TriedRate | None:
        """The highest rate that was kept, below every rate that was missed."""
        limit = self.stop.rate if self.stop is not None else float("inf")
        kept = (one for one in self.tried if one.code == KEPT and one.rate < limit)
        return max(kept, key=lambda one: one.rate, default=None)

    @property
    def unsure(self) -> list[TriedRate]:
        """The rates between `best` and `stop` that were not judged, in order."""
        low = self.best.rate if self.best is not None else 0.0
        high = self.stop.rate if self.stop is not None else float("inf")
        return sorted((one for one in self.tried if one.code == 2 and low < one.rate < high), key=lambda one: one.rate)

    def next(self) -> float | None:
        """The next rate to try; None where nothing is left to find out."""
        if not self.tried:
            raise ValueError("the first rate is the caller's")
        low = self.best.rate if self.best is not None else 0.0
        unsure = self.unsure
        if self.stop is None:
            top = max(one.rate for one in self.tried)
            if len(unsure) < _MOST_UNSURE and top < self.most:
                return min(top * 2, self.most)
        first_not_kept = unsure[0].rate if unsure else self.stop.rate if self.stop is not None else None
        if low and first_not_kept is not None and first_not_kept - low > self.precision * first_not_kept:
            return (low + first_not_kept) / 2
        if unsure and self.stop is not None:
            high = self.stop.rate
            if high - unsure[-1].rate > self.precision * high:
                return (unsure[-1].rate + high) / 2
        return None

    @property
    def why(self) -> str:
        """Why the search ended, in words that name the objective."""
        if self.is_interrupted:
            return "interrupted"
        unsure, stop = self.unsure, self.stop
        said = []
        if unsure:
            rates = f"{unsure[0].rate:.3g} to {unsure[-1].rate:.3g}" if len(unsure) > 1 else f"{unsure[0].rate:.3g}"
            said.append(f"at {rates} streams/s it cannot be judged: {unsure[0].why}; {_advice(unsure[0])}")
        if stop is not None:
            said.append(f"at {stop.rate:.3g} streams/s it is missed: {stop.why}")
        return "; ".join(said) or f"all objectives are kept at the highest rate, {self.most:.3g}: raise --to"

    @property
    def answer(self) -> str:
        """The result in words: a rate with its interval."""
        low, high = self.best, self.stop
        if low is None:
            return f"below {high.rate:.3g} streams/s" if high is not None else "not known"
        if high is None:
            return f"at least {low.rate:.3g} streams/s"
        return f"{low.rate:.3g} streams/s (between {low.rate:.3g} and {high.rate:.3g})"

    @property
    def exit_code(self) -> int:
        """0: a rate was found; 1: even the lowest misses an objective; 2: not judged, or interrupted."""
        if self.is_interrupted:
            return 2
        if self.best is not None:
            return 0
        return 2 if self.unsure or self.stop is None else 1

    def table(self) -> str:
        """The sweep as lines: each rate with its figures, in the order of the rates."""
        rows = [["streams/s", "verdict", "ttft p50", "ttft p95", "complete", "goodput", "stopped by"]]
        for one in sorted(self.tried, key=lambda one: one.rate):
            found = one.to_json()
            share, good = found["complete_share"], found["goodput_share"]
            cells = [f"{share:.1f}%" if share is not None else "-", "-"]
            if good is not None:
                cells[1] = f"{found['goodput_rate']:.3g}/s ({good:.1f}%)"
            ttft = [shown(found["ttft"][key], SECONDS) for key in ("p50", "p95")]
            rows.append([f"{one.rate:.3g}", found["verdict"], *ttft, *cells, one.why])
        return "\n".join(columns(rows, right={0, 2, 3, 4}))

    def to_json(self) -> dict[str, Any]:
        """`rate` with its interval from `low` (kept) to `high` (missed), in streams a second; None where not known."""
        low = self.best.rate if self.best is not None else None
        return {
            "rate": low,
            "low": low,
            "high": self.stop.rate if self.stop is not None else None,
            "unsure": [one.rate for one in self.unsure],
            "stopped_by": [one.objective.text for one in self.stop.reasons] if self.stop is not None else [],
            "answer": self.answer,
            "why": self.why,
            "tried": [one.to_json() for one in sorted(self.tried, key=lambda one: one.rate)],
        }


def _advice(one: TriedRate) -> str:
    return next((judged.why for judged in one.reasons if judged.why), "see above")


def search(trial: Try, first: float, most: float, *, precision: float = 0.1, tell: Callable[[str], None]) -> Search:
    """Try rates from `first` up to `most` until the best is known to within `precision`, a share of the rate."""
    found = Search(most, precision)
    rate: float | None = first
    while rate is not None:
        result = trial(rate)
        one = TriedRate(rate, result.exit_code, result)
        found.tried.append(one)
        tell(f"{rate:.3g} streams/s: {result.verdict}{f': {one.why}' if one.why else ''}")
        if result.meta.get("interrupted"):
            found.is_interrupted = True
            break
        rate = found.next()
    return found
