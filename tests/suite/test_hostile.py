"""Servers that would wear a judge out: each ends in one clear red line, in bounded time and memory.

Others serve honestly at first: a few rows judge a few of them. `python -m tests.hostile` runs the whole suite against
these and more.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil
import pytest

from chatproof.fake_providers.server.fake_server import FakeServer
from chatproof.harness.common.started_server import free_port, listens
from tests.hostile.hostile_server import HostileServer
from tests.hostile.kinds import LATER
from tests.servers.line_process import LineProcess
from tests.servers.parts import Config
from tests.suite.running import FAIL

MOST_MEMORY = 300  # MB, at the suite's peak
MOST_TIME = 60.0  # seconds
GIGABYTE = 1 << 30

Answer = Callable[[socket.socket], None]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run said, in one line and in all, and what it took: seconds, and MB of its process at its peak."""

    code: int
    text: str
    output: str
    seconds: float
    memory: float


@pytest.fixture(scope="module")
def judge() -> Iterator[LineProcess]:
    """A process that runs the suite, for one server after the other."""
    with LineProcess("tests.suite.url_judge") as process:
        yield process


def suite(judge: LineProcess, **options: object) -> Ran:
    """Run the suite, and measure its process."""
    began, answer = time.monotonic(), judge.ask(options)
    # looked at often: what the system calls a process's peak counts its parent's memory in, from before the exec
    watched, peak = psutil.Process(judge.process.pid), 0
    while not answer.done():
        with suppress(psutil.Error):
            peak = max(peak, watched.memory_info().rss)
        if time.monotonic() > began + MOST_TIME + 30:
            judge.process.kill()
        time.sleep(0.02)
    return Ran(**answer.result(), seconds=time.monotonic() - began, memory=peak / 2**20)


def judged(ran: Ran, *words: str) -> None:
    """Red, one line that says what, and nothing out of bounds."""
    assert ran.code == FAIL, ran.output
    assert "Traceback" not in ran.output
    assert len(ran.text.splitlines()) == 1, ran.output
    assert all(word in ran.text for word in words), ran.text
    assert ran.memory < MOST_MEMORY, f"{ran.memory:.0f} MB"
    assert ran.seconds < MOST_TIME, f"{ran.seconds:.0f} s"


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server that answers each connection so, and hangs up."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        over = threading.Event()

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.settimeout(MOST_TIME)
                connection.recv(65536)
                answer(connection)

        def accept() -> None:
            while not over.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        with suppress(OSError), socket.create_connection(listener.getsockname(), timeout=1):
            pass  # so that the last `accept` returns
        thread.join()


def head(*headers: str, kind: str = "text/event-stream") -> bytes:
    """The beginning of an answer that looks well."""
    return "\r\n".join(("HTTP/1.1 200 OK", f"Content-Type: {kind}", *headers, "", "")).encode()


