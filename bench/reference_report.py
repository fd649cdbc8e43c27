"""Write the reference server's measurements as Markdown, and judge its goals."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from typing import Final

from bench import server_capacity
from bench.chat import PACE_MS, TOKENS
from bench.chat_servers import Busy
from bench.open_streams import SPREAD_S
from bench.reference_results import Contender, Sample, Size
from bench.report import processor, table
from bench.results import LEVELS
from bench.servers import Cores

_FACTOR: Final = 2.0
_FACTOR_AT: Final = (16, 64)
_STREAM_BYTES: Final = 100_000
_SESSION_BYTES: Final = 10_000


def report(contenders: Sequence[Contender], size: Size, cores: Cores, load_before: str) -> str:
    """Return all tables and goals. The first contender is our server; the Starlette proxy is found by its name."""
    parts = [_machine(cores, load_before) + _others(contenders)]
    if any(one.samples or one.opened or one.idle for one in contenders):
        parts += [_rates(contenders, size), _opened(contenders, size), _goals(contenders)]
    parts.append(server_capacity.tables(contenders, size))
    problems = [f"Failed: {problem}" for contender in contenders for problem in contender.problems]
    return "\n\n".join([*parts, *problems]) + "\n"


def _machine(cores: Cores, load_before: str) -> str:
    pinned = "server on one, fakes and client on another" if cores.server is not None else "not pinned"
    return (
        f"{platform.system()} {platform.machine()}, {processor()}{os.cpu_count()} cores ({pinned});"
        f" Python {platform.python_version()}; load average {load_before} before the run."
    )


def _rates(contenders: Sequence[Contender], size: Size) -> str:
    heads = [f"{level} connection{'s' * (level > 1)}" for level in LEVELS]
    rows = [["streams/s (tokens/s; server's CPU time for each stream; server / fakes / client busy)", *heads]]
    rows += [[one.name, *(_cell(one.samples.get(level)) for level in LEVELS)] for one in contenders]
    return (
        f"Replies of {TOKENS} tokens without delay; medians of {size.rounds} windows of {size.window_s:g} s,"
        f" the servers taking turns.\n\n{table(rows)}"
    )


def _cell(samples: Sequence[Sample] | None) -> str:
    if not samples:
        return "–"
    rate = statistics.median(sample.load.rate for sample in samples)
    each = statistics.median(sample.busy.server / sample.load.rate for sample in samples) * 1000
    return f"{rate:,.0f} ({rate * TOKENS:,.0f}; {each:.2f} ms; {_shares([sample.busy for sample in samples])})"


def _opened(contenders: Sequence[Contender], size: Size) -> str:
    rows = [
        [
            f"{size.streams:,} streams, {1000 / PACE_MS:g} tokens/s",
            "complete",
            "added, all open: p50 / p99 / worst, ms",
            "with the beginning: p50 / p99 / worst, ms",
            "server / fakes / client busy",
            "kB per open stream",
            "kB per idle session",
        ]
    ]
    for one in contenders:
        found, idle = one.opened, one.idle
        cells = ["–"] * 5
        if found is not None:
            spreads = [
                "–" if spread is None else f"{spread.p50:.1f} / {spread.p99:.1f} / {spread.worst:.1f}"
                for spread in (found.while_all, found.added)
            ]
            whole = f"{found.streams - found.failed:,}"
            cells = [whole, *spreads, _shares([found.busy]), f"{found.memory / 1000:.1f}"]
        rows.append([one.name, *cells, "–" if idle is None else f"{idle.memory / 1000:.2f} ({idle.sessions:,})"])
    why = [f"{one.name}: {one.opened.problem}" for one in contenders if one.opened is not None and one.opened.failed]
    lost = "".join(f"\n\nThe first stream that was not whole, {line}" for line in why)
    return (
        f"The streams begin within {SPREAD_S:g} s and last {size.tokens * PACE_MS / 1000:g} s. Added: from the"
        f" provider's write to the client's read, for each token.\n\n{table(rows)}{lost}"
    )


def _shares(found: Sequence[Busy]) -> str:
    """Return the median shares of server, fakes and client."""
    places = [one.server for one in found], [one.fakes for one in found], [one.client for one in found]
    return " / ".join(f"{statistics.median(shares):.0%}" for shares in places)


def _others(contenders: Sequence[Contender]) -> str:
    """Return a sentence about the share of the server's core that unrelated programs took."""
    windows = [sample.busy for one in contenders for samples in one.samples.values() for sample in samples]
    windows += [one.opened.busy for one in contenders if one.opened is not None]
    known = [busy.others for busy in windows if busy.others is not None]
    if not known:
        return ""
    return (
        f" Other programs took {statistics.median(known):.0%} of the server's core (median; at most {max(known):.0%})."
    )


def _goals(contenders: Sequence[Contender]) -> str:
    ours, *others = contenders
    peer = next((other for other in others if other.name.startswith("Starlette")), None)
    rows = [["goal", "measured", "holds"]]
    for level in _FACTOR_AT:
        ratio = _ratio(ours.samples.get(level), peer.samples.get(level) if peer is not None else None)
        name = f"tokens/s at {level} connections: at least {_FACTOR:g} × the Starlette proxy"
        rows.append([name, *_verdict(ratio, " ×", ratio is not None and ratio >= _FACTOR)])
    opened, idle = ours.opened, ours.idle
    whole = opened is not None and not opened.failed
    stream = opened.memory if opened is not None else None
    name = f"memory of an open stream: under {_STREAM_BYTES / 1000:g} kB"
    held = whole and stream is not None and stream < _STREAM_BYTES
    rows.append([name, *_verdict(stream and stream / 1000, " kB", held)])
    session = idle.memory if idle is not None else None
    name = f"memory of an idle session: under {_SESSION_BYTES / 1000:g} kB"
    held = session is not None and session < _SESSION_BYTES
    rows.append([name, *_verdict(session and session / 1000, " kB", held)])
    return table(rows)


def _ratio(ours: Sequence[Sample] | None, theirs: Sequence[Sample] | None) -> float | None:
    if not ours or not theirs:
        return None
    mine, other = (statistics.median(sample.load.rate for sample in samples) for samples in (ours, theirs))
    return mine / other


def _verdict(figure: float | None, unit: str, holds: bool) -> list[str]:
    if figure is None:
        return ["–", "not measured"]
    return [f"{figure:.2f}{unit}", "yes" if holds else "**no**"]
