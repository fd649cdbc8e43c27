"""Ctrl-C, however often it is pressed, and a CI's SIGTERM end a run with exit code 130 and its reports; its own time
limit ends it with that of its verdict."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xdist.dsession  # type: ignore[import-untyped]  # ships no types

from chatproof.harness.command import Interrupt
from chatproof.harness.common.child_process import module_command
from tests.harness.test_child_process import alive
from tests.suite.running import FAIL, OWN, ROOT, XDIST, few_plugins, named

SILENT = """
import signal, socket, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # so that stopping it takes a while
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=50)
with open(sys.argv[2], "w") as file:
    import os
    file.write(str(os.getpid()))
while True:
    connection = server.accept()
    if connection[0].recv(100).startswith(b"POST"):
        print("asked", file=open(sys.argv[2] + ".asked", "w"))
    kept = globals().setdefault("kept", [])
    kept.append(connection)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT of this kind")
@pytest.mark.parametrize(
    ("number", "times", "workers"),
    [
        (signal.SIGINT, 1, ()),
        (signal.SIGINT, 2, ()),
        (signal.SIGINT, 2, ("-n", "2")),
        (signal.SIGTERM, 1, ()),
    ],
)
def test_an_interrupted_run_is_130_quietly_with_reports(
    number: signal.Signals, times: int, workers: tuple[str, ...], tmp_path: Path
) -> None:
    code, pid_file, report = tmp_path / "server.py", tmp_path / "pid", tmp_path / "report.json"
    code.write_text(SILENT)
    words = ["--start", f"{sys.executable} {code} {{port}} {pid_file}", "--provider", "openai"]
    command = module_command(
        "harness.command",
        "check",
        *named(OWN, XDIST),
        *workers,
        *words,
        "--silence",
        "60",
        "--report-json",
        str(report),
    )
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=few_plugins(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        give_up = time.monotonic() + 60
        while not (tmp_path / "pid.asked").exists() and time.monotonic() < give_up:
            time.sleep(0.05)
        for _ in range(times):
            if number is signal.SIGINT:
                os.killpg(process.pid, number)  # as a terminal does: to workers too
            else:
                process.send_signal(number)
            time.sleep(0.5)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "nraisable" not in output
    assert "the run was interrupted" in output
    assert json.loads(report.read_text(encoding="utf-8"))
    give_up = time.monotonic() + 10  # a killed worker's server is ended by the watchdog, a moment later
    while alive(int(pid_file.read_text())) and time.monotonic() < give_up:
        time.sleep(0.05)
    assert not alive(int(pid_file.read_text()))


def test_a_run_that_its_time_limit_ends_has_a_verdict(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    start = f"{sys.executable} -m chatproof.reference_server --port {{port}}"
    options = ["--start", start, "--provider", "openai", "--time-limit", "2", "--report-json", str(report)]
    command = module_command("harness.command", "check", *named(OWN), *options)
    ran = subprocess.run(command, cwd=ROOT, env=few_plugins(), capture_output=True, text=True, timeout=90)
    assert "the run reached its time limit (--time-limit)" in ran.stdout + ran.stderr
    assert ran.returncode == FAIL, ran.stdout + ran.stderr
    assert json.loads(report.read_text(encoding="utf-8"))["verdict"] == "fail"


@pytest.mark.parametrize(
    ("stop", "is_ours"),
    [
        (KeyboardInterrupt(), True),
        (KeyboardInterrupt("SIGTERM"), True),
        (pytest.Session.Interrupted("the run reached its time limit"), False),
        (xdist.dsession.Interrupted("the run reached its time limit"), False),
        (pytest.exit.Exception("a plugin's"), False),
    ],
    ids=["Ctrl-C", "SIGTERM", "pytest's", "pytest-xdist's", "exit"],
)
def test_only_a_signal_is_an_interrupt(stop: BaseException, is_ours: bool) -> None:
    interrupt = Interrupt()
    with pytest.raises(type(stop)) as raised:
        raise stop
    interrupt.pytest_keyboard_interrupt(raised)
    assert interrupt.happened is is_ours