def for_ever(beginning: bytes, block: bytes, pause: float = 0.0) -> Answer:
    """The same again and again, until the client hangs up."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while True:
            connection.sendall(block)
            time.sleep(pause)

    return answer


def one_gigabyte(kind: str) -> Answer:
    """As announced."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(head(f"Content-Length: {GIGABYTE}", kind=kind))
        block = b"\0" * (1 << 20)
        for _ in range(GIGABYTE // len(block)):
            connection.sendall(block)

    return answer


@cache
def packed() -> bytes:
    """A quarter of a gigabyte in a quarter of a megabyte."""
    packer, block = zlib.compressobj(1, wbits=31), b"\n" * (1 << 20)
    # in small parts: what a parent holds when it starts a process counts for the child
    return b"".join(packer.compress(block) for _ in range(GIGABYTE // 4 // len(block))) + packer.flush()


def bomb(connection: socket.socket) -> None:
    """It was not asked for compression."""
    connection.sendall(head("Content-Encoding: gzip", f"Content-Length: {len(packed())}"))
    connection.sendall(packed())


def silent(connection: socket.socket) -> None:
    """Stay connected."""
    time.sleep(MOST_TIME)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (for_ever(b"", b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 60), ["status 500", "nothing can be judged"]),
        (silent, ["accepts connections", "no HTTP answer"]),
        (for_ever(head(), b"garbage without an end " * 4000), ["no event", "not a chat server"]),
        (for_ever(head(), b"garbage\n" * 9000), ["no event", "not a chat server"]),
        (for_ever(head(), b"\n" * 65536), ["no event", "not a chat server"]),
        (for_ever(head(), b": no end\n\n" * 6000), ["no event", "not a chat server"]),
        (for_ever(head(), b"data: x\n" * 8000), ["no event", "not a chat server"]),
        (for_ever(head(), b"drip\n", 0.5), ["no event", "not a chat server"]),
        (for_ever(b"HTTP/1.1 200 OK\r\n", b"X-Header: and one more\r\n" * 100), ["no HTTP answer"]),
        (for_ever(b"", b"not HTTP at all " * 4000), ["no HTTP answer"]),
        (for_ever(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), ["no HTTP answer"]),
        (one_gigabyte("application/octet-stream"), ["no event", "not a chat server"]),
        (one_gigabyte("text/event-stream"), ["no event", "not a chat server"]),
        (bomb, ["no event", "not a chat server"]),
    ],
    ids=[
        "500",
        "silent",
        "one line",
        "lines",
        "blank lines",
        "comments",
        "one event",
        "drip",
        "headers",
        "no HTTP",
        "hints",
        "1 GB",
        "1 GB of a stream",
        "gzip bomb",
    ],
)
def test_a_hostile_server_is_red(judge: LineProcess, answer: Answer, words: list[str]) -> None:
    if answer is bomb:
        packed()  # takes seconds on a busy machine, which are not the server's silence
    with answering(answer) as url:
        judged(suite(judge, base_url=url, silence=4.0), url, *words)


def test_pythons_file_server_is_red(judge: LineProcess, tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while not listens("127.0.0.1", port) and time.monotonic() < deadline:
                time.sleep(0.05)
            judged(suite(judge, base_url=f"http://127.0.0.1:{port}"), "status 501", "not a chat server")
        finally:
            process.terminate()


TOKEN = b'data: {"token": "a", "count": 1, "partial": "a"}\n\n'


@pytest.mark.parametrize(("tokens", "pause"), [(1000, 0.0), (1, 0.01)])
def test_tokens_without_an_end_are_red(judge: LineProcess, tokens: int, pause: float) -> None:
    """A chat server by its looks, that would wear out each row one by one."""
    with answering(for_ever(head(), TOKEN * tokens, pause)) as url:
        judged(suite(judge, base_url=url, silence=2.0), "a reply that never ends")


FIRST = 16  # connections that a server serves honestly: the questions before the first row


async def judged_later(judge: LineProcess, name: str, rows: list[str]) -> Ran:
    """Let rows judge a server that keeps the contract for `FIRST` connections."""
    fakes = FakeServer()
    await fakes.start()
    url = f"http://127.0.0.1:{fakes.port}"
    config = Config.read({"OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "sk-chatproof-0f1e2d3c4b5a6978"})
    server = HostileServer(LATER[name], config, FIRST)
    try:
        base = f"http://127.0.0.1:{await server.start()}"
        options = {"base_url": base, "provider_url": url, "only": rows, "silence": 3.0}
        return await asyncio.to_thread(lambda: suite(judge, **options))
    finally:
        await server.stop()
        await fakes.stop()


@pytest.mark.parametrize(
    ("name", "rows", "words"),
    [
        ("gigabyte-in-a-line", ["LIM-02"], "failed: LIM-02"),
        ("gigabyte-in-a-line", ["TOK-04"], "a line of more than 512 KB in one reply; reading stopped"),
        ("heavy-json", ["TOK-04"], "reading stopped"),
        ("medium-bodies", ["TOK-04", "SES-12"], "TOK-04"),
        ("endless-tiny-events", ["TOK-04"], "lines in one reply; reading stopped"),
        ("gzip-bomb-later", ["TOK-04"], "in one reply; reading stopped"),
        ("slow-to-search", ["ERR-04"], "ERR-04"),
        ("socket-flood", ["SIO-02"], "reading stopped"),
        ("giant-packets", ["SIO-02"], "; reading stopped"),
    ],
)
async def test_a_server_that_turns_hostile_is_red(judge: LineProcess, name: str, rows: list[str], words: str) -> None:
    ran = await judged_later(judge, name, rows)
    assert ran.code == FAIL, ran.output
    assert words in ran.output
    assert "Traceback" not in ran.output
    assert ran.memory < MOST_MEMORY, f"{ran.memory:.0f} MB"
