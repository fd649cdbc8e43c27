"""Finds the highest rate that keeps the objectives: doubles the rate until one is missed, then bisects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chatproof.loadtests.result import Result

Trial = Callable[[float], Result]


@dataclass(slots=True)
class Search:
    """The search so far. `tried`: rates (streams a second) and exit codes, in order. `why`: why it ended."""

    tried: list[tuple[float, int]] = field(default_factory=list)
    best: float | None = None
    best_result: Result | None = None
    why: str = ""


def search(trial: Trial, first: float, most: float, *, precision: float = 0.1, tell: Callable[[str], None]) -> Search:
    """Try rates from `first` up to `most` until the best is known to within `precision`, a share of the rate.

    It ends early where the client can no longer judge: it would search for its own limit, not the server's.
    """
    found = Search()
    low, high, rate = 0.0, 0.0, first
    while True:
        result = trial(rate)
        code = result.exit_code
        found.tried.append((rate, code))
        tell(f"{rate:.3g} streams/s: {result.verdict}")
        if code == 2:
            found.why = "the client cannot judge a higher rate"
            return found
        if code == 0:
            low = rate
            found.best, found.best_result = rate, result
        else:
            high = rate
        if code == 0 and rate >= most:
            found.why = "the highest rate that --to allows"
            return found
        if high and high - low <= precision * high:
            found.why = "the next rate misses an objective" if low else "even the lowest rate misses an objective"
            return found
        rate = (low + high) / 2 if high else min(rate * 2, most)
