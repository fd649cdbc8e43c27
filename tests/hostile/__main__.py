"""`python -m tests.hostile`: let the whole suite judge every hostile server, and print a table in Markdown.

`python -m tests.hostile serve NAME PORT` is one of those servers.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.hostile.hostile_server import serve
from tests.hostile.kinds import AT_ONCE, LATER, Kind
from tests.hostile.wasteful import ALWAYS, WASTEFUL
from tests.hostile.watched import ROOT, Watched, watch

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- hostile servers: written by python -m tests.hostile -->", "<!-- end of hostile servers -->"
SPARE = 60  # seconds that a run may take beyond the time that it gives itself: to start, to stop, for the reports
MOST_MEMORY = 300  # MB
PASS, FAIL = 0, 1
KINDS = {**AT_ONCE, **LATER, **WASTEFUL}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all kinds, or those that are named. Returns 1 where a run was out of bounds, else 0."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["serve"]:
        asyncio.run(serve(KINDS[words[1]], int(words[2])))
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("names", nargs="*", help="the servers to judge (default: all)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time (default: %(default)s)")
    parser.add_argument(
        "--time-limit", type=int, default=300, help="seconds that a run gives itself (default: %(default)s)"
    )
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--keep", type=Path, help="keep outputs and reports in this folder")
    asked = parser.parse_args(words)
    kinds = [KINDS[name] for name in asked.names or KINDS]
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(asked.jobs) as pool:
        folder = asked.keep or Path(temporary)
        ran = list(pool.map(lambda kind: _judged(kind, folder / kind.name, asked.time_limit), kinds))
    limit = f"Time limit of each run: {asked.time_limit} s. Runs at the same time: {asked.jobs}."
    table = "\n".join([limit, "", *_table(kinds, ran)])
    sys.stdout.write(f"{table}\n")
    if asked.write:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(re.sub(f"(?s)({BEGIN}\n).*?({END})", rf"\g<1>\n{table}\n\n\g<2>", text), encoding="utf-8")
    return int(not all(map(is_within_bounds, ran)))


def is_within_bounds(ran: Watched) -> bool:
    """Whether the run ended by itself with a verdict, in little memory, and left nothing behind."""
    return ran.code in (PASS, FAIL) and ran.memory < MOST_MEMORY and not ran.left and "Traceback" not in ran.output


def suite_words(kind: Kind, *options: str) -> list[str]:
    """The command that lets the suite start this server and judge it."""
    start = f"{sys.executable} -m tests.hostile serve {kind.name} {{port}}"
    return [sys.executable, "-m", "chatproof.harness.command", "check", "--start", start, *options]


def _judged(kind: Kind, folder: Path, limit: int) -> Watched:
    reports = {f"--report-{name}": f"report.{name}" for name in ("json", "html", "md")}
    options = ["--provider", "openai", "--time-limit", str(limit)]
    options += [word for pair in reports.items() for word in pair]
    ran = watch(suite_words(kind, *options), folder, limit + SPARE, [*reports.values()])
    missing = [name for name in reports.values() if not (folder / name).exists()]
    sys.stderr.write(f"{kind.name}: {ran.seconds:.0f} s, {ran.memory:.0f} MB, exit code {ran.code} {missing}\n")
    return ran


def _table(kinds: Sequence[Kind], ran: Sequence[Watched]) -> list[str]:
    lines = [
        "| server | good at first | seconds | peak memory | exit code | left behind |",
        "|---|---|---|---|---|---|",
    ]
    for kind, one in zip(kinds, ran, strict=True):
        good = {0: "no", ALWAYS: "yes"}.get(kind.first, f"{kind.first} connections")
        code = "killed" if one.code is None else one.code
        left = ", ".join(one.left) or "nothing"
        lines.append(f"| {kind.about} | {good} | {one.seconds:.0f} | {one.memory:.0f} MB | {code} | {left} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
