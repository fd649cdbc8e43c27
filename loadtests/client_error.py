"""The client's own error: what calibration found, what the run itself shows, and what that means for each figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from chatproof.loadtests.metrics import Metrics

# whose arrivals each figure stands on: one stamp against the start, or one stamp against another
_FROM_START = ("ttft", "end_to_end", "overhead", "upstream_cancel", "stop_to_last_token", "connect", "plain")
_BETWEEN = ("inter_token", "largest_gap")
_RATES = ("tokens_per_second",)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What our own clients made of a script that they knew. Errors in seconds; `streams` at the same time.

    `server_late_p99` is how late the calibration's own server wrote: where that is large, the machine had no time,
    and the client's errors are upper bounds.
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

    def to_json(self) -> dict[str, Any]:
        """As the result document has it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibration:
        """What `to_json` gave."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class ClientError:
    """The client's own error: seconds for times, `part` of a rate for rates. None where nothing is known."""

    first: float | None = None
    between: float | None = None
    part: float | None = None

    @classmethod
    def of(cls, calibration: Calibration | None, metrics: Metrics) -> ClientError:
        """The calibration's, or the run's own lag (p99) behind the kernel's stamps where that is larger."""
        lag = metrics.histograms["reader_lag"].percentile(99) if "reader_lag" in metrics.histograms else None
        if calibration is None and lag is None:
            return cls()
        first = max(calibration.first_token_p99 if calibration else 0.0, lag or 0.0)
        between = max(calibration.inter_token_p99 if calibration else 0.0, lag or 0.0)
        whole = metrics.histograms.get("end_to_end")
        # a stream's time that is wrong by `first` makes its rate wrong by the same part
        return cls(first, between, first / whole.mean if whole is not None and whole.mean else None)

    def error(self, metric: str, value: float | None) -> float | None:
        """How wrong a figure may be, in its own unit."""
        if metric in _FROM_START:
            return self.first
        if metric in _BETWEEN:
            return self.between
        if metric in _RATES and self.part is not None and value is not None:
            return self.part * value
        return None
