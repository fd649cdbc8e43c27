"""What is measured: histograms, outcomes, a series by second, and a sample of whole streams."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chatproof.harness.protocol.findings import Violation
from chatproof.loadtests.goodput import Goodput, GoodShare, StreamLimit
from chatproof.loadtests.histogram import Histogram
from chatproof.loadtests.readers.reading import Reading, StreamOutcome
from chatproof.loadtests.stream_figures import StreamFigures

SECONDS: Final = "s"
RATE: Final = "tokens/s"


@dataclass(frozen=True, slots=True)
class MetricKind:
    """A metric's title and unit, and whether more is better."""

    title: str
    unit: str = SECONDS
    more_is_better: bool = False


KINDS: Final[dict[str, MetricKind]] = {
    "ttft": MetricKind("time to first token"),
    "inter_token": MetricKind("time between tokens"),
    "largest_gap": MetricKind("largest gap between tokens of a stream"),
    "end_to_end": MetricKind("end to end"),
    "time_per_output_token": MetricKind("time per output token of a stream"),
    "tokens_per_second": MetricKind("tokens per second of a stream", RATE, more_is_better=True),
    "connect": MetricKind("time to connect"),
    "stop_to_last_token": MetricKind("from the user's stop to the last token"),
    "upstream_cancel": MetricKind("from the user's stop to the provider's loss of its client"),
    "overhead": MetricKind("what the server adds to the provider's first token"),
    "plain": MetricKind("end to end, plain chat"),
    "reader_lag": MetricKind("from the kernel's receive stamp to ours"),
}
SCALES: Final = {SECONDS: 1e6, RATE: 1e3}
SAMPLED_STREAMS: Final = 200
_EXAMPLES: Final = 20
BUNDLED: Final = 0.05
"""Where a larger share of the tokens came in one read with the token before, the times between tokens are spoiled."""
_COUNTERS: Final = ("outcomes", "details", "violations", "trust")
_SAMPLED_TOKENS: Final = 2_000
_FAILED: Final = frozenset(StreamOutcome) - {
    StreamOutcome.COMPLETE,
    StreamOutcome.INTERRUPTED,
    StreamOutcome.LIMITED,
    StreamOutcome.UNFINISHED,
}


@dataclass(slots=True)
class Second:
    """What happened in one second: streams started and ended, failures, tokens; the times to the first tokens that
    arrived in it, and the gaps before its other tokens."""

    started: int = 0
    ended: int = 0
    failed: int = 0
    tokens: int = 0
    ttft: Histogram = field(default_factory=Histogram)
    inter_token: Histogram = field(default_factory=Histogram)


