"""Start, pin, measure and stop the servers."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.peers import Aimock, Llmock
from bench.reply import CHARACTERS, SCRIPTS, TEXT, events_in, request
from chatproof.fake_providers.server.launcher import start_fakes
from chatproof.harness.common.child_process import child_environment, launch, stop
from chatproof.harness.common.started_server import free_port

_START_S: Final = 30.0
_BLANK_LINE: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"0\r\n\r\n"
_TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


class CannotStart(Exception):
    """A server did not start. Its text is one line."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server on 127.0.0.1."""

    port: int
    pid: int

    def writes(self) -> int | None:
        """Return the write calls of all threads so far, or None if the system does not count them.

        Linux counts write(2) and writev(2), which uvloop and libuv (Node) use for sockets, but not send(2).
        """
        return _number(f"/proc/{self.pid}/io", "syscw:")

    def cpu(self) -> float | None:
        """Return the CPU seconds used so far, or None if the system does not report them."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of servers and client. None: the system cannot pin processes, or has one core only."""

    server: int | None
    client: int | None

    @classmethod
    def choose(cls) -> Cores:
        if sys.platform != "linux" or len(cores := sorted(os.sched_getaffinity(0))) < 2:
            return cls(None, None)
        return cls(cores[0], cores[1])

    def busy(self) -> float | None:
        """Return the CPU seconds that all programs together used of the server's core so far, or None."""
        if self.server is None:
            return None
        lines = Path("/proc/stat").read_text().splitlines()
        fields = next(line.split()[1:] for line in lines if line.startswith(f"cpu{self.server} "))
        user, nice, system, _, _, *interrupts = (int(field) for field in fields[:8])
        return (user + nice + system + sum(interrupts)) / _TICKS

    def pin_client(self) -> None:
        """Pin this process, the client, to its core."""
        _pin(self.client)

    @contextmanager
    def for_server(self) -> Iterator[None]:
        """A process that is started in this context runs on the server's core, with all its threads."""
        _pin(self.server)
        try:
            yield
        finally:
            _pin(self.client)


@contextmanager
def ours(cores: Cores) -> Iterator[Server]:
    with cores.for_server():
        fakes = start_fakes()
    with fakes:
        _add_scripts(fakes.url)
        yield Server(int(fakes.url.rpartition(":")[2]), fakes.pid)


@contextmanager
def ours_on_asyncio(cores: Cores) -> Iterator[Server]:
    """Our server as it runs where uvloop is not installed."""
    port = free_port()
    program = "import sys; sys.modules['uvloop'] = None; from chatproof.fake_providers.__main__ import main; main()"
    variables = {"PYTHONPATH": child_environment()["PYTHONPATH"]}
    process = start([sys.executable, "-c", program, "--port", str(port)], cores, variables)
    with stopping(process):
        wait_for(port, process, "our server on asyncio")
        _add_scripts(f"http://127.0.0.1:{port}")
        yield Server(port, process.pid)


def _add_scripts(url: str) -> None:
    for name, text in SCRIPTS.items():
        httpx.put(f"{url}/_fake/scripts/{name}", content=text, trust_env=False).raise_for_status()


@contextmanager
def bare(cores: Cores, each: bool) -> Iterator[Server]:
    """It sends the same bytes as our own server: one send per event, or everything in one send."""
    with tempfile.TemporaryDirectory() as folder:
        pieces = _our_writes(cores, each)
        file = Path(folder) / "writes.json"
        file.write_text(json.dumps([piece.decode("latin-1") for piece in pieces]))
        command = [sys.executable, "-m", "bench.bare", str(file)]
        process = start(command, cores, {"PYTHONPATH": child_environment()["PYTHONPATH"]}, stdout=subprocess.PIPE)
        with stopping(process):
            line = process.stdout.readline() if process.stdout is not None else b""
            if not line.strip().isdigit():
                raise CannotStart("the bare server did not say its port")
            yield Server(int(line), process.pid)


@contextmanager
def aimock(cores: Cores, peer: Aimock) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        fixture = {"match": {"userMessage": "bench"}, "response": {"content": TEXT}}
        (Path(folder) / "bench.json").write_text(json.dumps({"fixtures": [fixture]}))
        port = free_port()
        command = [*peer.command, "--host", "127.0.0.1", "--port", str(port), "--fixtures", folder]
        command += ["--chunk-size", str(CHARACTERS), "--log-level", "silent"]
        process = start(command, cores)
        with stopping(process):
            wait_for(port, process, "aimock")
            yield Server(port, process.pid)


@contextmanager
def llmock(cores: Cores, peer: Llmock) -> Iterator[Server]:
    port = free_port()
    command = [*peer.command, "serve", "--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    process = start(command, cores)
    with stopping(process):
        wait_for(port, process, "llmock")
        reply = {"type": "reply", "text": TEXT, "times": None}
        answer = httpx.post(f"http://127.0.0.1:{port}/_llmock/scenario", json={"behaviors": [reply]}, trust_env=False)
        answer.raise_for_status()
        yield Server(port, process.pid)


def _our_writes(cores: Cores, each: bool) -> list[bytes]:
    """Record our own server's response: the head, then one HTTP chunk per event; or everything in one piece."""
    with ours(cores) as server, socket.create_connection(("127.0.0.1", server.port), _START_S) as asking:
        asking.sendall(request("bench-each" if each else "bench-joined"))
        raw = b""
        while not raw.endswith(_LAST_CHUNK) and (piece := asking.recv(65_536)):
            raw += piece
    events_in(raw)  # raises WrongReply
    return list(_chunks(raw)) if each else [raw]


def _chunks(raw: bytes) -> Iterator[bytes]:
    head, _, rest = raw.partition(_BLANK_LINE)
    yield head + _BLANK_LINE
    while rest:
        size, _, _ = rest.partition(b"\r\n")
        length = len(size) + int(size, 16) + 4  # the size's line break and the chunk's own
        yield rest[:length]
        rest = rest[length:]


def start(
    command: list[str], cores: Cores, variables: dict[str, str] | None = None, stdout: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    with cores.for_server():
        environment = {**os.environ, **(variables or {})}
        return launch(command, environment=environment, stdout=stdout, stderr=subprocess.DEVNULL)


@contextmanager
def stopping(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        stop(process)


def wait_for(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CannotStart(f"{name} ended at once, with code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise CannotStart(f"{name} did not listen within {_START_S:g} s")


def _pin(core: int | None) -> None:
    if sys.platform == "linux" and core is not None:
        os.sched_setaffinity(0, {core})


def _number(path: str, key: str) -> int | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((int(line.removeprefix(key)) for line in lines if line.startswith(key)), None)
