"""Objectives, such as `ttft_p95<1s,tokens_per_second_p5>5`, and their verdicts."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from enum import StrEnum
from operator import ge, gt, le, lt
from statistics import fmean
from typing import Any, Final

from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests.client_error import ClientError
from chatproof.loadtests.goodput import StreamLimit
from chatproof.loadtests.metrics import KINDS, RATE, SECONDS, Metrics
from chatproof.loadtests.run_spread import RunSpread

SHARE: Final = "complete_share"
"""Per cent of the streams that ended in a completion; those refused by a rate limit do not count."""
GOOD_SHARE: Final = "goodput_share"
"""Per cent of the same streams that keep all objectives which a single stream can keep."""
_SHARES: Final = (SHARE, GOOD_SHARE)
DEFAULT: Final = f"ttft_p95<1s,tokens_per_second_p5>5,overhead_p95<100ms,{SHARE}>=99%"
"""The API document's table: first token under 1 s, 5 to 10 tokens/s, under 100 ms added latency; and a share of
complete streams, without which a server that fails fast would look good."""
_NEEDS_PROVIDER: Final = frozenset({"overhead", "upstream_cancel"})
_NOT_OF_EACH_STREAM: Final = _NEEDS_PROVIDER | {"stop_to_last_token", "reader_lag", *_SHARES}
"""Looked up for a sample of the streams, or for those that users interrupt; or not the streams' own."""
TOO_WIDE: Final = "the limit lies within the client's own error: use fewer users, more workers or an idle machine"
FEW_STREAMS: Final = "the limit lies within the interval: use more streams, or a client with a smaller error"
RUNS_TOO_WIDE: Final = "the limit lies within the interval: use more runs, or a client with a smaller error"

