"""Compares two runs: what differs by more than chance and the client's own error, and what got worse.

The bootstrap of a percentile needs no resampling of the data: the k-th of n resampled values lies at a quantile that is
Beta(k, n + 1 - k) distributed, so each draw is one random number and one look into the histogram. Tokens of one stream
are not independent: n is at most the number of streams.
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
from chatproof.harness.protocol.requirements import OWN_API
from chatproof.loadtests.client_error import Calibration, ClientError
from chatproof.loadtests.histogram import Histogram
from chatproof.loadtests.metrics import KINDS, MetricKind, Metrics
from chatproof.loadtests.objectives import SHARE
from chatproof.loadtests.result import FORMAT, load_metrics, shown
from chatproof.loadtests.text_columns import columns

THRESHOLD: Final = 10.0
FEWEST: Final = 20
"""Streams; with fewer an interval means nothing."""
_DRAWS: Final = 1000
_SEED: Final = 20
_PERCENTS: Final = (50.0, 95.0, 99.0)
_NOT_THE_SERVERS: Final = frozenset({"reader_lag"})
_SHARE_KIND: Final = MetricKind("complete streams", "%", more_is_better=True)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure in both runs. `low`, `high`: the 95 % interval of B - A, in the figure's unit; `threshold`: %."""

    name: str
    kind: MetricKind
    before: float
    after: float
    low: float
    high: float
    threshold: float

    @property
    def change(self) -> float:
        """B - A in per cent of A; for a share, in percentage points."""
        if self.kind is _SHARE_KIND:
            return self.after - self.before
        return 100 * (self.after - self.before) / self.before if self.before else math.inf * (self.after > 0)

    @property
    def verdict(self) -> str:
        """`worse` or `better` where the change is above the threshold and the interval excludes zero; or `same`."""
        if self.low <= 0 <= self.high or abs(self.change) <= self.threshold:
            return "same"
        return "better" if (self.after > self.before) == self.kind.more_is_better else "worse"


@dataclass(slots=True)
class Comparison:
    """All compared figures."""

    differences: list[Difference] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """1 where a figure is worse, otherwise 0."""
        return int(any(one.verdict == "worse" for one in self.differences))

    def text(self) -> str:
        rows = [["figure", "A", "B", "change", "95 % interval of B - A", ""]]
        for one in self.differences:
            unit = "points" if one.kind is _SHARE_KIND else "%"
            change = f"{one.change:+.1f} {unit}" if math.isfinite(one.change) else "from 0"
            between = f"{_signed(one.low, one.kind.unit)} to {_signed(one.high, one.kind.unit)}"
            mark = {"worse": "WORSE", "better": "better", "same": ""}[one.verdict]
            figures = shown(one.before, one.kind.unit), shown(one.after, one.kind.unit)
            rows.append([one.name, *figures, change, between, mark])
        return "\n".join(columns(rows, right={1, 2, 3}))


@dataclass(frozen=True, slots=True)
class Side:
    """One run, read from its result document."""

    name: str
    meta: dict[str, Any]
    metrics: Metrics
    known: ClientError

    @classmethod
    def read(cls, path: Path) -> Side:
        """Read a result document. Raises ChatproofError where the file is not one of this format."""
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise ChatproofError(f"{path}: format {document['format']}, expected {FORMAT} (another version?)")
            metrics, meta = load_metrics(document), dict(document["meta"])
            calibration = Calibration(**document["calibration"]) if document["calibration"] else None
        except OSError as error:
            raise ChatproofError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ChatproofError(f"{path} is not a result document of `chatproof load run --json`") from error
        return cls(str(path), meta, metrics, ClientError.of(calibration, metrics))

    @property
    def streams(self) -> int:
        """Streams with figures to compare."""
        ttft, plain = (self.metrics.histograms.get(name) for name in ("ttft", "plain"))
        return max(one.count if one is not None else 0 for one in (ttft, plain))


def compare(before: Side, after: Side, threshold: float = THRESHOLD) -> Comparison:
    """Compare two runs. Raises ChatproofError where they are not comparable."""
    for side in (before, after):
        if side.meta.get("interrupted") or not side.meta.get("crew", {}).get("whole", True):
            raise ChatproofError(
                f"not comparable: {side.name} was interrupted, or a worker's figures are missing in it"
            )
    for one, other in zip(_load(before), _load(after), strict=True):
        if one != other:
            raise ChatproofError(f"not comparable: {one} against {other}")
    randoms = random.Random(_SEED)  # the same files give the same result
    found = _share(before, after, randoms)
    if min(before.streams, after.streams) < FEWEST:
        if not any(one.verdict == "worse" for one in found):
            counts = f"{before.streams} and {after.streams}"
            raise ChatproofError(
                f"not comparable: {counts} streams brought tokens; at least {FEWEST} in each are wanted"
            )
        return Comparison(found)
    for name, kind in KINDS.items():
        if before.metrics.spoiled(name) or after.metrics.spoiled(name):
            continue
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
            continue  # the percentile lies beyond the last value of the smaller sample
        before, after = (one.percentile(percent) or 0.0 for one in pair)
        drawn = [draws(one, percent, size, randoms) for one, size in zip(pair, sizes, strict=True)]
        low, high = _interval(drawn)
        # the two clients may be wrong in opposite directions
        error = sum(side.known.error(name, value) or 0.0 for side, value in zip(sides, (before, after), strict=True))
        found.append(Difference(f"{name}_p{percent:g}", kind, before, after, low - error, high + error, threshold))
    return found


def draws(histogram: Histogram, percent: float, size: int, randoms: random.Random) -> list[float]:
    """The percentile of each of `_DRAWS` resamples of `size` values."""
    rank = min(size, max(1, math.ceil(size * percent / 100)))
    places = [100 * randoms.betavariate(rank, size + 1 - rank) for _ in range(_DRAWS)]
    return [value or 0.0 for value in histogram.percentiles(places)]


def _share(before: Side, after: Side, randoms: random.Random) -> list[Difference]:
    shares = before.metrics.complete_share, after.metrics.complete_share
    if shares[0] is None or shares[1] is None:
        return []
    drawn: list[Sequence[float]] = []
    for side in (before, after):
        good, bad = side.metrics.outcomes["complete"], side.metrics.failed
        # Jeffreys' interval: resampling 50 streams without a failure would leave no doubt at all
        drawn.append([100 * randoms.betavariate(good + 0.5, bad + 0.5) for _ in range(_DRAWS)])
    return [Difference(SHARE, _SHARE_KIND, shares[0], shares[1], *_interval(drawn), threshold=1.0)]


def _interval(drawn: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The middle 95 % of the differences between the draws of both runs."""
    gaps = sorted(later - earlier for earlier, later in zip(*drawn, strict=True))
    return gaps[int(0.025 * _DRAWS)], gaps[int(0.975 * _DRAWS)]


def _signed(value: float, unit: str) -> str:
    return f"{'-' if value < 0 else '+'}{shown(abs(value), unit)}"


def _load(side: Side) -> tuple[str, ...]:
    """What must be the same in both runs. The duration need not, where the load is constant."""
    arrivals = dict(side.meta.get("arrivals", {}))
    if arrivals.get("shape") == "constant":
        arrivals.pop("duration", None)
    asked = str(side.meta.get("transport")), str(side.meta.get("api", OWN_API))
    return *asked, ", ".join(f"{key} {value}" for key, value in arrivals.items())
