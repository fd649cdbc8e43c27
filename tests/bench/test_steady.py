"""Many runs in a row: which are disturbed, and what differs."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from bench.lines import ROOT
from bench.steady import SteadyRun, busy_processes, plan, report


def a_run(is_busy: bool = False, **verdicts: str) -> SteadyRun:
    return SteadyRun(is_busy, 0, 67.0, 2.5, verdicts, dict.fromkeys(verdicts, "what was seen"))


@pytest.mark.parametrize(("runs", "busy", "expected"), [(20, 5, 5), (2, 1, 1), (1, 5, 0), (3, 0, 0), (6, 5, 5)])
def test_busy_runs_are_spread_and_never_come_first(runs: int, busy: int, expected: int) -> None:
    chosen = plan(runs, busy)
    assert len(chosen) == runs
    assert sum(chosen) == expected
    assert not chosen[0]


def test_a_row_with_another_verdict_is_named() -> None:
    quiet, busy = a_run(A="passed", B="passed"), a_run(True, A="passed", B="not testable")
    assert a_run(A="passed", B="passed").differs_from(quiet) == []
    found = busy.differs_from(quiet)
    assert found == ["B: passed, now not testable: what was seen"]
    assert "No row's verdict differs between 2 runs." in report([quiet, quiet], [])
    assert found[0] in report([quiet, busy], found)


def test_busy_processes_end_with_their_run() -> None:
    with busy_processes(2):
        running, deadline = set[psutil.Process](), time.monotonic() + 10
        while len(running) < 2:  # a process that has just begun has no command line yet
            assert time.monotonic() < deadline
            running = {one for one in psutil.Process().children() if "while True: pass" in one.cmdline()}
    assert not any(one.is_running() for one in running)


def test_a_run_ends_with_its_bench_by_sigterm() -> None:
    idle = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    program = f"from bench import steady; steady.CHECK = {idle}; steady.run(1, 0)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) as bench:
        running: list[psutil.Process] = []
        while not running:
            assert bench.poll() is None
            children = psutil.Process(bench.pid).children()
            running = [one for one in children if "import time; time.sleep(60)" in one.cmdline()]
            time.sleep(0.02)
        bench.terminate()
    _, left = psutil.wait_procs(running, timeout=5)
    assert not left
