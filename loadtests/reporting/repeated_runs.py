"""What several runs of the same load say together: the mean of each figure with its interval, and each run in short."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from chatproof.loadtests.metrics import KINDS
from chatproof.loadtests.reporting.html_table import table, verdict
from chatproof.loadtests.result import shown, shown_between

_PERCENTS = ("p50", "p95", "p99")


def repeated_runs(repeats: Mapping[str, Any]) -> str:
    """The section of the runs; `repeats` is that of the result document."""
    each, figures = repeats["each"], repeats["figures"]
    means = [
        [
            f"{escape(kind.title)}<br><small>{escape(name)}</small>",
            *(_mean(figures[name][percent], kind.unit) for percent in _PERCENTS),
        ]
        for name, kind in KINDS.items()
        if name in figures
    ]
    means += [
        [f"{title}<br><small>{name}</small>", _mean(figures[name]["value"], unit), "", ""]
        for name, title, unit in (
            ("complete_share", "complete streams", "%"),
            ("goodput_share", "streams that keep all objectives", "%"),
            ("goodput_rate", "streams a second that keep all objectives", "streams/s"),
        )
        if name in figures
    ]
    runs = [
        [
            f"{number}",
            verdict(one["verdict"]),
            f"{one['streams']:,}",
            f"{one['complete_share']:.1f} %" if one["complete_share"] is not None else "-",
            f"{one['goodput_share']:.1f} %" if one["goodput_share"] is not None else "-",
        ]
        for number, one in enumerate(each, 1)
    ]
    sure = f"{repeats['confidence']:.0%} sure"
    said = f"Mean over {len(each)} runs; the true mean lies between the values below it ({sure})."
    return (
        f'<h2>Over all runs</h2><p class="about">{said}</p>'
        + table(["metric", *_PERCENTS], means, dict.fromkeys((1, 2, 3), "n"))
        + table(["run", "verdict", "streams", "complete", "goodput"], runs, dict.fromkeys((2, 3, 4), "n"))
    )


def _mean(figure: Mapping[str, Any], unit: str) -> str:
    between = shown_between(figure["low"], figure["high"], unit)
    return f"{escape(shown(figure['mean'], unit))}<br><small>{escape(between)}</small>"
