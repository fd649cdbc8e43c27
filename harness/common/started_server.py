"""Starts the server under test, waits until it listens, and stops it."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from chatproof.harness.common import child_process
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.first_error import first_error
from chatproof.harness.common.kept_output import KeptOutput
from chatproof.harness.common.redaction import clipped, clipped_start
from chatproof.harness.common.start_command import words_of
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.excerpts import CUT

LAST_WORDS = 400  # characters of a dead server's output that the error line repeats
CLAIMS = 64  # ports that a process keeps claimed; a server listens on the first of them long since
FIRST_PORT, PORTS = 10_000, 22_768  # Linux hands out ports from 32,768 on, other systems from 49,152 on
LOOPBACKS = ("127.0.0.1", "::1")  # some servers take "localhost" for ::1 only

_asked = itertools.count()
_claims: deque[int] = deque()  # file descriptors: a socket object would warn at the process's end


def free_port(host: str = "127.0.0.1") -> int:
    """Find a port that nobody listens on, for a server that is about to start.

    The port lies below the range that systems hand out by themselves: another process could get one of those before the
    server listens. Processes that run side by side search in different places, and claim a port by its UDP twin, which
    no chat server uses: otherwise two of them could find the same port, and talk to whichever server came first.

    Raises:
        ChatproofError: there is none.
    """
    for _ in range(PORTS):
        port = FIRST_PORT + (os.getpid() * 4 + next(_asked)) % PORTS
        with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as claim, socket.socket() as probe:
            claim.bind((host, port))
            probe.bind((host, port))
            _claims.append(claim.detach())
            if len(_claims) > CLAIMS:
                os.close(_claims.popleft())
            return port
    raise ChatproofError(f"no port of {host} is free")


def listens(host: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


@dataclass(slots=True)
class StartedServer:
    """A server that a run started, in a process group of its own.

    `environment`: the variables set for it beside the caller's own, or None where it cannot be started again.
    """

    command: str
    target: Target
    process: subprocess.Popen[bytes]
    output: KeptOutput
    environment: Mapping[str, str] | None = None

    @classmethod
    def start(cls, command: str, environment: Mapping[str, str], port: int, timeout: float) -> Self:
        """`launch` and `wait`; a server that does not come up is stopped.

        Raises:
            ChatproofError: it cannot be started, ends early, or does not listen in time.
        """
        server = cls.launch(command, environment, port)
        try:
            server.wait(timeout)
        except BaseException:
            server.stop()
            raise
        return server

    @classmethod
    def launch(cls, command: str, environment: Mapping[str, str], port: int) -> Self:
        """Run `command`, with `{port}` in it replaced and PORT set, and return while it comes up.

        Args:
            environment: variables set for it beside the caller's own.

        Raises:
            ChatproofError: it cannot be started.
        """
        output = KeptOutput()
        process = _run(command, environment, port, output)
        return cls(command, Target("http", "127.0.0.1", port), process, output, environment)

    def restart(self, timeout: float) -> None:
        """Stop what is left of it, and run the same command on the same port. Returns once it listens.

        Raises:
            ChatproofError: it cannot be started again, or does not listen within `timeout` seconds.
        """
        assert self.environment is not None
        self.stop()
        self.process = _run(self.command, self.environment, self.target.port, self.output)
        self.wait(timeout)

    def wait(self, timeout: float) -> None:
        """Wait until it listens, at most `timeout` seconds.

        Raises:
            ChatproofError: it ended, or does not listen in time.
        """
        port = self.target.port
        if child_process.wait_until(self.process, self._listens, timeout):
            return
        if (code := self.process.poll()) is not None:
            raise ChatproofError(
                f"--start: {self.command!r} ended with exit code {code} before it listened on port {port}"
                f"{self.last_words()}"
            )
        raise ChatproofError(
            f"--start: {self.command!r} does not listen on port {port} after {timeout:g} s "
            f"({{port}} in the command and the PORT variable tell it where){self.last_words()}"
        )

    def _listens(self) -> bool:
        for host in LOOPBACKS:
            if listens(host, self.target.port):
                self.target = Target("http", host, self.target.port)
                return True
        return False

    def error_line(self) -> str:
        """Its first error line since it last crashed, for a message; or nothing."""
        cause = first_error(self.output.latest())
        return f"; its first error line: {clipped(cause, LAST_WORDS)}" if cause else ""

    def last_words(self) -> str:
        """Its first error line, else the end of its output; for a message."""
        if cause := self.error_line():
            return cause
        said = clipped_start(self.output.latest().strip(), LAST_WORDS)
        lines = said.splitlines()
        whole = lines[1:] if said.startswith(CUT) and len(lines) > 1 else lines
        end = " / ".join(line.strip() for line in whole if line.strip())
        return f"; its last words: {end}" if end else ""

    @property
    def exit_code(self) -> int | None:
        """Its exit code once it has ended."""
        return self.process.poll()

    def stop(self) -> None:
        """End it and everything that it started."""
        child_process.stop(self.process)
        self.output.close()


def _run(command: str, environment: Mapping[str, str], port: int, output: KeptOutput) -> subprocess.Popen[bytes]:
    words = words_of(command, port)
    variables = {**os.environ, **environment, "PORT": str(port), "PATH": search_path()}
    try:
        process = child_process.launch(
            words, environment=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
        )
    except OSError as error:
        raise ChatproofError(f"--start: cannot run {words[0]!r}: {error.strerror}") from error
    assert process.stdout is not None
    output.drain(process.stdout)
    return process


def exit_in_words(code: int) -> str:
    """An exit code, or the signal that ended the process. Shells report a signal as 128 plus its number."""
    number = -code if code < 0 else code - 128
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"exit code {code}"
    return f"signal {name}" if code < 0 else f"exit code {code}, signal {name}"


def search_path() -> str:
    """PATH for a started server: where no virtual environment is active, `python` is the interpreter of this run, so
    that `.venv/bin/pytest` works without activating anything."""
    path = os.environ.get("PATH", os.defpath)
    if "VIRTUAL_ENV" in os.environ or sys.prefix == sys.base_prefix:
        return path
    return os.pathsep.join((str(Path(sys.executable).parent), path))
