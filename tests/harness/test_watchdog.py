"""What a process started ends with it, also where it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from chatproof.harness.common import child_process
from tests.harness.test_child_process import alive

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")

STARTS = """
import sys, time
from chatproof.harness.common.child_process import launch, stop
from chatproof.harness.common.started_server import StartedServer
from chatproof.fake_providers.server.launcher import start_fakes

stopped = launch([sys.executable, "-c", "import time; time.sleep(60)"])
stop(stopped)
server = StartedServer.launch(f"{sys.executable} {sys.argv[1]}", {}, 1)
while "ready" not in server.output.text():
    time.sleep(0.02)
print(server.process.pid, server.output.text().split()[1], start_fakes().pid, flush=True)
time.sleep(60)
"""
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("ready", child.pid, flush=True)
while True:
    time.sleep(1)
    print("still here", flush=True)
"""


def test_kill_9_leaves_no_server_and_no_fakes_running(tmp_path: Path) -> None:
    code = tmp_path / "server.py"
    code.write_text(STUBBORN)
    process = subprocess.Popen(
        [sys.executable, "-c", STARTS, str(code)], stdout=subprocess.PIPE, env=child_process.child_environment()
    )
    with process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 3
        assert all(map(alive, pids))
        process.kill()
    give_up = time.monotonic() + 10
    try:
        while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < give_up:
            time.sleep(0.05)
        assert not left
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