@dataclass(slots=True)
class Metrics:
    """The figures of a run, or of a part of one. A reading's times plus `offset` are seconds since the epoch.

    `limits`: what a stream must keep to count for the goodput; without them it is not counted. `last_at`: when the last
    stream ended, in seconds since the epoch.
    """

    offset: float = 0.0
    limits: tuple[StreamLimit, ...] | None = None
    goodput: Goodput = field(default_factory=Goodput)
    last_at: float = 0.0
    histograms: dict[str, Histogram] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    trust: Counter[str] = field(default_factory=Counter)
    series: dict[int, Second] = field(default_factory=dict)
    streams: list[dict[str, Any]] = field(default_factory=list)

    def of(self, name: str) -> Histogram:
        """The histogram of a metric, made where it is new. Raises KeyError for an unknown metric."""
        if name not in self.histograms:
            self.histograms[name] = Histogram(SCALES[KINDS[name].unit])
        return self.histograms[name]

    def measured(self) -> Iterator[tuple[str, MetricKind, Histogram]]:
        """The metrics that have values, in the order of `KINDS`."""
        for name, kind in KINDS.items():
            if (histogram := self.histograms.get(name)) is not None and histogram.count:
                yield name, kind, histogram

    def take(self, reading: Reading) -> None:
        self.outcomes[reading.outcome] += 1
        self.last_at = max(self.last_at, reading.recording.ended_at + self.offset)
        if reading.detail:
            self._detail(f"{reading.outcome}: {reading.detail}")
        figures = StreamFigures.of(reading)
        for name, value in figures.values.items():
            self.of(name).add(value)
        if figures.gaps:
            self.of("inter_token").extend(figures.gaps)
        if self.limits is not None and reading.outcome is StreamOutcome.COMPLETE:
            self.goodput.take(figures, self.limits)
        self._trust(reading)
        self._second(reading, figures.gaps)
        self._sample(reading)

    def condemn(self, reading: Reading) -> None:
        """A stream that was counted as complete breaks the contract."""
        self.outcomes[StreamOutcome.COMPLETE] -= 1
        self.outcomes[StreamOutcome.VIOLATION] += 1
        if self.limits is not None:
            self.goodput.take(StreamFigures.of(reading), self.limits, back=True)

    def _detail(self, text: str) -> None:
        if text in self.details or len(self.details) < _EXAMPLES:
            self.details[text] += 1

    def violated(self, found: Iterable[tuple[str, Violation]]) -> None:
        """Take what the strict checks said of one stream."""
        self.trust["checked"] += 1
        for requirement, violation in found:
            self.violations[requirement] += 1
            self.examples.setdefault(requirement, f"seen: {violation.seen}; expected: {violation.expected}")

    def _trust(self, reading: Reading) -> None:
        recording = reading.recording
        self.trust["reads"] += len(recording.reads)
        self.trust["tokens"] += len(reading.token_times)
        self.trust["joined"] += reading.joined
        self.of("reader_lag").extend(recording.lags)

    def _second(self, reading: Reading, gaps: list[float]) -> None:
        recording = reading.recording
        self._at(recording.intended_at).started += 1
        end = self._at(recording.ended_at)
        end.ended += 1
        end.failed += reading.outcome in _FAILED
        times, low = reading.token_times, 0
        while low < len(times):
            at = int(times[low] + self.offset)
            high = bisect_left(times, at + 1 - self.offset, low + 1)
            second = self._at(times[low])
            second.tokens += high - low
            second.inter_token.extend(gaps[max(low, 1) - 1 : high - 1])
            low = high
        if reading.first_token is not None:
            self._at(reading.token_times[0]).ttft.add(reading.first_token)

    def _at(self, time: float) -> Second:
        at = int(time + self.offset)
        if (second := self.series.get(at)) is None:
            second = self.series[at] = Second()
        return second

    def _sample(self, reading: Reading) -> None:
        """Keep each stream with the same chance (a reservoir), however many there are."""
        seen = self.outcomes.total()
        place = len(self.streams) if len(self.streams) < SAMPLED_STREAMS else random.randrange(seen)
        if place >= SAMPLED_STREAMS:
            return
        start = reading.recording.intended_at
        stream = {
            "start": round(start + self.offset, 6),
            "tokens": [round(at - start, 6) for at in reading.token_times[:_SAMPLED_TOKENS]],
            "end": round(reading.recording.ended_at - start, 6),
            "outcome": str(reading.outcome),
        }
        if place == len(self.streams):
            self.streams.append(stream)
        else:
            self.streams[place] = stream

    # -- what a verdict needs

    def spoiled(self, name: str) -> str:
        """Why a metric's percentiles are not those of single tokens; empty where they are."""
        joined, tokens = self.trust["joined"], self.trust["tokens"]
        if name != "inter_token" or joined <= BUNDLED * tokens:
            return ""
        return f"{100 * joined / tokens:.0f} % of the tokens came in one read with the token before"

    @property
    def complete_share(self) -> float | None:
        """Per cent of the judged streams that ended in a completion; None where no stream was judged."""
        complete = self.outcomes[StreamOutcome.COMPLETE]
        judged = complete + self.failed
        return 100 * complete / judged if judged else None

    @property
    def failed(self) -> int:
        """Streams that failed, without those refused by a rate limit."""
        return sum(self.outcomes[outcome] for outcome in _FAILED)

    def good_share(self, error: float) -> GoodShare | None:
        """The streams that keep all objectives, of those that count for `complete_share`. `error`: the client's own, in
        seconds. None where no stream was judged, or without limits."""
        complete = self.outcomes[StreamOutcome.COMPLETE]
        if not complete + self.failed or (complete and not self.goodput.count):
            return None
        return self.goodput.share(self.failed, error)

    # -- merging

    def merge(self, other: Metrics) -> None:
        """Add the figures of another part of the run."""
        for name, histogram in other.histograms.items():
            self.of(name).merge(histogram)
        chance = self.outcomes.total(), other.outcomes.total()
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        self.details = Counter(dict(self.details.most_common(_EXAMPLES)))
        self.examples = other.examples | self.examples
        self.goodput.merge(other.goodput)
        self.last_at = max(self.last_at, other.last_at)
        for at, second in other.series.items():
            mine_then = self.series.setdefault(at, Second())
            for name in ("started", "ended", "failed", "tokens"):
                setattr(mine_then, name, getattr(mine_then, name) + getattr(second, name))
            mine_then.ttft.merge(second.ttft)
            mine_then.inter_token.merge(second.inter_token)
        self.streams = _sampled(self.streams, other.streams, chance)

    def to_json(self) -> dict[str, Any]:
        """All figures as plain data, which a worker can send."""
        return {
            "histograms": {name: histogram.to_json() for name, histogram in self.histograms.items()},
            **{name: dict(getattr(self, name)) for name in _COUNTERS},
            "examples": self.examples,
            "series": [
                [at, one.started, one.ended, one.failed, one.tokens, one.ttft.to_json(), one.inter_token.to_json()]
                for at, one in sorted(self.series.items())
            ],
            "streams": self.streams,
            "slack": {"kept": self.goodput.kept.to_json(), "missed": self.goodput.missed.to_json()},
            "last_at": self.last_at,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Metrics:
        """What `to_json` gave. Raises KeyError, TypeError, ValueError for anything else."""
        metrics = cls()
        for name, histogram in data["histograms"].items():
            metrics.of(name).merge(Histogram.from_json(histogram))
        for name in _COUNTERS:
            getattr(metrics, name).update(data[name])
        metrics.examples.update(data["examples"])
        for at, started, ended, failed, tokens, *histograms in data["series"]:
            metrics.series[at] = Second(started, ended, failed, tokens, *map(Histogram.from_json, histograms))
        metrics.streams = list(data["streams"])
        metrics.goodput = Goodput(**{name: Histogram.from_json(one) for name, one in data.get("slack", {}).items()})
        metrics.last_at = float(data.get("last_at", 0.0))
        return metrics


def _sampled(mine: list[dict[str, Any]], theirs: list[dict[str, Any]], seen: tuple[int, int]) -> list[dict[str, Any]]:
    """A sample of both, in proportion to the streams that each side saw."""
    if len(mine) + len(theirs) <= SAMPLED_STREAMS:
        return mine + theirs
    from_mine = round(SAMPLED_STREAMS * seen[0] / max(1, sum(seen)))
    from_mine = min(len(mine), max(from_mine, SAMPLED_STREAMS - len(theirs)))
    return random.sample(mine, from_mine) + random.sample(theirs, min(len(theirs), SAMPLED_STREAMS - from_mine))
