"""The result document: a whole run as one JSON file, and the same as tables.

`format` 1: `meta`, `calibration`, `objectives`, `verdict`, `exit_code`, `metrics` (figures, the client's `error` and
the whole `histogram` of each), `complete_share` (per cent), `outcomes`, `details`, `violations`, `examples`, `trust`,
`series` (by second) and `streams` (a sample). Times are seconds, `at` and `start` since the epoch.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from chatproof.loadtests.client_error import Calibration, ClientError
from chatproof.loadtests.histogram import Histogram
from chatproof.loadtests.metrics import KINDS, SECONDS, Metrics
from chatproof.loadtests.objectives import Judged, Objective, ObjectiveVerdict, exit_code, judge

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
        """0 kept; 1 missed; 2 not judged: figures are missing, or the client's own error is too large."""
        return exit_code(self.judged, self.metrics) or (0 if self.is_whole else 2)

    @property
    def is_whole(self) -> bool:
        """Whether all workers sent all of their figures."""
        return bool(self.meta.get("crew", {}).get("whole", True))

    @property
    def verdict(self) -> str:
        """The verdict as a word: passed, missed or not judged."""
        return ("passed", "missed", "not judged")[self.exit_code]

    def to_json(self) -> dict[str, Any]:
        raw = self.metrics.to_json()
        known = ClientError.of(self.calibration, self.metrics)
        histograms = raw.pop("histograms")
        figures = {
            name: {
                **_figures(name, self.metrics.of(name)),
                "error": known.error(name, self.metrics.of(name).percentile(50)),
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
    rows: list[list[Any]] = [["metric", "unit", "count", "mean", "min", *names, "max", "error"]]
    for name, one in document["metrics"].items():
        percentiles = [one["percentiles"][key] for key in names]
        rows.append([name, one["unit"], one["count"], one["mean"], one["min"], *percentiles, one["max"], one["error"]])
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


def _seconds(value: float) -> str:
    if value >= 10:
        return f"{value:.1f} s"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.2f} ms"


def summary(result: Result) -> str:
    """The text that is printed at the end of a run."""
    metrics, known = result.metrics, ClientError.of(result.calibration, result.metrics)
    lines = [f"{'metric':<20}{'count':>8}  {'p50':<20}{'p95':<20}{'p99':<20}max"]
    for name, kind, histogram in metrics.measured():
        p50, p95, p99 = histogram.percentiles((50, 95, 99))
        cells = "".join(f"{shown(value, kind.unit, known.error(name, value)):<20}" for value in (p50, p95, p99))
        lines.append(f"{name:<20}{histogram.count:>8}  {cells}{shown(histogram.most, kind.unit)}")
    lines.append(
        "outcomes: " + (", ".join(f"{count} {name}" for name, count in metrics.outcomes.most_common()) or "none")
    )
    lines += [f"  {count} × {text}" for text, count in metrics.details.most_common(5)]
    for requirement, count in metrics.violations.most_common():
        lines.append(
            f"  {requirement} broken by {count} of {metrics.trust['checked']} checked: {metrics.examples[requirement]}"
        )
    if metrics.trust["tokens"]:
        joined = 100 * metrics.trust["joined"] / metrics.trust["tokens"]
        lines.append(f"trust: {joined:.1f} % of the tokens came in one read with the one before")
    crew = result.meta.get("crew", {})
    for fate in ("lost", "refused"):
        lines += [f"{fate}: worker {name}: {why}" for name, why in crew.get(fate, {}).items()]
    for one in result.judged:
        figure = f": {shown(one.value, one.objective.unit, one.error)}" if one.value is not None else ""
        why = f" ({one.why})" if one.why else ""
        lines.append(f"{_MARKS[one.verdict]} {one.objective.text}{figure}{why}")
    return "\n".join(lines)


_MARKS = {
    ObjectiveVerdict.KEPT: "kept  ",
    ObjectiveVerdict.MISSED: "MISSED",
    ObjectiveVerdict.UNJUDGED: "??????",
    ObjectiveVerdict.NOT_APPLICABLE: "n/a   ",
}
