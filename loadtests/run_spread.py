"""A figure over several runs: its mean, and the interval in which the true mean lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import fmean, stdev
from typing import Any, Final

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class RunSpread:
    """The values of a figure, one for each run, in the figure's unit, none negative; their mean; and the 95 % interval
    of the mean by Student's t. One value alone says nothing about chance: then the interval is infinite."""

    values: tuple[float, ...]
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> RunSpread:
        """Raises ValueError where there are no values."""
        if not values:
            raise ValueError("no values")
        mean = fmean(values)
        if len(values) < 2:
            return cls(tuple(values), mean, -math.inf, math.inf)
        if math.isinf(mean):
            return cls(tuple(values), mean, mean, mean)
        half = student(len(values) - 1) * stdev(values) / math.sqrt(len(values))
        return cls(tuple(values), mean, max(0.0, mean - half), mean + half)

    def to_json(self) -> dict[str, Any]:
        """`values`, `mean`, `low` and `high`; an end that is not known is None."""
        low, high = (end if math.isfinite(end) else None for end in (self.low, self.high))
        return {"mean": self.mean, "low": low, "high": high, "values": list(self.values)}


@cache
def student(degrees: int) -> float:
    """The quantile of Student's t for a two-sided interval of `CONFIDENCE`; `degrees` of freedom, at least 1."""
    low, high = 0.0, 64.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < CONFIDENCE else (low, middle)
    return high


def _within(t: float, degrees: int) -> float:
    """The probability of |T| <= t, exactly: Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = term if degrees > 1 else 0.0
    for number in range(3 if odd else 2, degrees - 1, 2):
        term *= cosine * cosine * (number - 1) / number
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
