"""The charts of a run, drawn from its metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

from chatproof.harness.report.svg import element
from chatproof.loadtests.client_error import ClientError
from chatproof.loadtests.histogram import Histogram
from chatproof.loadtests.metrics import KINDS, SECONDS, Metrics, Second
from chatproof.loadtests.readers.reading import StreamOutcome
from chatproof.loadtests.reporting.plot import BOTTOM, RIGHT, Curve, Plot, chart, figure, legend
from chatproof.loadtests.result import shown

_CURVES: Final = (("ttft", "c1"), ("inter_token", "c2"), ("largest_gap", "c3"), ("end_to_end", "c4"))
_PERCENTS: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99)
_ROWS: Final = 80
_ROW: Final = 5
_RASTER: Final = 1100  # px
_RASTER_TOP: Final = 12
_RASTER_LETTER: Final = 11.0  # px, as the style sheet writes it on a phone
_FINE: Final = frozenset({str(StreamOutcome.COMPLETE), str(StreamOutcome.INTERRUPTED), str(StreamOutcome.UNFINISHED)})
_MOST_POINTS: Final = 600
_FEWEST_LOADS: Final = 4
_LEAST_SPREAD: Final = 0.25
"""From the tenth to the ninetieth percentile, as a share of the median: below it the load is as good as constant."""
_FROM_THE_START: Final = "seconds from the start"


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
    said = f"{histogram.count:,} values"
    said += f"; not times of single tokens: {spoiled}" if (spoiled := metrics.spoiled(name)) else ""
    said += f"; the band is the client's own error, ± {shown(error, SECONDS)}" if error and is_time else ""
    lines = [Curve(KINDS[name].title, kind, points, band=error if is_time else None)]
    return chart(KINDS[name].title, lines, x_label="percentile", is_time=is_time, x_ticks=marks, note=said)


def percentile_curves(metrics: Metrics, known: ClientError) -> list[str]:
    """The percentile curves of the metrics that users notice."""
    return [one for name, kind in _CURVES if (one := percentile_curve(name, kind, metrics, known))]


def tokens_over_time(metrics: Metrics) -> str:
    start, seconds = _span(metrics)
    lines = [Curve("tokens", "c2", [(at - start, metrics.series[at].tokens) for at in seconds], area=True)]
    return chart("Tokens per second, all streams", lines, x_label=_FROM_THE_START)


def streams_over_time(metrics: Metrics) -> str:
    """Streams started, ended and failed in each second."""
    start, seconds = _span(metrics)
    series = metrics.series
    lines = [
        Curve("started", "c1", [(at - start, series[at].started) for at in seconds]),
        Curve("ended", "c2", [(at - start, series[at].ended) for at in seconds]),
        Curve("failed", "bad", [(at - start, series[at].failed) for at in seconds if series[at].failed], dots=True),
    ]
    return chart("Streams per second", lines, x_label=_FROM_THE_START)


def first_token_over_time(metrics: Metrics) -> str:
    """Time to first token, by the second in which the token arrived."""
    lines = _times_over_time(metrics, lambda second: second.ttft)
    return chart("Time to first token, over time", lines, x_label=_FROM_THE_START, is_time=True)


def gaps_over_time(metrics: Metrics) -> str:
    """Time between tokens, by the second in which the later one arrived."""
    lines = _times_over_time(metrics, lambda second: second.inter_token)
    return chart("Time between tokens, over time", lines, x_label=_FROM_THE_START, is_time=True)


def _times_over_time(metrics: Metrics, of: Callable[[Second], Histogram]) -> list[Curve]:
    start, seconds = _span(metrics)
    return _p95_and_p50([(at - start, found) for at in seconds if (found := of(metrics.series[at])).count])


def load_against_latency(metrics: Metrics, *, open_loop: bool) -> str:
    """Whether the server slows down as more is asked of it; empty where the load hardly changed.

    The load of a second is what the plan decides: the streams that begin in it, in an open loop; those that are under
    way, in a closed one, whose rate follows from the latency.
    """
    loads = dict(_started(metrics) if open_loop else _under_way(metrics))
    _, seconds = _span(metrics)
    found = [(loads[at], metrics.series[at].ttft) for at in seconds if metrics.series[at].ttft.count]
    if not _varies([load for load, _ in found]):
        return ""
    words = "streams that began in it" if open_loop else "streams that were under way"
    return chart(
        "Load against latency",
        _p95_and_p50(found, dots=True),
        x_label="streams begun in a second" if open_loop else "streams under way",
        x_from=0.0,
        is_time=True,
        note=f"Each dot is one second of the run: the {words}, and the time to the first tokens that arrived in it.",
    )


def _started(metrics: Metrics) -> Iterator[tuple[int, float]]:
    for at, second in metrics.series.items():
        yield at, second.started


def _under_way(metrics: Metrics) -> Iterator[tuple[int, float]]:
    """Streams under way in each second: the mean of its beginning and its end."""
    before = 0
    for at, second in sorted(metrics.series.items()):
        after = before + second.started - second.ended
        yield at, (before + after) / 2
        before = after


def _varies(loads: list[float]) -> bool:
    if len(set(loads)) < _FEWEST_LOADS:
        return False
    ordered = sorted(loads)
    low, middle, high = (ordered[int(part * (len(ordered) - 1))] for part in (0.1, 0.5, 0.9))
    return high - low > _LEAST_SPREAD * middle


def _p95_and_p50(found: list[tuple[float, Histogram]], *, dots: bool = False) -> list[Curve]:
    """The 95th percentile of each histogram, and the median, over the place that stands beside it."""
    figures = [(place, histogram.percentiles((95, 50))) for place, histogram in found]
    return [
        Curve(name, kind, [(place, values[index] or 0.0) for place, values in figures], dots=dots)
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
    height = _RASTER_TOP + _ROW * len(streams) + BOTTOM
    plot = Plot((0.0, end or 1.0), width=_RASTER, height=height, letter=_RASTER_LETTER)
    plot.x_axis(_FROM_THE_START, top=_RASTER_TOP)
    for row, one in enumerate(streams):
        top = _RASTER_TOP + row * _ROW
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
    return figure(title, f'{key}<div class="scroll">{plot.svg(title, "raster")}</div>', said)


def _runs(pixels: list[int]) -> list[tuple[int, int]]:
    """Join neighbouring pixels: a fast stream becomes one bar, and the file stays small."""
    found: list[tuple[int, int]] = []
    for one in pixels:
        if RIGHT <= one <= _RASTER - RIGHT + 1:
            if found and one == found[-1][1] + 1:
                found[-1] = (found[-1][0], one)
            else:
                found.append((one, one))
    return found


def _span(metrics: Metrics) -> tuple[int, list[int]]:
    """The first second, and the seconds to draw: the last one is incomplete and would look like a drop."""
    seconds = sorted(metrics.series)
    if len(seconds) > 3:
        seconds = seconds[:-1]
    step = max(1, math.ceil(len(seconds) / _MOST_POINTS))
    return (seconds[0] if seconds else 0), seconds[::step]
