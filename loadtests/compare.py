"""Two runs side by side: what differs by more than chance and the client's own error, and what got worse.

A percentile's bootstrap needs no draws from the data: the order statistic of a resample of n values lies at a rank
that is Beta(k, n + 1 - k), so each draw is one number and one look into the histogram. Tokens of one stream are no
independent values: n is never more than the number of streams.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests.client_error import Calibration, ClientError
from chatproof.loadtests.histogram import Histogram
from chatproof.loadtests.metrics import KINDS, MetricKind, Metrics
from chatproof.loadtests.objectives import SHARE
from chatproof.loadtests.result import FORMAT, load_metrics, shown

THRESHOLD: Final = 10.0
FEWEST: Final = 20
"""Streams: with fewer no interval means anything."""
_DRAWS: Final = 1000
_SEED: Final = 20
_PERCENTS: Final = (50.0, 95.0, 99.0)
_NOT_THE_SERVERS: Final = frozenset({"reader_lag"})
_SHARE_KIND: Final = MetricKind("complete streams", "%", more_is_better=True)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of both runs. `change` is per cent of A's; `low` and `high` bound B - A with 95 %, in its unit."""

    name: str
    kind: MetricKind
    before: float
    after: float
    low: float
    high: float
    threshold: float

    @property
    def change(self) -> float:
        """In per cent; of a share in points."""
        if self.kind is _SHARE_KIND:
            return self.after - self.before
        return 100 * (self.after - self.before) / self.before if self.before else math.inf * (self.after > 0)

    @property
    def verdict(self) -> str:
        """`worse` and `better` are beyond the threshold, and beyond chance and the clients' errors."""
        if self.low <= 0 <= self.high or abs(self.change) <= self.threshold:
            return "same"
        return "better" if (self.after > self.before) == self.kind.more_is_better else "worse"


@dataclass(slots=True)
class Comparison:
    """What differs."""

    differences: list[Difference] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """1 where a figure got worse."""
        return int(any(one.verdict == "worse" for one in self.differences))

    def text(self) -> str:
        """As a table."""
        lines = [f"{'figure':<26}{'A':>11}{'B':>11}{'change':>10}   95 % interval of B - A"]
        for one in self.differences:
            unit = "points" if one.kind is _SHARE_KIND else "%"
            change = f"{one.change:+.1f} {unit}" if math.isfinite(one.change) else "from 0"
            between = f"{_signed(one.low, one.kind.unit)} to {_signed(one.high, one.kind.unit)}"
            mark = {"worse": "  WORSE", "better": "  better", "same": ""}[one.verdict]
            figures = f"{shown(one.before, one.kind.unit):>11}{shown(one.after, one.kind.unit):>11}"
            lines.append(f"{one.name:<26}{figures}{change:>14}   {between}{mark}".rstrip())
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Side:
    """A result document, read."""

    name: str
    meta: dict[str, Any]
    metrics: Metrics
    known: ClientError

    @classmethod
    def read(cls, path: Path) -> Side:
        """Raises ChatproofError where the file holds no result of ours."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise ChatproofError(f"{path}: format {document['format']}, wanted {FORMAT}: made by another version")
            metrics, meta = load_metrics(document), dict(document["meta"])
            calibration = Calibration.from_json(document["calibration"]) if document["calibration"] else None
        except OSError as error:
            raise ChatproofError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ChatproofError(f"{path} is no result document of `chatproof load run --json`") from error
        return cls(str(path), meta, metrics, ClientError.of(calibration, metrics))

    @property
    def streams(self) -> int:
        """Streams that were judged: not those that the run's end, a limit, or the user cut short."""
        ttft, plain = (self.metrics.histograms.get(name) for name in ("ttft", "plain"))
        return max(one.count if one is not None else 0 for one in (ttft, plain))


