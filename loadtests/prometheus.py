"""A run's metrics as Prometheus text (version 0.0.4): counters, gauges, and histograms in buckets of their own.

The names follow Prometheus' conventions: base units, `_total` for what only grows, `_info` for labels alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chatproof.harness.common.redaction import redacted
from chatproof.loadtests.histogram import Histogram, middle
from chatproof.loadtests.metrics import KINDS, SECONDS
from chatproof.loadtests.result import Result

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX: Final = "chatproof_load_"
_TIMES: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_VALUES: Final = {"kept": 1.0, "missed": 0.0}
_RATES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
Labels = tuple[tuple[str, str], ...]


def text(result: Result) -> str:
    """All metrics of a run that is over, as text that ends with a line feed."""
    return "".join(families(result))


def families(result: Result, *, under_way: int | None = None, is_over: bool = True) -> Iterator[str]:
    """All metrics, one family of lines after the other.

    Args:
        under_way: open streams; None where only the workers know.
        is_over: False: more is to come; then there is no exit code yet.
    """
    metrics, known = result.metrics, result.known
    yield _family("run_info", "gauge", "What is loaded, and how.", (_about(result.meta), 1))
    yield _family("running", "gauge", "1 while the run goes on, then 0.", ((), not is_over))
    yield _family("run_seconds", "gauge", "How long the run has taken.", ((), float(result.meta.get("seconds", 0))))
    if under_way is not None:
        yield _family("streams_under_way", "gauge", "Streams that are open.", ((), under_way))
    outcomes = [((("outcome", outcome),), count) for outcome, count in sorted(metrics.outcomes.items())]
    yield _family("streams_total", "counter", "Streams that have ended, by outcome.", *outcomes)
    tokens = sum(one.tokens for one in metrics.series.values())
    yield _family("tokens_total", "counter", "Tokens of these streams.", ((), tokens))
    said = "Tokens that arrived in one read with the token before."
    yield _family("joined_tokens_total", "counter", said, ((), metrics.trust["joined"]))
    measured = [(name, histogram) for name, histogram in sorted(metrics.histograms.items()) if histogram.count]
    for name, histogram in measured:
        yield _histogram(name, histogram)
    if (good := result.goodput()) is not None:
        said = "Share of the streams that keep all objectives by themselves, from 0 to 1."
        yield _family("goodput_ratio", "gauge", said, ((), good["share"] / 100))
        said = "Streams a second that keep all objectives by themselves."
        yield _family("goodput_streams_per_second", "gauge", said, ((), good["rate"]))
    errors = [((("metric", name),), known.error(name, histogram.percentile(50))) for name, histogram in measured]
    said = "How wrong the client's own figures may be, in the metric's unit."
    yield _family("client_error", "gauge", said, *((labels, error) for labels, error in errors if error is not None))
    verdicts = [
        ((("objective", one.objective.text),), _VALUES.get(str(one.verdict), math.nan)) for one in result.judged
    ]
    said = "1 where the objective is kept so far, 0 where it is missed, NaN where it is not judged."
    yield _family("objective", "gauge", said, *verdicts)
    if is_over:
        yield _family("exit_code", "gauge", "0 kept, 1 missed, 2 not judged.", ((), result.exit_code))


def _about(meta: Mapping[str, Any]) -> Labels:
    arrivals = meta.get("arrivals", {})
    labels = {
        "url": redacted(str(meta.get("url", ""))),
        "transport": str(meta.get("transport", "")),
        "loop": str(arrivals.get("loop", "")),
        "shape": str(arrivals.get("shape", "")),
        "version": str(meta.get("versions", {}).get("chatproof", "")),
    }
    return tuple(labels.items())


def _histogram(name: str, histogram: Histogram) -> str:
    kind = KINDS[name]
    full = f"{name}_seconds" if kind.unit == SECONDS else name
    lines = [*_head(full, "histogram", f"{kind.title[0].upper()}{kind.title[1:]}, {kind.unit}.")]
    steps = sorted(histogram.counts.items())
    seen = index = 0
    for limit in _TIMES if kind.unit == SECONDS else _RATES:
        while index < len(steps) and middle(steps[index][0]) / histogram.scale <= limit:
            seen += steps[index][1]
            index += 1
        lines.append(_sample(f"{full}_bucket", (("le", f"{limit:g}"),), seen))
    lines.append(_sample(f"{full}_bucket", (("le", "+Inf"),), histogram.count))
    lines.append(_sample(f"{full}_sum", (), histogram.total))
    lines.append(_sample(f"{full}_count", (), histogram.count))
    return "".join(lines)


def _family(name: str, kind: str, help_: str, *samples: tuple[Labels, float]) -> str:
    lines = [_sample(name, labels, value) for labels, value in samples]
    return "".join([*_head(name, kind, help_), *lines])


def _head(name: str, kind: str, help_: str) -> tuple[str, str]:
    return f"# HELP {_PREFIX}{name} {help_}\n", f"# TYPE {_PREFIX}{name} {kind}\n"


def _sample(name: str, labels: Labels, value: float) -> str:
    said = ",".join(f'{key}="{_quoted(word)}"' for key, word in labels)
    number = "NaN" if value != value else f"{value:.10g}"
    return f"{_PREFIX}{name}{f'{{{said}}}' if said else ''} {number}\n"


def _quoted(word: str) -> str:
    return re.sub(r'[\\"\n]', lambda match: {"\\": r"\\", '"': r"\"", "\n": r"\n"}[match[0]], word)
