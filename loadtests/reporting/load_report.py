"""The report: verdict, figures, charts, and how far all of it can be trusted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from chatproof.harness.common.redaction import redacted
from chatproof.loadtests.client_error import Calibration, ClientError
from chatproof.loadtests.metrics import SECONDS, Metrics
from chatproof.loadtests.objectives import Judged
from chatproof.loadtests.reporting import charts
from chatproof.loadtests.reporting.html_table import table, verdict
from chatproof.loadtests.reporting.repeated_runs import repeated_runs
from chatproof.loadtests.reporting.sweep import sweep
from chatproof.loadtests.result import Result, shown
from chatproof.loadtests.run_summary import figure

_CSP = "default-src 'none'; style-src 'unsafe-inline'"  # nothing is fetched and nothing runs
_GOOD = frozenset({"complete", "interrupted", "unfinished"})
_MEASURED = "Each figure is measured ± the client's own error: how wrong this client may be, whatever the server did."
_PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)


def page(result: Result) -> str:
    metrics, known = result.metrics, result.known
    style = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
    body = [
        _head(result),
        sweep(result.search) if result.search else "",
        _objectives(result.judged),
        _goodput(result),
        repeated_runs(result.repeats) if result.repeats else "",
        _figures(metrics, known),
        "<h2>Percentiles</h2>" + _grid(charts.percentile_curves(metrics, known)),
        "<h2>Over time</h2>"
        + _grid(
            [
                charts.tokens_over_time(metrics),
                charts.first_token_over_time(metrics),
                charts.streams_over_time(metrics),
                charts.gaps_over_time(metrics),
                charts.load_against_latency(metrics, open_loop=_is_open_loop(result.meta)),
            ]
        ),
        f'<div class="wide">{charts.raster(metrics)}</div>',
        _outcomes(metrics),
        _trust(result.calibration, metrics),
        _about(result.meta),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>chatproof load: {escape(result.verdict)}</title><style>{style}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def _head(result: Result) -> str:
    meta, metrics = result.meta, result.metrics
    word = "interrupted" if meta.get("interrupted") else result.verdict
    begun = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(float(meta.get("started", 0.0))))
    tokens = sum(one.tokens for one in metrics.series.values())
    about = [
        str(meta.get("url", "")),
        str(meta.get("transport", "")),
        _load(meta.get("arrivals", {})),
        f"{meta.get('seconds', 0.0):.0f} s from {begun}",
        f"{metrics.outcomes.total():,} streams, {tokens:,} tokens",
    ]
    if runs := meta.get("runs"):
        about.insert(3, f"{runs} runs")
    if metrics.trust["warm-up"]:
        about.append(f"{metrics.trust['warm-up']:,} streams of the first {meta.get('warm_up', 0):g} s are left out")
    overload = meta.get("overload")
    warnings = [f"The server falls behind: {overload['text']}."] if overload else []
    warnings += [
        f"Worker {name} {fate}: {why}. Its figures are missing here."
        for fate, of in (("was lost", "lost"), ("was refused", "refused"))
        for name, why in meta.get("crew", {}).get(of, {}).items()
    ]
    return (
        f'<header><h1>chatproof load</h1><span class="verdict {_kind(word)}">{escape(word)}</span></header>'
        f'<p class="about">{escape(redacted(" · ".join(filter(None, about))))}</p>'
        + "".join(f'<p class="warn">{escape(redacted(one))}</p>' for one in warnings)
    )


def _is_open_loop(meta: dict[str, Any]) -> bool:
    return bool(meta.get("arrivals", {}).get("loop") == "open")


def _load(arrivals: dict[str, Any]) -> str:
    if not arrivals:
        return ""
    unit = "streams/s" if arrivals["loop"] == "open" else "users"
    chance = ", Poisson" if arrivals.get("poisson") else ""
    return f"{arrivals['loop']} loop, {arrivals['shape']}, {arrivals['peak']:g} {unit}{chance}"


def _objectives(judged: Sequence[Judged]) -> str:
    """One item for each. No table: on a phone the reason would stand in a column of one word."""
    items = []
    for one in judged:
        why = f"<small>{escape(one.why)}</small>" if one.why else ""
        items.append(
            f"<li>{verdict(str(one.verdict))}"
            f"<code>{escape(one.objective.text)}</code>"
            f"<span>{escape(figure(one)) or '-'}</span>{why}</li>"
        )
    return f'<h2>Objectives</h2><p class="about">{_MEASURED}</p><ul class="objectives">{"".join(items)}</ul>'


def _goodput(result: Result) -> str:
    if (good := result.goodput()) is None:
        return ""
    said = (
        f"<b>Goodput</b>: {good['good']:,} of {good['of']:,} streams keep all objectives by themselves: "
        f"{good['share']:.1f} % ({good['share_low']:.1f} to {good['share_high']:.1f} %), "
        f"{good['rate']:.3g} streams/s ({good['rate_low']:.3g} to {good['rate_high']:.3g})"
    )
    left_out = f". Not counted: {', '.join(good['left_out'])}" if good["left_out"] else ""
    return f"<p>{said}{escape(left_out)}</p>"


def _figures(metrics: Metrics, known: ClientError) -> str:
    rows = []
    for name, kind, histogram in metrics.measured():
        error = known.error(name, histogram.percentile(50))
        # a rate's unit stands in its name: seven times in a row it would push the table over the edge
        unit = kind.unit if kind.unit == SECONDS else ""
        found = [shown(value, unit).strip() for value in (*histogram.percentiles(_PERCENTS), histogram.most)]
        title = f"{escape(kind.title)}<br><small>{escape(name)}</small>"
        if spoiled := metrics.spoiled(name):
            title += f'<br><small><b class="not-judged">not times of single tokens: {escape(spoiled)}</b></small>'
        rows.append(
            [
                title,
                f"{histogram.count:,}",
                *map(escape, found),
                f"± {escape(shown(error, unit).strip())}" if error else "-",
            ]
        )
    names = [f"p{percent:g}" for percent in _PERCENTS]
    heads = ["metric", "count", *names, "max", "client's error"]
    return "<h2>Figures</h2>" + table(heads, rows, dict.fromkeys(range(1, len(heads)), "n"))


def _outcomes(metrics: Metrics) -> str:
    total = max(1, metrics.outcomes.total())
    rows = [
        [
            escape(name),
            f"{count:,}",
            f"{100 * count / total:.1f} %",
            f'<span class="bar {"c2" if name in _GOOD else "bad"}" style="width:{100 * count / total:.1f}%"></span>',
        ]
        for name, count in metrics.outcomes.most_common()
    ]
    said = [f"{count:,} × {text}" for text, count in metrics.details.most_common(10)]
    checked = metrics.trust["checked"]
    said += [
        f"{row} broken by {count} of {checked} checked: {metrics.examples.get(row, '')}"
        for row, count in metrics.violations.most_common()
    ]
    details = "".join(f"<li>{escape(redacted(text))}</li>" for text in said)
    outcomes = table(["outcome", "streams", "share", ""], rows, {1: "n", 2: "n", 3: "bars"})
    return f"<h2>Outcomes</h2>{outcomes}" + (f"<ul>{details}</ul>" if details else "")


def _trust(calibration: Calibration | None, metrics: Metrics) -> str:
    lag = metrics.histograms.get("reader_lag")
    tokens = metrics.trust["tokens"]
    lines = [
        f"{metrics.trust['joined']:,} of {tokens:,} tokens came in one read with the token before: of those the client "
        "knows when they were read, not when each one came.",
        f"{metrics.trust['checked']} streams were judged by the strict checks.",
    ]
    if metrics.trust["not started"]:
        lines.append(f"{metrics.trust['not started']:,} streams were not started: too many were under way.")
    if lag is not None and lag.count:
        p50, p99 = lag.percentiles((50, 99))
        lines.append(
            f"From the kernel's receive stamp to the client's: {shown(p50, 's')} (p50), {shown(p99, 's')} (p99)."
        )
    else:
        lines.append("The kernel gave no receive stamps: the client's lag was not watched during the run.")
    if calibration is None:
        lines.append("The client's own error was not measured beforehand (no calibration).")
    else:
        one = calibration
        first, between = (
            f"{shown(p50, 's')} (p50), {shown(p99, 's')} (p99)"
            for p50, p99 in ((one.first_token_p50, one.first_token_p99), (one.inter_token_p50, one.inter_token_p99))
        )
        lines.append(
            f"Calibration, {one.streams} streams over {one.transport}: first token wrong by {first}; between tokens "
            f"{between}; client at {one.client_cpu * 100:.0f} % of a core; its server late by "
            f"{shown(one.server_late_p99, 's')} (p99)."
        )
    return "<h2>Trust</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _about(meta: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in meta.get("versions", {}).items())
    crew = meta.get("crew", {}).get("begun", {})
    workers = "".join(f"<li>{escape(name)}: {count:,} streams</li>" for name, count in crew.items())
    shares = f"<h2>Workers</h2><ul>{workers}</ul>" if workers else ""
    return f'{shares}<p class="about">{escape(versions)}</p>'


def _grid(figures: Sequence[str]) -> str:
    return f'<div class="charts">{"".join(figures)}</div>'


def _kind(word: str) -> str:
    return word.replace(" ", "-") if word != "interrupted" else "not-judged"
