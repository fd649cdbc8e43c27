"""A server under test that the run starts and stops by itself, with the fake providers behind it."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from chatproof.fake_providers.server.launcher import FakesStartError, start_fakes
from chatproof.loadtests.errors import LoadError

START_S = 20.0
STOP_S = 5.0
LAST_WORDS = 400  # bytes
FIRST_PORT, PORTS = 10_000, 22_768


@dataclass(frozen=True, slots=True)
class Started:
    """Where the server and its fakes listen."""

    url: str
    provider_url: str


@contextmanager
def started(command: str, scripts: tuple[str, ...] = ()) -> Iterator[Started]:
    """Start fakes and the server, whose command may hold `{port}`; both end with the block. Raises LoadError.

    What the server prints would stand between the lines that tell how the run goes: it is kept, and told at a failure.
    """
    try:
        fakes = start_fakes(scripts=[Path(folder) for folder in scripts])
    except FakesStartError as error:
        raise LoadError(str(error)) from error
    with fakes, tempfile.TemporaryFile() as output:
        port = _free_port()
        words = [word.replace("{port}", str(port)) for word in shlex.split(command)]
        if not words:
            raise LoadError("--start: an empty command")
        if words[0] in ("python", "python3"):
            words[0] = sys.executable
        given = {"OPENAI_API_KEY": "sk-fake", "OPENAI_BASE_URL": fakes.openai_base_url, "LLM_PROVIDER": "openai"}
        environment = {**os.environ, **given, "PORT": str(port)}
        try:
            process = subprocess.Popen(
                words,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise LoadError(f"--start: cannot run {words[0]}: {error.strerror}") from error
        try:
            _wait(process, port, output)
            yield Started(f"http://127.0.0.1:{port}", fakes.url)
        finally:
            _stop(process)


def _free_port() -> int:
    """Below those that systems hand out by themselves: another process may be given such a one meanwhile."""
    for number in range(PORTS):
        port = FIRST_PORT + (os.getpid() * 4 + number) % PORTS
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise LoadError("--start: no port is free")


def _wait(process: subprocess.Popen[bytes], port: int, output: IO[bytes]) -> None:
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up:
        if process.poll() is not None:
            raise LoadError(
                f"--start: the server ended at once with exit code {process.returncode}{_last_words(output)}"
            )
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise LoadError(f"--start: nothing listens on port {port} after {START_S:.0f} s{_last_words(output)}")


def _last_words(output: IO[bytes]) -> str:
    """The last line of what the server printed, for an error line."""
    output.seek(0)
    lines = output.read()[-LAST_WORDS:].decode("utf-8", "replace").strip().splitlines()
    return f"; its last words: {lines[-1].strip()}" if lines else ""


def _stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_S)
