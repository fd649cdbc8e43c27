"""The charts of a run, drawn from its metrics."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from chatproof.harness.report.svg import element
from chatproof.loadtests.client_error import ClientError
from chatproof.loadtests.metrics import KINDS, SECONDS, Metrics
from chatproof.loadtests.readers.reading import StreamOutcome
from chatproof.loadtests.reporting.plot import LEFT, RIGHT, Curve, Plot, chart, figure, legend

_CURVES: Final = (("ttft", "c1"), ("inter_token", "c2"), ("largest_gap", "c3"), ("end_to_end", "c4"))
_PERCENTS: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
_ROWS: Final = 80
_ROW: Final = 5
_FINE: Final = frozenset({str(StreamOutcome.COMPLETE), str(StreamOutcome.INTERRUPTED), str(StreamOutcome.UNFINISHED)})
_MOST_POINTS: Final = 600


def seconds(value: float) -> str:
    """Writes a time on an axis."""
    if value == 0:
        return "0"
    return f"{value * 1000:g} ms" if value < 1 else f"{value:g} s"


def number(value: float) -> str:
    """Writes a count on an axis."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:g}"


def percentile_curve(name: str, kind: str, metrics: Metrics, known: ClientError) -> str:
    """A metric's percentiles, as far into the tail as its count allows, in a band of the client's own error."""
    histogram = metrics.histograms.get(name)
    if histogram is None or histogram.count < 2:
        return ""
    nines = min(5.0, math.log10(histogram.count))
    xs = [nines * step / 120 for step in range(121)]
    ys = histogram.percentiles([100 * (1 - 10**-x) for x in xs])
    points = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None]
    marks = [(-math.log10(1 - p / 100), f"p{p:g}") for p in _PERCENTS if -math.log10(1 - p / 100) <= nines + 1e-9]
    error = known.error(name, histogram.percentile(50))
    is_time = KINDS[name].unit == SECONDS
    words = seconds if is_time else number
    said = f"{histogram.count:,} values"
    said += f"; not times of single tokens: {spoiled}" if (spoiled := metrics.spoiled(name)) else ""
    said += f"; the band is the client's own error, ± {error * 1000:.2g} ms" if error and is_time else ""
    lines = [Curve(KINDS[name].title, kind, points, band=error if is_time else None)]
    return chart(KINDS[name].title, lines, x_label="percentile", y_written=words, x_ticks=marks, note=said)


def percentile_curves(metrics: Metrics, known: ClientError) -> list[str]:
    """The percentile curves of the metrics that users notice."""
    return [one for name, kind in _CURVES if (one := percentile_curve(name, kind, metrics, known))]


def tokens_over_time(metrics: Metrics) -> str:
    start, seconds_ = _span(metrics)
    series = metrics.series
    lines = [Curve("tokens", "c2", [(at - start, series[at].tokens) for at in seconds_], area=True)]
    return chart("Tokens per second, all streams", lines, x_label="seconds from the start", y_written=number)


def streams_over_time(metrics: Metrics) -> str:
    """Streams started, ended and failed in each second."""
    start, seconds_ = _span(metrics)
    series = metrics.series
    lines = [
        Curve("started", "c1", [(at - start, series[at].started) for at in seconds_]),
        Curve("ended", "c2", [(at - start, series[at].ended) for at in seconds_]),
        Curve("failed", "bad", [(at - start, series[at].failed) for at in seconds_ if series[at].failed], dots=True),
    ]
    return chart("Streams per second", lines, x_label="seconds from the start", y_written=number)


def first_token_over_time(metrics: Metrics) -> str:
    """Time to first token, by the second in which the token arrived."""
    start, _ = _span(metrics)
    lines = _first_tokens(metrics, lambda at: at - start)
    return chart("Time to first token, over time", lines, x_label="seconds from the start", y_written=seconds)


def rate_against_latency(metrics: Metrics) -> str:
    """Whether the server slows down as more is asked of it."""
    return chart(
        "Rate against latency",
        _first_tokens(metrics, lambda at: metrics.series[at].ttft.count, dots=True),
        x_label="first tokens in a second",
        x_from=0.0,
        y_written=seconds,
        note="Each dot is one second of the run: how many first tokens arrived in it, and how long they took.",
    )


def _first_tokens(metrics: Metrics, x: Callable[[int], float], *, dots: bool = False) -> list[Curve]:
    """The times to the first tokens of each second, the 95th percentile first, over what `x` gives for the second."""
    _, seconds_ = _span(metrics)
    found = [(x(at), metrics.series[at].ttft.percentiles((95, 50))) for at in seconds_ if metrics.series[at].ttft.count]
    return [
        Curve(name, kind, [(place, values[index] or 0.0) for place, values in found], dots=dots)
        for index, (name, kind) in enumerate((("p95", "c4"), ("p50", "c1")))
    ]


def raster(metrics: Metrics) -> str:
    """Sampled streams as rows, in order of their start: from the request to the end, with a mark for each token."""
    title = "Token raster"
    streams = sorted(metrics.streams, key=lambda one: float(one["start"]))
    streams = streams[:: max(1, math.ceil(len(streams) / _ROWS))]
    if not streams:
        return figure(title, '<p class="none">No stream was sampled.</p>')
    start = min(float(one["start"]) for one in streams)
    end = max(float(one["start"]) + float(one["end"]) for one in streams) - start
    plot = Plot((0.0, end or 1.0), (0.0, 1.0), "seconds from the start", lambda _: "")
    plot.width, plot.height = 1400, 54 + _ROW * len(streams)
    plot.axes()
    for row, one in enumerate(streams):
        top = 12 + row * _ROW
        asked = float(one["start"]) - start
        fine = one["outcome"] in _FINE
        x0, x1 = plot.x(asked), plot.x(asked + float(one["end"]))
        kind = "wait" if fine else "bad"
        plot.parts.append(element("rect", kind=kind, x=x0, y=top + 1, width=max(1.0, x1 - x0), height=1))
        marks = _runs(sorted({round(plot.x(asked + float(at))) for at in one["tokens"]}))
        path = "".join(f"M{low} {top}h{high - low + 1}" for low, high in marks)
        plot.parts.append(element("path", kind=f"token {'c2' if fine else 'bad'}", d=path))
        if one["tokens"]:
            at = plot.x(asked + float(one["tokens"][0]))
            plot.parts.append(element("rect", kind="first", x=at - 1, y=top - 1, width=2.4, height=4))
    key = legend([("waiting", "wait"), ("first token", "first"), ("tokens", "c2"), ("a stream that failed", "bad")])
    said = f"{len(streams)} streams of {metrics.outcomes.total():,}, chosen at random; a stall is a gap in a row."
    return figure(title, key + plot.svg(title), said)


def _runs(pixels: list[int]) -> list[tuple[int, int]]:
    """Join neighbouring pixels: a fast stream becomes one bar, and the file stays small."""
    found: list[tuple[int, int]] = []
    for one in pixels:
        if LEFT <= one <= 1400 - RIGHT + 1:
            if found and one == found[-1][1] + 1:
                found[-1] = (found[-1][0], one)
            else:
                found.append((one, one))
    return found


def _span(metrics: Metrics) -> tuple[int, list[int]]:
    """The first second, and the seconds to draw: the last one is incomplete and would look like a drop."""
    seconds_ = sorted(metrics.series)
    if len(seconds_) > 3:
        seconds_ = seconds_[:-1]
    step = max(1, math.ceil(len(seconds_) / _MOST_POINTS))
    return (seconds_[0] if seconds_ else 0), seconds_[::step]
