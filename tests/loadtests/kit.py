"""A server that plays bytes: what a reader must understand, from whoever may send it."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from chatproof.harness.common.target import Target

ROOT = Path(__file__).parents[2]
RESET = "reset"
HOLD = "hold"  # stay open until the client hangs up
Step = bytes | float | str
Answer = Callable[[bytes], list[Step]]

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
LAST = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(body: dict[str, Any], end: str = "\n") -> bytes:
    return f"data: {json.dumps(body)}{end}{end}".encode()


def token(count: int, partial: str = "") -> dict[str, Any]:
    return {"token": f" t{count}", "count": count, "partial": partial or "".join(f" t{n}" for n in range(1, count + 1))}


def done(tokens: int) -> dict[str, Any]:
    full = "".join(f" t{n}" for n in range(1, tokens + 1))
    return {
        "done": True,
        "tokens": tokens,
        "duration": 0.1,
        "tokens_per_second": tokens / 0.1,
        "full_response": full,
        "user": "anonymous",
        "timestamp": "2025-11-20T18:15:30.123456",
    }


def reply(tokens: int = 3) -> list[Step]:
    """A reply as it should be."""
    events: list[Step] = [chunk(event(token(n))) for n in range(1, tokens + 1)]
    return [HEAD, *events, chunk(event(done(tokens))) + LAST]


def steady(tokens: int = 5, gap: float = 0.02) -> list[Step]:
    """A reply whose tokens come one by one."""
    steps: list[Step] = [HEAD]
    for count in range(1, tokens + 1):
        steps += [chunk(event(token(count))), gap]
    return [*steps, chunk(event(done(tokens))) + LAST]


@contextmanager
def spawned(command: list[str], **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, which ends with the block, children and all."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, **{**pipes, "stdout": out, "cwd": ROOT, **more})
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(5)


def wait_for_port(port: int, process: subprocess.Popen[str], seconds: float = 30) -> None:
    """Until somebody listens. AssertionError where the process ends before."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        assert process.poll() is None, f"ended with {process.returncode}"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on {port}")


@contextmanager
def playing(*steps: Step | Answer, serial: bool = False) -> Iterator[Target]:
    """A server that plays these steps to every request, then closes: bytes to send, seconds to wait, RESET, HOLD.

    A function in place of the steps makes them from the request. `serial`: one request at a time; the others wait.
    """
    turn: Any = threading.Lock() if serial else nullcontext()
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    conversations: list[threading.Thread] = []

    def converse(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(20)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = read_request(connection)
            made = [one for step in steps for one in (step(request) if callable(step) else [step])]
            with turn:
                play(connection, made)

    def accept() -> None:
        with suppress(OSError):
            while True:
                thread = threading.Thread(target=converse, args=(listener.accept()[0],), daemon=True)
                conversations.append(thread)
                thread.start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield Target("http", "127.0.0.1", listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in (thread, *conversations):
            one.join(5)


def read_request(connection: socket.socket) -> bytes:
    """One request with its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        got = connection.recv(65536)
        if not got:
            raise ConnectionError
        data += got
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def play(connection: socket.socket, steps: Sequence[Step]) -> None:
    for step in steps:
        if isinstance(step, bytes):
            connection.sendall(step)
        elif isinstance(step, float):
            time.sleep(step)
        elif step == RESET:
            time.sleep(0.05)  # what was written just before a reset may be lost
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        else:
            while connection.recv(4096):
                pass
