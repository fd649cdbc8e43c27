"""Child processes: their first line, their end, and the end of what they started."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from chatproof.harness.common.child_process import first_line, launch, stop, wait_until

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    " print('up', flush=True); time.sleep(60)"], stdout=subprocess.PIPE)
child.stdout.readline()
print("ready", child.pid, flush=True)
time.sleep(60)
"""


def python(code: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    return launch([sys.executable, "-c", code], stdin=stdin, stdout=subprocess.PIPE)


def test_the_first_line_comes_or_the_deadline() -> None:
    process = python("import time; print('hello', flush=True); time.sleep(60)")
    silent = python("import time; time.sleep(60)")
    try:
        assert first_line(process, 10) == "hello\n"
        assert first_line(silent, 0.1) == ""
    finally:
        stop(process)
        stop(silent)
    assert (process.returncode, silent.returncode) == (-15, -15)
    stop(process)  # harmless


def test_who_ends_before_it_is_up_is_not_waited_for() -> None:
    process = python("")
    begun = time.monotonic()
    assert not wait_until(process, lambda: False, 30)
    assert time.monotonic() - begun < 20
    stop(process)


def test_the_end_of_standard_input_is_a_sign_to_end() -> None:
    process = python("import sys; sys.stdin.read(); print('bye', flush=True)", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert first_line(process, 10) == "bye\n"
    stop(process)


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_who_does_not_end_is_killed_with_its_children() -> None:
    process = python(STUBBORN)
    child = int(first_line(process, 20).split()[1])
    stop(process, timeout=0.2)
    assert process.returncode == -9
    give_up = time.monotonic() + 10
    while (is_there := alive(child)) and time.monotonic() < give_up:
        time.sleep(0.02)
    assert not is_there


def alive(pid: int) -> bool:
    """Whether a process runs, and is not merely unburied."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
