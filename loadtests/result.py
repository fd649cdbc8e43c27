"""The result document: a whole run as one JSON file, and the same as tables.

`format` 1: `meta`, `calibration`, `objectives` (each with `value` and the interval from `low` to `high`), `verdict`,
`exit_code`, `metrics` (figures, the client's `error`, why they are `spoiled`, and the whole `histogram` of each),
`complete_share` (per cent),
`goodput` (`share` in per cent and `rate` in streams a second, with their intervals), `outcomes`, `details`,
`violations`, `examples`, `trust`, `series` (by second) and `streams` (a sample). Times are seconds, `at` and `start`
since the epoch. `slack` and `last_at` let parts of a run be added up.

`repeats`, of several runs: `each` run in short, and `figures`, such as `figures.ttft.p95`, with the `values` of the
runs, their `mean` and its 95 % interval from `low` to `high`. All else is then about all runs together.

`search`, of a search for the highest rate: see `rate_search.Search.to_json`. All else is then about one of its runs.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from chatproof.loadtests.client_error import Calibration, ClientError
from chatproof.loadtests.goodput import GoodShare
from chatproof.loadtests.histogram import Histogram
from chatproof.loadtests.metrics import KINDS, SECONDS, Metrics
from chatproof.loadtests.objectives import (
    GOOD_SHARE,
    SHARE,
    Judged,
    Objective,
    exit_code,
    judge,
    spoiled,
    stream_limits,
)

FORMAT: Final = 1
_COLUMNS: Final = ("at", "started", "ended", "failed", "tokens", "ttft", "inter_token")
PERCENTILES: Final = (1.0, 5.0, 50.0, 90.0, 95.0, 99.0, 99.9)


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises OSError."""
    partial = path.with_name(f"{path.name}.part")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


@dataclass(slots=True)
class Result:
    """A measured and judged run. `meta`: url, transport, arrivals, started (epoch), seconds, versions, …"""

    meta: dict[str, Any]
    metrics: Metrics
    calibration: Calibration | None = None
    judged: list[Judged] = field(default_factory=list)
    repeats: dict[str, Any] | None = None
    """Of several runs: see above."""
    search: dict[str, Any] | None = None
    """Of a search: see above."""

    @classmethod
    def of(
        cls,
        meta: dict[str, Any],
        metrics: Metrics,
        calibration: Calibration | None,
        objectives: list[Objective],
        *,
        provider: bool = False,
    ) -> Result:
        return cls(
            meta, metrics, calibration, judge(objectives, metrics, ClientError.of(calibration, metrics), provider)
        )

    @property
    def exit_code(self) -> int:
        """0 kept; 1 missed; 2 not judged: figures are missing, or a limit lies within a figure's error."""
        if self.meta.get("overload"):
            return 1  # no rate above what the server bears keeps a limit for ever
        return exit_code(self.judged, self.metrics) or (0 if self.is_whole else 2)

    @property
    def is_whole(self) -> bool:
        """Whether all workers sent all of their figures."""
        return bool(self.meta.get("crew", {}).get("whole", True))

    @property
    def verdict(self) -> str:
        """The verdict as a word: passed, missed or not judged."""
        return ("passed", "missed", "not judged")[self.exit_code]

    @property
    def known(self) -> ClientError:
        """The client's own error in this run."""
        return ClientError.of(self.calibration, self.metrics)

    @property
    def good(self) -> GoodShare | None:
        """The streams that keep all objectives; None where no stream was judged."""
        return self.metrics.good_share(self.known.largest)

    @property
    def measured_seconds(self) -> float:
        """For how long streams were measured, without the warm-up. In an open loop: while streams began; in a closed
        one, until the last stream ended."""
        meta = self.meta
        if "measured_seconds" in meta:
            return float(meta["measured_seconds"])
        arrivals, seconds = meta.get("arrivals", {}), float(meta.get("seconds", 0.0))
        if arrivals.get("loop") == "open":
            seconds = min(seconds, float(arrivals["duration"]))
        elif self.metrics.last_at:
            seconds = min(seconds, self.metrics.last_at - float(meta.get("started", 0.0)))
        return max(0.0, seconds - float(meta.get("warm_up", 0.0)))

    def goodput(self) -> dict[str, Any] | None:
        """Share and rate of the streams that keep all objectives, and by which objectives; None where no stream was
        judged. `spoiled`: why it says nothing, where it does not."""
        if (good := self.good) is None:
            return None
        counted = {one.metric for one in stream_limits(one.objective for one in self.judged)}
        texts: dict[bool, list[str]] = {True: [], False: []}
        for one in self.judged:
            if one.objective.metric not in (SHARE, GOOD_SHARE):
                texts[one.objective.metric in counted].append(one.objective.text)
        objectives = [one.objective for one in self.judged]
        why = next(filter(None, (spoiled(one, self.metrics, ()) for one in objectives)), "")
        by = {"objectives": texts[True], "left_out": texts[False], "spoiled": why}
        return {**good.to_json(self.measured_seconds), **by}

    def to_json(self) -> dict[str, Any]:
        raw = self.metrics.to_json()
        known = self.known
        histograms = raw.pop("histograms")
        figures = {
            name: {
                **_figures(name, self.metrics.of(name)),
                "error": known.error(name, self.metrics.of(name).percentile(50)),
                "spoiled": self.metrics.spoiled(name),
                "histogram": histograms[name],
            }
            for name in KINDS
            if name in histograms and self.metrics.of(name).count
        }
        series = [dict(zip(_COLUMNS, row, strict=True)) for row in raw.pop("series")]
        return {
            "format": FORMAT,
            "meta": self.meta,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "calibration": asdict(self.calibration) if self.calibration else None,
            "objectives": [one.to_json() for one in self.judged],
            "complete_share": self.metrics.complete_share,
            "goodput": self.goodput(),
            "repeats": self.repeats,
            "search": self.search,
            "metrics": figures,
            "series": series,
            **raw,
        }

    def write_json(self, path: Path) -> None:
        """Write the document. Raises OSError."""
        write_whole(path, json.dumps(self.to_json()))

    def write_csv(self, prefix: str) -> None:
        """Write PREFIX_metrics.csv and PREFIX_series.csv. Raises OSError."""
        for name, made in (("metrics", metrics_csv), ("series", series_csv)):
            Path(f"{prefix}_{name}.csv").write_text(made(self), encoding="utf-8", newline="")