_FORM: Final = re.compile(r"([A-Za-z_]+?)(?:_(p\d+(?:\.\d+)?|mean|min|max))?\s*(<=|>=|<|>)\s*([0-9.]+)\s*(\S*)")
_RELATIONS: Final[dict[str, Callable[[float, float], bool]]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_UNITS: Final = {
    SECONDS: {"s": 1.0, "ms": 1e-3, "us": 1e-6, "": 1.0},
    RATE: {"": 1.0, "/s": 1.0, "tokens/s": 1.0},
    "%": {"%": 1.0, "": 1.0},
}


class ObjectiveVerdict(StrEnum):
    """Whether a run kept an objective."""

    KEPT = "kept"
    MISSED = "missed"
    UNJUDGED = "not judged"  # no figure, or the limit lies within its error
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective. `limit` in seconds, tokens/s or per cent; `statistic`: a percentile (p95), mean, min or max."""

    text: str
    metric: str
    statistic: str
    relation: str
    limit: float

    @property
    def unit(self) -> str:
        """The unit of its figure and its limit."""
        return KINDS[self.metric].unit if self.metric in KINDS else "%"

    def value(self, metrics: Metrics) -> float | None:
        """The run's figure; None where the run has no values for it."""
        if self.metric == SHARE:
            return metrics.complete_share
        if self.metric == GOOD_SHARE:
            good = metrics.good_share(0.0)
            return good.share if good is not None else None
        histogram = metrics.histograms.get(self.metric)
        if histogram is None or not histogram.count:
            return None
        if self.statistic.startswith("p"):
            return histogram.percentile(float(self.statistic[1:]))
        return {"mean": histogram.mean, "min": histogram.least, "max": histogram.most}[self.statistic]

    def interval(self, metrics: Metrics, known: ClientError, *, chance: bool) -> tuple[float, float]:
        """Between which values the true figure lies, where there is one. `chance`: for a share of streams, count as
        well that other streams would have given another."""
        if self.metric == GOOD_SHARE and (good := metrics.good_share(known.largest)) is not None:
            return good.between if chance else good.known
        value = self.value(metrics)
        assert value is not None
        return (value, value) if self.metric == SHARE else known.interval(self.metric, value)

    def holds(self, value: float) -> bool:
        return _RELATIONS[self.relation](value, self.limit)

    def judged(self, value: float, low: float, high: float, why: str) -> Judged:
        """Hold the figure against the limit. The objective is not judged where the limit lies from `low` to `high`;
        then `why` says what to do."""
        error = None if low == high else max(value - low, high - value if math.isfinite(high) else value)
        if low < high and low <= self.limit <= high:
            return Judged(self, value, error, ObjectiveVerdict.UNJUDGED, why, low, high)
        verdict = ObjectiveVerdict.KEPT if self.holds(value) else ObjectiveVerdict.MISSED
        return Judged(self, value, error, verdict, "", low, high)


@dataclass(frozen=True, slots=True)
class Judged:
    """An objective, the run's figure, and the verdict with its reason.

    `low`, `high`: between which values the true figure lies; `error`: how far they are away, as in `212 ms ± 3 ms`.
    """

    objective: Objective
    value: float | None
    error: float | None
    verdict: ObjectiveVerdict
    why: str = ""
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        if self.high == math.inf:
            values["high"] = None  # JSON has no infinity
        return {**values.pop("objective"), **values}


def parse_objectives(text: str) -> list[Objective]:
    """Read objectives, separated by commas. Raises ChatproofError, whose text names what is wrong."""
    objectives = [_parse(part.strip()) for part in text.split(",") if part.strip()]
    if not objectives:
        raise ChatproofError("--slo is empty; give objectives such as ttft_p95<1s")
    return objectives


def _parse(text: str) -> Objective:
    if (form := _FORM.fullmatch(text)) is None:
        raise ChatproofError(f"--slo: {text!r} is not an objective such as ttft_p95<1s or tokens_per_second_p5>5")
    name, statistic, relation, number, unit = form.groups(default="")
    if name not in (*KINDS, *_SHARES):
        near = get_close_matches(name, [*KINDS, *_SHARES], n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join([*KINDS, *_SHARES])}"
        raise ChatproofError(f"--slo: unknown metric {name!r} in {text!r}{hint}")
    if (name in _SHARES) == bool(statistic):
        wanted = "takes no statistic" if statistic else "needs a statistic: p50, p95, p99, mean, min or max"
        raise ChatproofError(f"--slo: {text!r} {wanted}")
    if statistic.startswith("p") and not 0 < float(statistic[1:]) <= 100:
        raise ChatproofError(f"--slo: {text!r}: a percentile must be above 0 and at most 100")
    units = _UNITS["%" if name in _SHARES else KINDS[name].unit]
    if unit not in units:
        raise ChatproofError(f"--slo: unknown unit {unit!r} for {name}; known: {', '.join(filter(None, units))}")
    try:
        limit = float(number) * units[unit]
    except ValueError as error:
        raise ChatproofError(f"--slo: {number!r} in {text!r} is not a number") from error
    if limit <= 0:
        raise ChatproofError(f"--slo: {text!r}: the limit must be above 0")
    return Objective(text, name, statistic, relation, limit)


def stream_limits(objectives: Iterable[Objective]) -> tuple[StreamLimit, ...]:
    """The objectives that each stream can keep or miss by itself."""
    return tuple(
        StreamLimit(one.metric, one.statistic, one.relation, one.limit)
        for one in objectives
        if one.metric not in _NOT_OF_EACH_STREAM
    )


def judge(objectives: list[Objective], metrics: Metrics, accuracy: ClientError, provider: bool) -> list[Judged]:
    """Judge each objective. `provider`: the fake providers are known to be behind the server."""
    return [_judge(one, metrics, accuracy, provider, objectives) for one in objectives]


def _judge(
    one: Objective, metrics: Metrics, accuracy: ClientError, provider: bool, objectives: list[Objective]
) -> Judged:
    value = one.value(metrics)
    if value is None:
        return _without_value(one, provider, "the run has no values for it")
    if why := spoiled(one, metrics, objectives):
        return Judged(one, value, None, ObjectiveVerdict.UNJUDGED, why)
    why = FEW_STREAMS if one.metric == GOOD_SHARE else TOO_WIDE
    return one.judged(value, *one.interval(metrics, accuracy, chance=True), why)


def spoiled(one: Objective, metrics: Metrics, objectives: Iterable[Objective]) -> str:
    """Why the figure says nothing; empty where it does. Bundles leave the mean as it is. `objectives`: all of them,
    since the streams that keep them are not known where one is spoiled."""
    if one.metric == GOOD_SHARE:
        return next(
            filter(None, (spoiled(other, metrics, ()) for other in objectives if other.metric != GOOD_SHARE)), ""
        )
    why = metrics.spoiled(one.metric) if one.statistic != "mean" else ""
    return f"{why}, so their own times are not known: judge largest_gap or tokens_per_second" if why else ""


def _without_value(one: Objective, provider: bool, why: str) -> Judged:
    if one.metric in _NEEDS_PROVIDER and not provider:
        return Judged(one, None, None, ObjectiveVerdict.NOT_APPLICABLE, "needs the fake providers: --provider-url")
    return Judged(one, None, None, ObjectiveVerdict.UNJUDGED, why)


def judge_runs(
    objectives: list[Objective], runs: Sequence[Metrics], accuracy: ClientError, provider: bool
) -> list[Judged]:
    """Judge each objective by its mean over several runs, which is known to within the 95 % interval over the runs and,
    on top of that, the client's own error."""
    found = []
    for one in objectives:
        values = [value for part in runs if (value := one.value(part)) is not None]
        if len(values) < len(runs):
            some = (
                f"only {len(values)} of {len(runs)} runs have values for it" if values else "no run has values for it"
            )
            found.append(_without_value(one, provider, some))
            continue
        if why := next(filter(None, (spoiled(one, part, objectives) for part in runs)), ""):
            found.append(Judged(one, fmean(values), None, ObjectiveVerdict.UNJUDGED, why))
            continue
        ends = [one.interval(part, accuracy, chance=False) for part in runs]
        low = RunSpread.of([low for low, _ in ends]).low
        high = RunSpread.of([high for _, high in ends]).high
        most = 100.0 if one.unit == "%" else math.inf
        found.append(one.judged(fmean(values), max(0.0, low), min(most, high), RUNS_TOO_WIDE))
    return found


def exit_code(judged: list[Judged], metrics: Metrics) -> int:
    """0: all kept; 1: one missed; 2: none missed, but not all could be judged.

    Where every stream failed there are no figures to judge; that is the server's fault, so it counts as missed.
    """
    verdicts = {one.verdict for one in judged}
    if ObjectiveVerdict.MISSED in verdicts:
        return 1
    if ObjectiveVerdict.UNJUDGED in verdicts:
        return 1 if metrics.complete_share == 0 else 2
    return 0
