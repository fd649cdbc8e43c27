"""The fake providers as a subprocess that never outlives its parent."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from chatproof.harness.common.child_process import child_environment

__all__ = ["FakesProcess", "FakesStartError", "start_fakes"]

_URL: Final = re.compile(r"http://\S+")
_STOP_SECONDS: Final = 5.0


class FakesStartError(RuntimeError):
    """The fakes did not start. One line that says why."""


class FakesProcess:
    """Running fakes: `url` is their root, without a slash. Stop them with `stop` or `with`."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.pid = process.pid
        self._process = process

    @property
    def openai_base_url(self) -> str:
        """What OPENAI_BASE_URL is to be."""
        return f"{self.url}/v1"

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process and whatever it may have started; harmless when it has ended already."""
        _stop(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_fakes(
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    scripts: Sequence[Path] = (),
    workers: int = 1,
    deadline: float = 15.0,
) -> FakesProcess:
    """Start `python -m fake_providers` and wait until it listens.

    `port` 0: one that the system picks; `scripts`: folders of further scripts; `workers`: processes that
    share the port; `deadline` in seconds.
    Raises FakesStartError with the process's own line where it does not come up in time.
    """
    command = [
        sys.executable,
        "-m",
        "chatproof.fake_providers",
        "--host",
        host,
        "--port",
        str(port),
        "--until-stdin-closes",
    ]
    if workers > 1:
        command += ["--workers", str(workers)]
    for folder in scripts:
        command += ["--scripts", str(folder)]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # its end is the child's signal to end, also when we are killed
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            env=child_environment(),
            start_new_session=True,
        )
        line = _first_line(process, deadline)
        url = _URL.search(line or "")
        if url is not None:
            return FakesProcess(url.group(), process)
        _stop(process)
        errors.seek(0)
        said = errors.read().strip().splitlines()
    if said:
        raise FakesStartError(f"the fake providers did not start: {said[-1]}")
    raise FakesStartError(f"the fake providers did not say within {deadline:g} s where they listen")


def _first_line(process: subprocess.Popen[str], deadline: float) -> str | None:
    """The first line of its output; None if none came in time. A thread, since pipes have no deadline."""
    lines: queue.Queue[str] = queue.Queue()
    stdout = process.stdout
    if stdout is None:
        return None

    def read(stream: IO[str]) -> None:
        lines.put(stream.readline())

    threading.Thread(target=read, args=(stdout,), daemon=True).start()
    try:
        return lines.get(timeout=deadline)
    except queue.Empty:
        return None


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait(_STOP_SECONDS)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
