"""Goodput: how many of the streams keep all objectives, each judged by its own figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist, fmean
from typing import Any, Final

from chatproof.loadtests.histogram import Histogram, middle
from chatproof.loadtests.run_spread import CONFIDENCE
from chatproof.loadtests.stream_figures import StreamFigures

_MOST_SLACK: Final = 1e6  # seconds; more than any client's error, and a histogram can hold it


@dataclass(frozen=True, slots=True)
class StreamLimit:
    """An objective as a limit for each single stream: `limit` in the metric's unit. `statistic` counts only for
    `inter_token`, where it is taken over the stream's own gaps; of all other metrics a stream has one value."""

    metric: str
    statistic: str
    relation: str
    limit: float

    def slack(self, figures: StreamFigures) -> float | None:
        """Seconds by which the stream keeps the limit, negative where it misses it; None where it has no such figure.

        A rate is judged by the duration it was computed from, since that is what the client may be wrong about.
        """
        if self.metric == "inter_token":
            value = _statistic(figures.gaps, self.statistic)
        else:
            value = figures.values.get(self.metric)
        if value is None:
            return None
        spare = self.limit - value
        if self.metric == "tokens_per_second":
            whole = figures.values["end_to_end"]
            spare = whole - whole * value / self.limit
        return spare if self.relation.startswith("<") else -spare

    def holds(self, slack: float) -> bool:
        return slack > 0 or (slack == 0 and self.relation.endswith("="))


def _statistic(values: Sequence[float], name: str) -> float | None:
    if not values:
        return None
    if name == "mean":
        return fmean(values)
    if name in ("min", "max"):
        return min(values) if name == "min" else max(values)
    return sorted(values)[max(1, math.ceil(len(values) * float(name[1:]) / 100 - 1e-9)) - 1]


@dataclass(frozen=True, slots=True)
class GoodShare:
    """The streams that keep all objectives: `good` of `of`. `sure` keep them whatever the client's error was, and
    `possible` may. Shares are per cent."""

    good: int
    of: int
    sure: int
    possible: int

    @property
    def share(self) -> float:
        return 100 * self.good / self.of

    @property
    def known(self) -> tuple[float, float]:
        """Between which shares that of these very streams lies: only the client's own error counts."""
        return 100 * self.sure / self.of, 100 * self.possible / self.of

    @property
    def between(self) -> tuple[float, float]:
        """The 95 % interval of the server's share: chance counts too, since other streams would have given another."""
        return 100 * wilson(self.sure, self.of)[0], 100 * wilson(self.possible, self.of)[1]

    def to_json(self, seconds: float) -> dict[str, Any]:
        """`share`, and `rate` in streams a second, each with its interval. `seconds`: how long was measured."""
        low, high = self.between
        per = self.of / 100 / seconds if seconds > 0 else 0.0
        shares = {"share": self.share, "share_low": low, "share_high": high}
        rates = {"rate": self.share * per, "rate_low": low * per, "rate_high": high * per}
        return {**shares, **rates, "good": self.good, "of": self.of, "seconds": seconds, "confidence": CONFIDENCE}


def wilson(good: int, of: int) -> tuple[float, float]:
    """Wilson's interval of a share, from 0 to 1, of which `good` of `of` were seen."""
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    part, scale = good / of, 1 + z * z / of
    centre = part + z * z / (2 * of)
    half = z * math.sqrt(part * (1 - part) / of + z * z / (4 * of * of))
    # at its ends the formula gives 0 and 1, but for rounding
    return (centre - half) / scale if good else 0.0, (centre + half) / scale if good < of else 1.0


@dataclass(slots=True)
class Goodput:
    """Complete streams by their slack: seconds by which they keep the tightest of the limits (`kept`), or miss the one
    that they miss most (`missed`). The client's error is known only at the end of a run, so the slacks are kept."""

    kept: Histogram = field(default_factory=Histogram)
    missed: Histogram = field(default_factory=Histogram)

    def take(self, figures: StreamFigures, limits: Sequence[StreamLimit], *, back: bool = False) -> None:
        """Count a complete stream. `back`: take it back, since it turned out to have failed."""
        found = [(one, slack) for one in limits if (slack := one.slack(figures)) is not None]
        slack = min((slack for _, slack in found), default=_MOST_SLACK)
        is_good = all(one.holds(slack) for one, slack in found)
        if not figures.values.keys() & {"ttft", "plain"}:
            slack, is_good = _MOST_SLACK, False  # a complete reply without any text keeps no objective
        histogram, value = self.kept if is_good else self.missed, min(abs(slack), _MOST_SLACK)
        if back:
            histogram.remove(value)
        else:
            histogram.add(value)

    @property
    def count(self) -> int:
        """Streams counted."""
        return self.kept.count + self.missed.count

    def share(self, failed: int, error: float) -> GoodShare:
        """The share of good streams. `failed`: streams that failed, so that they keep nothing. `error`: the client's
        own, in seconds."""
        good = self.kept.count
        sure, possible = good - _within(self.kept, error), good + _within(self.missed, error)
        return GoodShare(good, self.count + failed, sure, possible)

    def merge(self, other: Goodput) -> None:
        self.kept.merge(other.kept)
        self.missed.merge(other.missed)


def _within(histogram: Histogram, error: float) -> int:
    """How many values are at most `error`."""
    if error <= 0:
        return 0
    return sum(count for index, count in histogram.counts.items() if middle(index) / histogram.scale <= error)
