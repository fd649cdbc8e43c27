"""`python -m bench steady`: many full runs of the suite, some beside busy processes. Does any row's verdict change?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.report import table
from chatproof.harness.common import child_process

REFERENCE: Final = "python -m reference_server --port {port}"
CHECK: Final = child_process.module_command("harness.command", "check")
TOO_LONG: Final = 900.0  # seconds for one run
_BUSY: Final = "while True: pass"


@dataclass(frozen=True, slots=True)
class SteadyRun:
    """One run of the suite: its row verdicts by name, what was seen of each, and the load average at its end."""

    is_busy: bool
    code: int
    seconds: float
    load: float
    verdicts: Mapping[str, str]
    seen: Mapping[str, str]
    retried: Sequence[str] = ()

    def differs_from(self, quiet: SteadyRun) -> list[str]:
        """A line for each row whose verdict is another one than in the quiet run."""
        rows = dict.fromkeys((*quiet.verdicts, *self.verdicts))
        pairs = [(name, quiet.verdicts.get(name, "missing"), self.verdicts.get(name, "missing")) for name in rows]
        return [
            f"{name}: {before}, now {now}: {self.seen.get(name, '')}" for name, before, now in pairs if before != now
        ]


def run(runs: int, busy: int, start: str = REFERENCE, options: Sequence[str] = ()) -> int:
    """Run and print a line after each run, then a table.

    Args:
        runs: how many full runs.
        busy: how many of them, spread evenly, run beside two processes that never wait. The first one never does.
        options: more options of `chatproof check`.

    Returns:
        0; 1 if a row's verdict is another one than in the first run; 2 if a run wrote no report.
    """
    done: list[SteadyRun] = []
    differences: list[str] = []
    for number, is_busy in enumerate(plan(runs, busy), 1):
        try:
            one = _one(is_busy, start, options)
        except (OSError, ValueError, subprocess.TimeoutExpired) as problem:
            sys.stderr.write(f"run {number} wrote no report: {problem}\n")
            return 2
        done.append(one)
        found = one.differs_from(done[0])
        differences += [f"run {number}: {line}" for line in found]
        sys.stdout.write(f"run {number} of {runs}{', busy' * is_busy}: {_counts(one)} in {one.seconds:.0f} s\n")
        sys.stdout.writelines(f"  {line}\n" for line in (*found, *one.retried))
        sys.stdout.flush()
    sys.stdout.write("\n" + report(done, differences))
    return 1 if differences else 0


def plan(runs: int, busy: int) -> list[bool]:
    """Which runs are beside busy processes: `busy` of them, spread evenly, and not the first."""
    busy = min(busy, runs - 1)
    chosen = {runs - 1 - (number * (runs - 1)) // busy for number in range(busy)} if busy else set()
    return [number in chosen for number in range(runs)]


def report(done: Sequence[SteadyRun], differences: Sequence[str]) -> str:
    """The table, and what differs."""
    rows = [["run", "beside", "load average", "rows", "tried again", "seconds", "exit code"]]
    for number, one in enumerate(done, 1):
        beside = "two busy processes" if one.is_busy else "-"
        cells = (beside, f"{one.load:.1f}", _counts(one), len(one.retried), f"{one.seconds:.0f}", one.code)
        rows.append([str(number), *map(str, cells)])
    told = "\n".join(differences) or f"No row's verdict differs between {len(done)} runs."
    return f"{table(rows)}\n\n{told}\n"


def _counts(one: SteadyRun) -> str:
    values = list(one.verdicts.values())
    return ", ".join(f"{values.count(name)} {name}" for name in dict.fromkeys(values))


def _one(is_busy: bool, start: str, options: Sequence[str]) -> SteadyRun:
    with tempfile.TemporaryDirectory() as folder, busy_processes(2 if is_busy else 0):
        path = Path(folder, "report.json")
        began = time.monotonic()
        with _running([*CHECK, "--start", start, "--report-json", str(path), *options]) as process:
            code = process.wait(TOO_LONG)
        seconds, load = time.monotonic() - began, os.getloadavg()[0]
        return SteadyRun(is_busy, code, seconds, load, *_read(json.loads(path.read_text(encoding="utf-8"))))


def _read(document: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str], list[str]]:
    rows = {f"{row['id']} ({row['provider']})" if row["provider"] else row["id"]: row for row in document["rows"]}
    verdicts = {name: row["verdict"] for name, row in rows.items()}
    retried = [f"{name}: tried again alone: {row['retried']}" for name, row in rows.items() if row["retried"]]
    return verdicts, {name: row["seen"] for name, row in rows.items()}, retried


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """So many processes that never wait; they are ended at the end."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(_running([sys.executable, "-S", "-c", _BUSY]))
        yield


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with this one, however this one ends."""
    process = child_process.launch(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        child_process.stop(process)
