"""How load changes over time: at each moment a number of users, or of streams a second."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any, Final

from chatproof.harness.common.errors import ChatproofError

# points (share of the duration, share of the peak), joined by straight lines
_SHAPES: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "constant": ((0, 1), (1, 1)),
    "ramp": ((0, 0), (1, 1)),
    "steps": tuple((end / 10, level / 10) for level in (2, 4, 6, 8, 10) for end in (level - 2, level)),
    "spike": ((0, 0.1), (0.4, 0.1), (0.4, 1), (0.6, 1), (0.6, 0.1), (1, 0.1)),
    "soak": ((0, 0), (0.05, 1), (0.95, 1), (1, 0)),
}
SHAPES: Final = tuple(_SHAPES)


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A shape with its peak (users, or streams a second) and its duration in seconds."""

    peak: float
    duration: float
    shape: str = "constant"

    def __post_init__(self) -> None:
        if self.shape not in _SHAPES:
            raise ChatproofError(f"unknown shape {self.shape!r}; known: {', '.join(SHAPES)}")
        if not 0 < self.duration < 1e7:
            raise ChatproofError("the duration must be above 0 s")
        if not 0 < self.peak <= 1e6:
            raise ChatproofError("the number of users, or of streams a second, must be above 0")

    def level(self, at: float) -> float:
        """The level at `at` seconds after the start; 0 outside the plan."""
        part = at / self.duration
        if not 0 <= part < 1:
            return 0.0
        for (x0, y0), (x1, y1) in pairwise(_SHAPES[self.shape]):
            if x0 <= part < x1:
                return self.peak * (y0 + (y1 - y0) * (part - x0) / (x1 - x0))
        return self.peak * _SHAPES[self.shape][-1][1]

    def total(self, at: float) -> float:
        """How many streams are due by `at` seconds: the exact integral of the level."""
        part = min(max(at / self.duration, 0.0), 1.0)
        area = 0.0
        for (x0, y0), (x1, y1) in pairwise(_SHAPES[self.shape]):
            if part <= x0 or x0 == x1:
                continue
            end = min(part, x1)
            y = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y) / 2
        return area * self.peak * self.duration

    def when(self, amount: float) -> float:
        """The inverse of `total`, by bisection where it is not a straight line."""
        if self.shape == "constant":
            return min(amount / self.peak, self.duration)
        low, high = 0.0, self.duration
        for _ in range(60):
            middle = (low + high) / 2
            if self.total(middle) < amount:
                low = middle
            else:
                high = middle
        return high


@dataclass(frozen=True, slots=True)
class Arrivals:
    """An open loop: a plan, and when its streams begin.

    `poisson`: random arrivals: gaps in the level's integral are exponential with mean 1 (default: all 1). `part`: index
    and number of the processes that share the plan. With the same `seed` their streams are together exactly those of
    the whole plan.
    """

    plan: LoadPlan
    poisson: bool = False
    seed: int = 0
    part: tuple[int, int] = (0, 1)

    def starts(self) -> Iterator[float]:
        """When the streams of this part are due, in seconds from the start."""
        index, of = self.part
        randoms = random.Random(self.seed)
        due, whole = 0.0, self.plan.total(self.plan.duration)
        for number in count():
            due += randoms.expovariate(1) if self.poisson else 1.0
            mark = due if self.poisson else due - 0.5
            if mark >= whole:
                return
            if number % of == index:
                yield self.plan.when(mark)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Arrivals:
        index, of = data["part"]
        return cls(LoadPlan(**data["plan"]), bool(data["poisson"]), int(data["seed"]), (int(index), int(of)))
