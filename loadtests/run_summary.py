"""A result as text: what is printed at the end of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chatproof.loadtests.metrics import KINDS, SECONDS
from chatproof.loadtests.objectives import Judged, ObjectiveVerdict
from chatproof.loadtests.result import Result, shown, shown_between
from chatproof.loadtests.text_columns import columns

_MARKS: Final = {
    ObjectiveVerdict.KEPT: "kept  ",
    ObjectiveVerdict.MISSED: "MISSED",
    ObjectiveVerdict.UNJUDGED: "??????",
    ObjectiveVerdict.NOT_APPLICABLE: "n/a   ",
}


def summary(result: Result) -> str:
    """The figures, what became of the streams, and the verdicts, as lines."""
    return "\n".join([*_figures(result), *_over_runs(result), *_streams(result), *map(verdict_line, result.judged)])


def verdict_line(one: Judged) -> str:
    """`kept   ttft_p95<1s: 212 ms ± 3 ms`."""
    why = f" ({one.why})" if one.why else ""
    return f"{_MARKS[one.verdict]} {one.objective.text}{': ' if one.value is not None else ''}{figure(one)}{why}"


def figure(one: Judged) -> str:
    """An objective's figure with its error. What is not a time has an interval instead, which need not be symmetric."""
    unit = one.objective.unit
    if one.value is None:
        return ""
    if unit == SECONDS or one.error is None:
        return shown(one.value, unit, one.error)
    return f"{shown(one.value, unit)} ({shown_between(one.low, one.high, unit)})"


def _figures(result: Result) -> list[str]:
    known = result.known
    rows = [["metric", "count", "p50", "p95", "p99", "max", ""]]
    for name, kind, histogram in result.metrics.measured():
        cells = [shown(one, kind.unit, known.error(name, one)) for one in histogram.percentiles((50, 95, 99))]
        spoiled = result.metrics.spoiled(name)
        mark = f"not times of single tokens: {spoiled}" if spoiled else ""
        rows.append([name, str(histogram.count), *cells, shown(histogram.most, kind.unit), mark])
    return columns(rows, right={1})


def _over_runs(result: Result) -> Iterator[str]:
    if result.repeats is None:
        return
    each, figures = result.repeats["each"], result.repeats["figures"]
    sure = f"{100 * result.repeats['confidence']:.0f} % sure"
    yield f"over {len(each)} runs: the mean, and between which values it lies ({sure})"
    rows = [["metric", "p50", "p95", "p99"]]
    for name, kind in KINDS.items():
        if name in figures:
            cells = [figures[name][key] for key in ("p50", "p95", "p99")]
            rows.append([name, *(f"{shown(one['mean'], kind.unit)} ({_ends(one, kind.unit)})" for one in cells)])
    yield from columns(rows)
    yield "runs: " + ", ".join(f"{one['verdict']} ({one['streams']} streams)" for one in each)


def _ends(figure_: dict[str, float | None], unit: str) -> str:
    return shown_between(figure_["low"], figure_["high"], unit)


def _streams(result: Result) -> Iterator[str]:
    metrics = result.metrics
    yield "outcomes: " + (", ".join(f"{count} {name}" for name, count in metrics.outcomes.most_common()) or "none")
    yield from (f"  {count} × {text}" for text, count in metrics.details.most_common(5))
    for requirement, count in metrics.violations.most_common():
        of = f"{count} of {metrics.trust['checked']} checked"
        yield f"  {requirement} broken by {of}: {metrics.examples[requirement]}"
    if (good := result.goodput()) is not None:
        mark = f" (not sure: {good['spoiled']})" if good["spoiled"] else ""
        yield (
            f"goodput: {good['good']} of {good['of']} streams keep all objectives: {good['share']:.1f}% "
            f"({good['share_low']:.1f} to {good['share_high']:.1f}%), {good['rate']:.3g} streams/s "
            f"({good['rate_low']:.3g} to {good['rate_high']:.3g}){mark}"
        )
    if metrics.trust["warm-up"]:
        yield f"warm-up: {metrics.trust['warm-up']} streams of the first {result.meta['warm_up']:g} s are left out"
    if metrics.trust["tokens"]:
        joined = 100 * metrics.trust["joined"] / metrics.trust["tokens"]
        yield f"trust: {joined:.1f} % of the tokens came in one read with the one before"
    crew = result.meta.get("crew", {})
    for fate in ("lost", "refused"):
        yield from (f"{fate}: worker {name}: {why}" for name, why in crew.get(fate, {}).items())
    if overload := result.meta.get("overload"):
        yield f"MISSED the server falls behind: {overload['text']}"
