"""Child processes: started in a group of their own, awaited with a deadline, stopped by their handle.

Every launcher of the project is made of these: the server under test, the fakes, the load tests' workers and the server
that they calibrate against. Works under gevent's patches too.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

import chatproof
from chatproof.harness.common.watchdog import WATCHDOG

ROOT: Final = Path(chatproof.__file__).resolve().parent.parent
"""The folder that holds the package: the checkout's, or site-packages."""
STOP_TIMEOUT: Final = 5.0  # seconds between the request to end and the kill
_POLL: Final = 0.05  # seconds


def child_environment() -> dict[str, str]:
    """Variables for a child, in which `python -m chatproof.…` works from any folder: in a checkout too."""
    environment = dict(os.environ)
    if ROOT.name not in ("site-packages", "dist-packages"):
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{known}" if known else str(ROOT)
    return environment


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of chatproof in this interpreter."""
    return [sys.executable, "-m", f"chatproof.{module}", *arguments]


def launch(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] | None = None,
    bufsize: int = -1,
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own; `stdin` and the others as `subprocess.Popen` takes them. It ends with this
    process, also where this process is killed.

    `environment`: all of its variables; left out, `child_environment()`. Raises OSError where it cannot be run.
    """
    process = subprocess.Popen(
        command,
        bufsize=bufsize,
        env=child_environment() if environment is None else environment,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    WATCHDOG.add(process.pid)
    return process


def first_line(process: subprocess.Popen[bytes], deadline: float) -> str:
    """The first line that it prints within `deadline` seconds, to its piped `stdout`; empty where none came."""
    stdout = process.stdout
    assert stdout is not None
    lines: queue.Queue[bytes] = queue.Queue()
    # a thread, since a pipe has no deadline everywhere
    threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
    try:
        return lines.get(timeout=deadline).decode("utf-8", "replace")
    except queue.Empty:
        return ""


def wait_until(process: subprocess.Popen[bytes], is_up: Callable[[], bool], deadline: float) -> bool:
    """Wait until `is_up()`, at most `deadline` seconds. False at the deadline, or once the process has ended."""
    give_up = time.monotonic() + deadline
    while process.poll() is None and time.monotonic() < give_up:
        if is_up():
            return True
        time.sleep(_POLL)
    return False


def stop(process: subprocess.Popen[bytes], *, timeout: float = STOP_TIMEOUT) -> None:
    """End the process and everything that it started; harmless where it has ended already.

    Its standard input is closed and its group gets SIGTERM; what is left after `timeout` seconds gets SIGKILL.
    """
    _close(process.stdin)
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout)
    _signal_group(process, getattr(signal, "SIGKILL", signal.SIGTERM))  # also children that outlived it
    process.wait(STOP_TIMEOUT)
    WATCHDOG.remove(process.pid)
    _close(process.stdout)
    _close(process.stderr)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a group of nothing but the dead
        os.killpg(process.pid, number)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):  # what it did not read any more
            pipe.close()