def compare(before: Side, after: Side, threshold: float = THRESHOLD) -> Comparison:
    """Compare two runs. Raises ChatproofError where that would mean nothing."""
    for side in (before, after):
        if side.meta.get("interrupted") or not side.meta.get("crew", {}).get("whole", True):
            raise ChatproofError(
                f"not comparable: {side.name} was interrupted, or a worker's figures are missing in it"
            )
    for one, other in zip(_load(before), _load(after), strict=True):
        if one != other:
            raise ChatproofError(f"not comparable: {one} against {other}")
    randoms = random.Random(_SEED)  # the same files give the same answer
    found = _share(before, after, randoms)
    if min(before.streams, after.streams) < FEWEST:
        if not any(one.verdict == "worse" for one in found):
            counts = f"{before.streams} and {after.streams}"
            raise ChatproofError(
                f"not comparable: {counts} streams brought tokens; at least {FEWEST} in each are wanted"
            )
        return Comparison(found)
    for name, kind in KINDS.items():
        pair = before.metrics.histograms.get(name), after.metrics.histograms.get(name)
        if name not in _NOT_THE_SERVERS and pair[0] and pair[1] and min(one.count for one in pair if one) >= FEWEST:
            found += _differences(name, kind, (before, after), (pair[0], pair[1]), threshold, randoms)
    return Comparison(found)


def _differences(
    name: str,
    kind: MetricKind,
    sides: tuple[Side, Side],
    pair: tuple[Histogram, Histogram],
    threshold: float,
    randoms: random.Random,
) -> list[Difference]:
    sizes = [min(one.count, max(side.streams, 1)) for one, side in zip(pair, sides, strict=True)]
    found = []
    for percent in (100 - one if kind.more_is_better else one for one in _PERCENTS):
        tail = min(percent, 100 - percent) / 100
        if min(sizes) * tail < 1:
            continue  # beyond the sample's last value there is nothing to tell apart
        before, after = (one.percentile(percent) or 0.0 for one in pair)
        drawn = [draws(one, percent, size, randoms) for one, size in zip(pair, sizes, strict=True)]
        gaps = sorted(later - earlier for earlier, later in zip(*drawn, strict=True))
        # both clients may be wrong in opposite directions
        error = sum(side.known.error(name, value) or 0.0 for side, value in zip(sides, (before, after), strict=True))
        low, high = gaps[int(0.025 * _DRAWS)] - error, gaps[int(0.975 * _DRAWS)] + error
        found.append(Difference(f"{name}_p{percent:g}", kind, before, after, low, high, threshold))
    return found


def draws(histogram: Histogram, percent: float, size: int, randoms: random.Random) -> list[float]:
    """A percentile of `_DRAWS` resamples of `size` values each."""
    rank = min(size, max(1, math.ceil(size * percent / 100)))
    places = [100 * randoms.betavariate(rank, size + 1 - rank) for _ in range(_DRAWS)]
    return [value or 0.0 for value in histogram.percentiles(places)]


def _share(before: Side, after: Side, randoms: random.Random) -> list[Difference]:
    shares = before.metrics.complete_share, after.metrics.complete_share
    if shares[0] is None or shares[1] is None:
        return []
    drawn: list[Sequence[float]] = []
    for side in (before, after):
        good = side.metrics.outcomes["complete"]
        bad = side.metrics.failed
        # Jeffreys' interval: resampling 0 failures of 50 would say that there is no doubt at all
        drawn.append([100 * randoms.betavariate(good + 0.5, bad + 0.5) for _ in range(_DRAWS)])
    gaps = sorted(later - earlier for earlier, later in zip(*drawn, strict=True))
    low, high = gaps[int(0.025 * _DRAWS)], gaps[int(0.975 * _DRAWS)]
    return [Difference(SHARE, _SHARE_KIND, shares[0], shares[1], low, high, threshold=1.0)]


def _signed(value: float, unit: str) -> str:
    return f"{'-' if value < 0 else '+'}{shown(abs(value), unit)}"


def _load(side: Side) -> tuple[str, str]:
    """What must be the same in both. How long it lasted need not, where the load is the same all the time."""
    arrivals = dict(side.meta.get("arrivals", {}))
    if arrivals.get("shape") == "constant":
        arrivals.pop("duration", None)
    return str(side.meta.get("transport")), ", ".join(f"{key} {value}" for key, value in arrivals.items())
