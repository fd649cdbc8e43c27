"""A run's metrics as Prometheus text (version 0.0.4): counters, and histograms in buckets of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from chatproof.loadtests.client_error import ClientError
from chatproof.loadtests.histogram import Histogram, middle
from chatproof.loadtests.metrics import KINDS, SECONDS
from chatproof.loadtests.result import Result

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX: Final = "chatproof_load_"
_TIMES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_RATES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


def text(result: Result) -> str:
    """All metrics as text that ends with a line feed."""
    return "".join(f"{line}\n" for line in _lines(result))


def _lines(result: Result) -> Iterator[str]:
    metrics, known = result.metrics, ClientError.of(result.calibration, result.metrics)
    yield from _head("streams_total", "counter", "Streams that have ended, by outcome.")
    for outcome, count in sorted(metrics.outcomes.items()):
        yield _sample("streams_total", {"outcome": outcome}, count)
    yield from _head("tokens_total", "counter", "Tokens that arrived.")
    yield _sample("tokens_total", {}, sum(one.tokens for one in metrics.series.values()))
    yield from _head("joined_tokens_total", "counter", "Tokens that arrived in one read with the token before.")
    yield _sample("joined_tokens_total", {}, metrics.trust["joined"])
    for name, histogram in sorted(metrics.histograms.items()):
        if histogram.count:
            yield from _histogram(name, histogram)
    yield from _head("client_error", "gauge", "How wrong the client's own figures may be, in the metric's unit.")
    for name, histogram in sorted(metrics.histograms.items()):
        if (error := known.error(name, histogram.percentile(50))) is not None:
            yield _sample("client_error", {"metric": name}, error)
    yield from _objectives(result)


def _histogram(name: str, histogram: Histogram) -> Iterator[str]:
    kind = KINDS[name]
    full = f"{name}_seconds" if kind.unit == SECONDS else name
    yield from _head(full, "histogram", f"{kind.title[0].upper()}{kind.title[1:]}, {kind.unit}.")
    steps = sorted(histogram.counts.items())
    seen = index = 0
    for limit in _TIMES if kind.unit == SECONDS else _RATES:
        while index < len(steps) and middle(steps[index][0]) / histogram.scale <= limit:
            seen += steps[index][1]
            index += 1
        yield _sample(f"{full}_bucket", {"le": f"{limit:g}"}, seen)
    yield _sample(f"{full}_bucket", {"le": "+Inf"}, histogram.count)
    yield _sample(f"{full}_sum", {}, histogram.total)
    yield _sample(f"{full}_count", {}, histogram.count)


def _objectives(result: Result) -> Iterator[str]:
    yield from _head("objective", "gauge", "1 where the objective is kept, 0 where it is missed, NaN where not judged.")
    for one in result.judged:
        value = {"kept": 1.0, "missed": 0.0}.get(str(one.verdict), float("nan"))
        yield _sample("objective", {"objective": one.objective.text}, value)
    yield from _head("exit_code", "gauge", "0 kept, 1 missed, 2 not judged.")
    yield _sample("exit_code", {}, result.exit_code)


def _head(name: str, kind: str, help_: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}{name} {help_}"
    yield f"# TYPE {_PREFIX}{name} {kind}"


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    said = ",".join(f'{key}="{_quoted(word)}"' for key, word in labels.items())
    number = "NaN" if value != value else f"{value:.10g}"
    return f"{_PREFIX}{name}{f'{{{said}}}' if said else ''} {number}"


def _quoted(word: str) -> str:
    return re.sub(r'[\\"\n]', lambda match: {"\\": r"\\", '"': r"\"", "\n": r"\n"}[match[0]], word)
