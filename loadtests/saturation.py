"""Over-saturation: whether the server of an open loop falls behind for good, so that its streams pile up.

It is told once a second how many streams have ended. It looks at the time since the median reply could end, two minutes
at most, and says yes only where both hold:

- of the streams that began in this time so many more are open now than chance explains (four standard deviations), and
  at least a tenth
- first tokens come later and later: the median of the later half is above what only a tenth of the earlier half took

A server that merely is slow, or has just begun long replies, keeps up: its first tokens do not come ever later.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from chatproof.loadtests.histogram import Histogram
from chatproof.loadtests.load_plan import LoadPlan
from chatproof.loadtests.metrics import Metrics

SHORTEST_S: Final = 8.0
LONGEST_S: Final = 120.0
_FEWEST: Final = 10  # first tokens in each half, and replies that have ended
_DEVIATIONS: Final = 4.0
_PART: Final = 0.1


@dataclass(frozen=True, slots=True)
class Overload:
    """What was seen in the last `seconds` of an open loop, `at` seconds after its start.

    `began`, `ended`: streams. `earlier`: the first-token time that a tenth of the streams of the first half exceeded;
    `later`: the median of the second half; both in seconds.
    """

    at: float
    seconds: float
    began: int
    ended: int
    earlier: float
    later: float

    def to_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in ("at", "seconds", "began", "ended", "earlier", "later")}
        return {**values, "text": str(self)}

    def __str__(self) -> str:
        return (
            f"in the last {self.seconds:.0f} s {self.began} streams began and {self.ended} ended; half of the latest "
            f"first tokens took over {self.later:.2f} s, where shortly before only a tenth took {self.earlier:.2f} s"
        )


@dataclass(slots=True)
class Saturation:
    """Watches one open loop with a constant rate. `begun`: its start, in seconds since the epoch."""

    plan: LoadPlan
    begun: float
    warm_up: float = 0.0
    _open: list[tuple[float, float]] = field(default_factory=list)

    def look(self, at: float, metrics: Metrics, error: float = 0.0) -> Overload | None:
        """What shows that the server falls behind, if it does.

        Args:
            at: seconds since the start of the plan.
            metrics: the figures so far.
            error: the client's own, in seconds: by less, first tokens are not later.
        """
        over = metrics.outcomes.total() + metrics.trust["warm-up"]
        self._open.append((at, self.plan.total(at) - over))
        whole = metrics.histograms.get("end_to_end")
        if whole is None or whole.count < _FEWEST:
            return None
        since = max(self.warm_up, whole.percentile(50) or 0.0, at - LONGEST_S)
        start, open_then = next(one for one in self._open if one[0] >= min(since, at))
        began = self.plan.total(at) - self.plan.total(start)
        more = self._open[-1][1] - open_then
        if at - start < SHORTEST_S or more <= max(_DEVIATIONS * math.sqrt(began), _PART * began):
            return None
        middle = (start + at) / 2
        early, late = self._first_tokens(metrics, start, middle), self._first_tokens(metrics, middle, at)
        if min(early.count, late.count) < _FEWEST:
            return None
        earlier, later = early.percentile(90) or 0.0, late.percentile(50) or 0.0
        if later <= earlier + error:
            return None
        return Overload(at, at - start, round(began), round(began - more), earlier, later)

    def _first_tokens(self, metrics: Metrics, start: float, end: float) -> Histogram:
        """The times to the first tokens that arrived from `start` to `end`, in whole seconds."""
        found = Histogram()
        for second in range(math.ceil(self.begun + start), math.ceil(self.begun + end)):
            if second in metrics.series:
                found.merge(metrics.series[second].ttft)
        return found
