"""Write the fakes' measurements as Markdown, and judge their goals."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Final

from bench.pacing import Pace, Spread
from bench.reply import PACE_MS, TOKENS
from bench.results import LEVELS, Contender, Size
from bench.servers import Cores

_JOINED: Final = "ours, joined"
_EACH: Final = "ours, one send per event"
_GOALS: Final = (
    (_JOINED, "aimock", 4.0),
    (_EACH, "llmock", 10.0),
    (_EACH, "bare protocol, one send per event", 0.8),
)
_GOAL_MS: Final = 5.0


def report(contenders: Sequence[Contender], paces: Mapping[float, Sequence[Pace]], size: Size, cores: Cores) -> str:
    """Return all tables and goals."""
    parts = [_machine(size, cores), _rates(contenders), _goals(contenders), _pacing(paces, size)]
    skipped = [f"Not measured: {contender.skipped}" for contender in contenders if contender.skipped]
    return "\n\n".join([*parts, *skipped]) + "\n"


def _machine(size: Size, cores: Cores) -> str:
    pinned = "server on one, client on another" if cores.server is not None else "not pinned"
    return (
        f"{platform.system()} {platform.machine()}, {processor()}{os.cpu_count()} cores ({pinned});"
        f" Python {platform.python_version()}, uvloop {version('uvloop')}."
        f" Streams of {TOKENS} tokens without delay, keep-alive; medians of {size.rounds}"
        f" windows of {size.window_s:g} s, the servers taking turns."
    )


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 (a system file)
            name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        name = platform.processor()
    return f"{name}, " if name else ""


def _rates(contenders: Sequence[Contender]) -> str:
    heads = [f"{level} connection{'s' * (level > 1)}" for level in LEVELS]
    rows = [["streams/s (tokens/s; server / client busy)", "writes per stream", *heads]]
    for contender in contenders:
        calls = contender.writes()
        cells = [_cell(contender, level) for level in LEVELS]
        rows.append([contender.name, "not counted" if calls is None else f"{calls:.1f}", *cells])
    return table(rows)


def _cell(contender: Contender, level: int) -> str:
    rate, cpu = contender.rate(level), contender.cpu(level)
    if rate is None or cpu is None:
        return "–"
    server, client = ("?" if share is None else f"{share:.0%}" for share in cpu)
    return f"{rate:,.0f} ({rate * TOKENS:,.0f}; {server} / {client})"


def _goals(contenders: Sequence[Contender]) -> str:
    rows = [["goal", *(f"at {level}" for level in LEVELS), "holds"]]
    for ours, other, factor in _GOALS:
        one, two = (_named(contenders, name) for name in (ours, other))
        if one is None or two is None:
            rows.append([f"{ours}: at least {factor:g} × {other}", *("–" for _ in LEVELS), "not measured"])
            continue
        ratios = list(_ratios(one, two))
        known = [ratio for ratio in ratios if ratio is not None]
        verdict = "not measured" if len(known) < len(LEVELS) else "yes" if min(known) >= factor else "**no**"
        cells = ["–" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        rows.append([f"{ours}: at least {factor:g} × {two.name}", *cells, verdict])
    return table(rows)


def _named(contenders: Sequence[Contender], name: str) -> Contender | None:
    return next((contender for contender in contenders if contender.name.startswith(name)), None)


def _ratios(one: Contender, two: Contender) -> Iterator[float | None]:
    for level in LEVELS:
        ours, theirs = one.rate(level), two.rate(level)
        yield ours / theirs if ours is not None and theirs else None


def _pacing(paces: Mapping[float, Sequence[Pace]], size: Size) -> str:
    rows = [[f"{size.streams} streams, {PACE_MS} ms apart", "error, ms", "p50", "p99", "worst", f"p99 < {_GOAL_MS:g}"]]
    for spread, found in paces.items():
        begun = f"begun within {spread:g} s" if spread else "begun in one burst"
        known = [pace.cpu for pace in found if pace.cpu is not None]
        busy = f", server {statistics.median(known):.0%} busy" if known else ""
        rows.append([begun + busy, "gap, client's arrivals", *_spread([pace.gap for pace in found])])
        rows.append(["", "lateness against the deadline, journal", *_spread([pace.late for pace in found])])
    return table(rows)


def _spread(found: Sequence[Spread]) -> list[str]:
    p99 = statistics.median(one.p99 for one in found)
    shown = [statistics.median(one.p50 for one in found), p99, statistics.median(one.worst for one in found)]
    return [*(f"{value:.2f}" for value in shown), "yes" if p99 < _GOAL_MS else "**no**"]


def table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    lines = [head, ["---"] * len(head), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
