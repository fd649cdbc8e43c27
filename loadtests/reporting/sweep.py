"""What a search found: its answer, each rate that was tried, and how latency and goodput follow the rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from chatproof.harness.common.redaction import redacted
from chatproof.loadtests.metrics import SECONDS
from chatproof.loadtests.reporting.html_table import table, verdict
from chatproof.loadtests.reporting.plot import Curve, chart
from chatproof.loadtests.result import shown

_X_LABEL = "streams begun in a second"


def sweep(search: Mapping[str, Any]) -> str:
    """The section of a search; `search` is that of the result document."""
    tried = search["tried"]
    charts = [one for one in (_latency(tried), _goodput(tried)) if one]
    grid = f'<div class="charts">{"".join(charts)}</div>' if charts else ""
    return (
        f"<h2>Search</h2><p><b>Highest rate that keeps the objectives: {escape(search['answer'])}</b></p>"
        f'<p class="about">{escape(redacted(search["why"]))}</p>{_rates(tried)}{grid}'
    )


def _rates(tried: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            f"{one['rate']:.3g}",
            verdict(one["verdict"]),
            f"{one['streams']:,}",
            _share(one["complete_share"]),
            _share(one["goodput_share"]),
            *(escape(shown(one["ttft"][name], SECONDS)) for name in ("p50", "p95", "p99")),
            f"<small>{escape(redacted(one['why']))}</small>",
        ]
        for one in tried
    ]
    firsts = [f"first token, {name}" for name in ("p50", "p95", "p99")]
    heads = ["streams/s", "verdict", "streams", "complete", "goodput", *firsts, "why"]
    return table(heads, rows, {**dict.fromkeys(range(2, 8), "n"), 8: "words"})


def _share(value: float | None) -> str:
    return f"{value:.1f} %" if value is not None else "-"


def _latency(tried: Sequence[Mapping[str, Any]]) -> str:
    """Drawn as lines between the rates, since each rate is a run of its own."""
    curves = [
        Curve(name, kind, [(one["rate"], one["ttft"][name]) for one in tried if one["ttft"][name] is not None])
        for name, kind in (("p95", "c4"), ("p50", "c1"))
    ]
    if min(len(curve.points) for curve in curves) < 2:
        return ""
    note = "Each corner is one rate that was tried."
    return chart("Rate against latency", curves, x_label=_X_LABEL, x_from=0.0, is_time=True, note=note)


def _goodput(tried: Sequence[Mapping[str, Any]]) -> str:
    found = [(one["rate"], one["goodput_rate"]) for one in tried if one["goodput_rate"] is not None]
    if len(found) < 2:
        return ""
    curves = [Curve("asked", "wait", [(rate, rate) for rate, _ in found]), Curve("goodput", "c2", found)]
    note = "Goodput: streams a second that keep all objectives. Where it leaves the other line, the rest miss one."
    return chart("Rate against goodput", curves, x_label=_X_LABEL, x_from=0.0, note=note)
