"""Objectives, such as `ttft_p95<1s,tokens_per_second_p5>5`, and their verdicts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from enum import StrEnum
from operator import ge, gt, le, lt
from typing import Any, Final

from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests.client_error import ClientError
from chatproof.loadtests.metrics import KINDS, RATE, SECONDS, Metrics

SHARE: Final = "complete_share"
"""Per cent of the streams that ended in a completion; those refused by a rate limit do not count."""
DEFAULT: Final = f"ttft_p95<1s,tokens_per_second_p5>5,overhead_p95<100ms,{SHARE}>=99%"
"""The API document's table: first token under 1 s, 5 to 10 tokens/s, under 100 ms added latency; and a share of
complete streams, without which a server that fails fast would look good."""
_NEEDS_PROVIDER: Final = frozenset({"overhead", "upstream_cancel"})
TRUSTED_PART: Final = 0.1
"""The client's own error may be at most this share of an objective's limit."""

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
    UNJUDGED = "not judged"  # no figure, or the client's own error is too large
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
        histogram = metrics.histograms.get(self.metric)
        if histogram is None or not histogram.count:
            return None
        if self.statistic.startswith("p"):
            return histogram.percentile(float(self.statistic[1:]))
        return {"mean": histogram.mean, "min": histogram.least, "max": histogram.most}[self.statistic]

    def holds(self, value: float) -> bool:
        return _RELATIONS[self.relation](value, self.limit)


@dataclass(frozen=True, slots=True)
class Judged:
    """An objective, the run's figure with the client's own error, and the verdict with its reason."""

    objective: Objective
    value: float | None
    error: float | None
    verdict: ObjectiveVerdict
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
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
    if name != SHARE and name not in KINDS:
        near = get_close_matches(name, [*KINDS, SHARE], n=1, cutoff=0.3)
        hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join([*KINDS, SHARE])}"
        raise ChatproofError(f"--slo: unknown metric {name!r} in {text!r}{hint}")
    if (name == SHARE) == bool(statistic):
        wanted = "takes no statistic" if statistic else "needs a statistic: p50, p95, p99, mean, min or max"
        raise ChatproofError(f"--slo: {text!r} {wanted}")
    if statistic.startswith("p") and not 0 < float(statistic[1:]) <= 100:
        raise ChatproofError(f"--slo: {text!r}: a percentile must be above 0 and at most 100")
    units = _UNITS["%" if name == SHARE else KINDS[name].unit]
    if unit not in units:
        raise ChatproofError(f"--slo: unknown unit {unit!r} for {name}; known: {', '.join(filter(None, units))}")
    try:
        limit = float(number) * units[unit]
    except ValueError as error:
        raise ChatproofError(f"--slo: {number!r} in {text!r} is not a number") from error
    if limit <= 0:
        raise ChatproofError(f"--slo: {text!r}: the limit must be above 0")
    return Objective(text, name, statistic, relation, limit)


def judge(objectives: list[Objective], metrics: Metrics, accuracy: ClientError, provider: bool) -> list[Judged]:
    """Judge each objective. `provider`: the fake providers are known to be behind the server."""
    return [_judge(one, metrics, accuracy, provider) for one in objectives]


def _judge(one: Objective, metrics: Metrics, accuracy: ClientError, provider: bool) -> Judged:
    value = one.value(metrics)
    error, at_limit = accuracy.error(one.metric, value), accuracy.error(one.metric, one.limit)
    if value is None:
        if one.metric in _NEEDS_PROVIDER and not provider:
            return Judged(one, None, error, ObjectiveVerdict.NOT_APPLICABLE, "needs the fake providers: --provider-url")
        return Judged(one, None, error, ObjectiveVerdict.UNJUDGED, "the run has no values for it")
    if at_limit is not None and at_limit > TRUSTED_PART * one.limit:
        share = at_limit / one.limit * 100
        why = f"the client's own error is {share:.0f} % of the limit: use fewer users, more workers or an idle machine"
        return Judged(one, value, error, ObjectiveVerdict.UNJUDGED, why)
    return Judged(one, value, error, ObjectiveVerdict.KEPT if one.holds(value) else ObjectiveVerdict.MISSED)


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
