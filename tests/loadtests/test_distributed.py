"""A master and three workers: one run's figures, and what becomes of them when a worker dies or is another's."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from chatproof.harness.common.started_server import free_port
from tests.loadtests.kit import ROOT, playing, spawned, steady

LOCUSTFILE = str(ROOT / "loadtests" / "locustfile.py")
POOLING = str(ROOT / "tests" / "loadtests" / "pooling.py")
# a worker of another version: the same code, but for what it calls itself
PLAIN = """
from locust import User, constant, task
class ChatSSE(User):
    wait_time = constant(1)
    @task
    def nothing(self):
        pass
"""
STRANGER = (
    "import sys; from chatproof.loadtests import worker_registry; worker_registry.VERSION = '9.9.9';"
    "sys.argv = ['locust', *sys.argv[1:]]; from locust.main import main; main()"
)


def locust(host: str, *words: str, file: str = LOCUSTFILE) -> list[str]:
    return [*[sys.executable, "-m", "locust", "-f", file, "--headless", "--host", host, "--stop-timeout", "3"], *words]


def master_at(port: int) -> list[str]:
    return ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port), "--master-port", str(port)]


def rank(values: list[float], percent: float) -> float:
    """Nearest rank."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100 - 1e-9)) - 1]


def pooled(folder: Path) -> int:
    """An open loop over three workers that also write every raw value."""
    words = ["--processes", "3", *master_at(free_port()), "--rate", "12", "--duration", "4"]
    words += ["--report-json", str(folder / "run.json")]
    with playing(*steady(6, 0.03)) as target:
        variables = {**os.environ, "POOL_FOLDER": str(folder), "PYTHONPATH": str(ROOT)}
        with spawned(locust(target.url, *words, file=POOLING), cwd=folder, env=variables) as master:
            return master.wait(60)


def dying(folder: Path) -> tuple[int, str, str]:
    """One of three workers is killed after two seconds."""
    words = ["run", "--users", "6", "--processes", "3", "--duration", "7", "--no-calibration", "--drain", "1"]
    words += ["--json", str(folder / "run.json"), "--report-html", str(folder / "run.html")]
    with playing(*steady()) as target:
        command = [sys.executable, "-m", "chatproof.harness.command", "load", *words, "--host", target.url]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, cwd=ROOT, **pipes)
        assert process.stderr is not None
        while "2 s " not in (line := process.stderr.readline()):
            assert line, "it ended before it began"
        children = psutil.Process(process.pid).children()
        workers = [one for one in children if not any("watchdog" in word for word in one.cmdline())]
        assert len(workers) == 3
        workers[1].send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def mixed(folder: Path) -> tuple[int, bool]:
    """A worker of ours; and, when the run is under way, one of another version and one with a locustfile of its own.

    The master's exit code, and whether it outlived both.
    """
    port = free_port()
    bind = master_at(port)
    log = folder / "log"
    (folder / "plain.py").write_text(PLAIN)
    with playing(*steady()) as target:
        lead = locust(target.url, "--master", *bind[:4], "--expect-workers", "1", "-u", "4", "-r", "4", "-t", "10s")
        lead += ["--report-json", str(folder / "run.json"), "--logfile", str(log)]
        follow = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
        ours, *others = (
            [sys.executable, "-m", "locust", "-f", LOCUSTFILE, *follow],
            [sys.executable, "-c", STRANGER, "-f", LOCUSTFILE, *follow],
            [sys.executable, "-m", "locust", "-f", "plain.py", *follow],
        )
        variables = {**os.environ, "PYTHONPATH": str(ROOT)}
        with spawned(lead, cwd=folder, env=variables) as master, spawned(ours, cwd=folder, env=variables):
            give_up = time.monotonic() + 30
            while not log.exists() or "Sending spawn jobs of 4 users" not in log.read_text():
                assert time.monotonic() < give_up
                time.sleep(0.1)
            with (
                spawned(others[0], cwd=folder, env=variables) as late,
                spawned(others[1], cwd=folder, env=variables) as later,
            ):
                late.wait(30)  # told to go at once
                later.wait(30)
                outlived = master.poll() is None
            return master.wait(60), outlived


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, Path]]:
    """All three side by side: they mostly wait."""
    runs: dict[str, Callable[[Path], Any]] = {"pooled": pooled, "dying": dying, "mixed": mixed}
    folders = {name: tmp_path_factory.mktemp(name) for name in runs}
    with ThreadPoolExecutor(len(runs)) as pool:
        futures = {name: pool.submit(one, folders[name]) for name, one in runs.items()}
        return {name: (future.result(), folders[name]) for name, future in futures.items()}


def test_percentiles_are_those_of_the_pooled_samples(ran: dict[str, tuple[Any, Path]]) -> None:
    """Each stream is sent once, by one of three, and the histogram errs by less than 0.1 %."""
    code, folder = ran["pooled"]
    assert code == 0
    document = json.loads((folder / "run.json").read_text())
    crew = document["meta"]["crew"]
    assert crew["whole"], crew
    assert sorted(crew["begun"].values()) == [16, 16, 16]
    assert document["outcomes"] == {"complete": 48}
    files = list(folder.glob("*.jsonl"))
    assert len(files) == 3
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    for name in ("ttft", "inter_token", "end_to_end"):
        pool = [value for row in rows for value in row[name]]
        found = document["metrics"][name]
        assert found["count"] == len(pool) > 0
        assert found["mean"] == pytest.approx(sum(pool) / len(pool), rel=1e-6)
        for percent, value in found["percentiles"].items():
            # half a bucket, and half of the microsecond in which values are kept
            assert value == pytest.approx(rank(pool, float(percent[1:])), rel=1e-3, abs=5.1e-7), (name, percent)


def test_a_worker_that_dies_is_reported(ran: dict[str, tuple[Any, Path]]) -> None:
    (code, out, err), folder = ran["dying"]
    assert code == 2, out + err
    assert "is lost: no heartbeat" in err
    assert "NOT JUDGED: 1 of 3 workers' figures are missing" in out.splitlines()[-1]
    document = json.loads((folder / "run.json").read_text())
    assert document["exit_code"] == 2
    (lost,) = document["meta"]["crew"]["lost"]
    assert lost in document["meta"]["crew"]["begun"]
    assert document["outcomes"]["complete"] > 20, "what came before, and from the others, is kept"
    assert f"Worker {lost} was lost" in (folder / "run.html").read_text()


def test_workers_that_are_not_ours_are_refused(ran: dict[str, tuple[Any, Path]]) -> None:
    (code, outlived), folder = ran["mixed"]
    assert outlived, "a stranger was let stay until the run was over"
    assert code == 2, "for a while a part of the load went nowhere"
    crew = json.loads((folder / "run.json").read_text())["meta"]["crew"]
    (count,) = crew["begun"].values()
    assert count > 0
    reasons = sorted(crew["refused"].values())
    assert len(reasons) == 2
    assert "it does not run these load tests" in reasons[0]
    assert "it runs version 9.9.9" in reasons[1]
    log = (folder / "log").read_text()
    for refused in crew["refused"]:
        assert f"worker {refused} is refused" in log
