"""Several runs of the same load as one result: figures of all streams, and how much they differ from run to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from chatproof.loadtests.client_error import ClientError
from chatproof.loadtests.metrics import KINDS, Metrics
from chatproof.loadtests.objectives import Objective, judge_runs
from chatproof.loadtests.result import Result
from chatproof.loadtests.run_spread import CONFIDENCE, RunSpread

MOST_RUNS: Final = 100
_PERCENTILES: Final = (1.0, 5.0, 50.0, 95.0, 99.0)


def together(runs: Sequence[Result], objectives: list[Objective], *, provider: bool) -> Result:
    """The result of at least one run. Each objective is judged by its mean over the runs."""
    total = Metrics()
    for one in runs:
        total.merge(one.metrics)
    first, last = runs[0], runs[-1]
    known = ClientError.of(first.calibration, total)
    judged = judge_runs(objectives, [one.metrics for one in runs], known, provider)
    return Result(_meta(runs), total, last.calibration, judged, repeats=_spread(runs))


def _meta(runs: Sequence[Result]) -> dict[str, Any]:
    first, last = runs[0].meta, runs[-1].meta
    meta = {
        **first,
        "seconds": last["started"] + last["seconds"] - first["started"],
        "measured_seconds": sum(one.measured_seconds for one in runs),
        "interrupted": any(one.meta["interrupted"] for one in runs),
        "runs": len(runs),
    }
    if crews := [one.meta["crew"] for one in runs if "crew" in one.meta]:
        meta["crew"] = next((one for one in crews if not one["whole"]), crews[-1])
    if overloads := [one.meta["overload"] for one in runs if one.meta.get("overload")]:
        meta["overload"] = overloads[0]
    return meta


def _spread(runs: Sequence[Result]) -> dict[str, Any]:
    goods = [one.goodput() for one in runs]
    each = [
        {
            **{name: one.meta[name] for name in ("started", "seconds")},
            "verdict": one.verdict,
            "exit_code": one.exit_code,
            "streams": one.metrics.outcomes.total(),
            "complete_share": one.metrics.complete_share,
            "goodput_share": good["share"] if good else None,
            "goodput_rate": good["rate"] if good else None,
            "objectives": {judged.objective.text: judged.value for judged in one.judged},
        }
        for one, good in zip(runs, goods, strict=True)
    ]
    figures: dict[str, dict[str, Any]] = {}
    for name in KINDS:
        histograms = [one.metrics.histograms.get(name) for one in runs]
        counted = [one for one in histograms if one is not None and one.count]
        if len(counted) < len(runs):
            continue  # a run without a value: there is no mean over all of them
        found = {f"p{percent:g}": [one.percentile(percent) or 0.0 for one in counted] for percent in _PERCENTILES}
        found["mean"] = [one.mean or 0.0 for one in counted]
        figures[name] = {key: RunSpread.of(values).to_json() for key, values in found.items()}
    for name in ("complete_share", "goodput_share", "goodput_rate"):
        values = [one[name] for one in each if one[name] is not None]
        if len(values) == len(runs):
            figures[name] = {"value": RunSpread.of(values).to_json()}
    return {"runs": len(runs), "confidence": CONFIDENCE, "each": each, "figures": figures}
