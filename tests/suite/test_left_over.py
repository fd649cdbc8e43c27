"""A daemon that outlives the --start command is named at the end of the run."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from chatproof.conformance.suite.judge import judge
from chatproof.conformance.suite.left_over import left_over
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.started_server import free_port
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.requirements import contract

DAEMON = """
import pathlib, subprocess, sys, time
daemon = subprocess.Popen(
    [sys.executable, "-m", "http.server", sys.argv[1], "--bind", "127.0.0.1"],
    start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
pathlib.Path(sys.argv[2]).write_text(str(daemon.pid))
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not show whose a port is")
async def test_a_daemon_that_outlives_the_server_is_named(tmp_path: Path) -> None:
    code, pid_file = tmp_path / "daemon.py", tmp_path / "pid"
    code.write_text(DAEMON)
    said: list[str] = []
    options = {"start": f"{sys.executable} {code} {{port}} {pid_file}", "provider": ["openai"]}
    try:
        summary = await judge(Settings.read(options, contract()), say=said.append)
    finally:
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGKILL)
    assert "not a chat server" in summary.error
    (line,) = [line for line in said if "still listens" in line]
    assert f"(pid {pid}) still listens on port" in line
    assert "python" in line


def test_nothing_is_said_of_a_port_that_is_free() -> None:
    assert left_over(Target("http", "127.0.0.1", free_port())) == ""