def metrics_csv(result: Result) -> str:
    """A row for each metric."""
    document = result.to_json()
    names = [f"p{percent:g}" for percent in PERCENTILES]
    rows: list[list[Any]] = [["metric", "unit", "count", "mean", "min", *names, "max", "error", "spoiled"]]
    for name, one in document["metrics"].items():
        percentiles = [one["percentiles"][key] for key in names]
        ends = [one["max"], one["error"], one["spoiled"]]
        rows.append([name, one["unit"], one["count"], one["mean"], one["min"], *percentiles, *ends])
    return _csv(rows)


def series_csv(result: Result) -> str:
    """A row for each second."""
    heads = ["at", "started", "ended", "failed", "tokens", "ttft_p50", "ttft_p95", "inter_token_p50", "inter_token_p95"]
    rows: list[list[Any]] = [heads]
    for at, one in sorted(result.metrics.series.items()):
        figures = [*one.ttft.percentiles((50, 95)), *one.inter_token.percentiles((50, 95))]
        rows.append([at, one.started, one.ended, one.failed, one.tokens, *figures])
    return _csv(rows)


def _csv(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _figures(name: str, histogram: Histogram) -> dict[str, Any]:
    found = histogram.percentiles(PERCENTILES)
    return {
        "title": KINDS[name].title,
        "unit": KINDS[name].unit,
        "count": histogram.count,
        "mean": histogram.mean,
        "min": histogram.least,
        "max": histogram.most,
        "percentiles": {f"p{percent:g}": value for percent, value in zip(PERCENTILES, found, strict=True)},
    }


def load_metrics(document: Mapping[str, Any]) -> Metrics:
    """The metrics of a result document. Raises KeyError, TypeError, ValueError for any other document."""
    histograms = {name: one["histogram"] for name, one in document["metrics"].items()}
    series = [[row[column] for column in _COLUMNS] for row in document["series"]]
    return Metrics.from_json({**document, "histograms": histograms, "series": series})


# -- as text


def shown(value: float | None, unit: str, error: float | None = None) -> str:
    """A figure with its unit, and the error if given: `212 ms ± 3 ms`."""
    if value is None:
        return "-"
    if unit == SECONDS:
        text = _seconds(value)
        return f"{text} ± {_seconds(error)}" if error is not None else text
    text = f"{value:.1f}{unit if unit == '%' else f' {unit}'}"
    return f"{text} ± {error:.1f}" if error is not None else text


def shown_between(low: float | None, high: float | None, unit: str) -> str:
    """The ends of an interval: `205 ms to 219 ms`, `341.0 to 499.0 tokens/s`; `-` where neither is known."""
    ends = [end if end is not None and math.isfinite(end) else None for end in (low, high)]
    if ends[0] is None or ends[1] is None:
        return f"{shown(ends[0], unit)} or more" if ends[0] is not None else "-"
    lower = shown(ends[0], unit)
    return f"{lower if unit == SECONDS else lower.removesuffix(unit).rstrip()} to {shown(ends[1], unit)}"


def _seconds(value: float) -> str:
    if value >= 10:
        return f"{value:.1f} s"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.2f} ms"
