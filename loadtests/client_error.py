"""The client's own error: how wrong each figure of a run may be, from calibration and from the run itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chatproof.loadtests.metrics import Metrics

# what each figure is measured between: the start and one receive stamp, or two receive stamps
_FROM_START = ("ttft", "end_to_end", "overhead", "upstream_cancel", "stop_to_last_token", "connect", "plain")
_BETWEEN = ("inter_token", "largest_gap", "time_per_output_token")
_RATES = ("tokens_per_second",)
MOST_CALIBRATED = 1000  # streams at a time


@dataclass(frozen=True, slots=True)
class Calibration:
    """How wrong our own client measured a script whose true times are known. Times in seconds.

    `streams`: how many ran at the same time. `server_late_p99`: how late the calibration's own server wrote; where it
    is large the machine was busy, and the errors are upper bounds. `client_cpu`: share of one core.
    """

    transport: str
    streams: int
    replies: int
    first_token_p50: float
    first_token_p99: float
    inter_token_p50: float
    inter_token_p99: float
    server_late_p99: float
    client_cpu: float
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ClientError:
    """The client's own error. None: not known.

    `first`: of times that count from the start, in seconds. `between`: of times between two tokens, in seconds.
    `part`: of rates, as a share of the rate.
    """

    first: float | None = None
    between: float | None = None
    part: float | None = None

    @classmethod
    def of(cls, calibration: Calibration | None, metrics: Metrics) -> ClientError:
        """The calibration's error, or the p99 of the run's own lag behind the kernel's stamps where that is larger."""
        lag = metrics.histograms["reader_lag"].percentile(99) if "reader_lag" in metrics.histograms else None
        if calibration is None and lag is None:
            return cls()
        first = max(calibration.first_token_p99 if calibration else 0.0, lag or 0.0)
        between = max(calibration.inter_token_p99 if calibration else 0.0, lag or 0.0)
        whole = metrics.histograms.get("end_to_end")
        # a duration that is wrong by `first` makes the rate wrong by the same share
        return cls(first, between, first / whole.mean if whole is not None and whole.mean else None)

    @property
    def largest(self) -> float:
        """The largest error of any time, in seconds; 0 where none is known."""
        return max(self.first or 0.0, self.between or 0.0)

    def interval(self, metric: str, value: float) -> tuple[float, float]:
        """Between which values the true figure lies, in the figure's unit; both are `value` where no error is known.

        A time lies within `value` ± error. A rate is wrong because its duration is, so its interval is not symmetric: a
        duration that may be 10 % shorter or longer gives a rate from value / 1.1 to value / 0.9.
        """
        if metric in _RATES:
            part = self.part or 0.0
            return value / (1 + part), value / (1 - part) if part < 1 else math.inf
        error = self.error(metric, value) or 0.0
        return max(0.0, value - error), value + error

    def error(self, metric: str, value: float | None) -> float | None:
        """How wrong a figure may be, in the figure's unit; None where that is not known. A rate may be wrong by all of
        itself at most."""
        if metric in _FROM_START:
            return self.first
        if metric in _BETWEEN:
            return self.between
        if metric in _RATES and self.part is not None and value is not None:
            return min(1.0, self.part) * value
        return None
