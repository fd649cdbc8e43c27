"""Lines that repeat what was recorded, run by a real shell: what arrives is what the suite had sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
import socketio  # type: ignore[import-untyped]  # ships no types
from aiohttp import web

from chatproof.harness.common.redaction import redacted
from chatproof.harness.protocol.sent import Emit, SentEvents, SentRequest, that_belong_to
from chatproof.harness.report.failure_screen import repetition
from chatproof.harness.report.repetition import LONGEST, by_hand, curl, python

JSON = (("Content-Type", "application/json"),)
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


class Recorder(HTTPServer):
    """Keeps each request: method, path, headers, body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []


class Handler(BaseHTTPRequestHandler):
    server: Recorder

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle()

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.got.append((self.command, self.path, headers, self.rfile.read(length)))
        self.send_response(200)
        self.send_header("Content-Length", "900" if "stay" in self.path else "0")
        self.end_headers()
        if "stay" in self.path:
            self.rfile.read(1)  # until the client leaves

    do_GET = do_POST = do_DELETE = do_OPTIONS = answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@cache
def shell() -> str:
    return shutil.which("dash") or "sh"


def run(lines: str, timeout: float = 20, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run lines as a person does who pastes them. `python3` is the interpreter that runs these tests."""
    return subprocess.run(
        [shell(), "-c", lines.replace("python3 ", f"{shlex.quote(sys.executable)} ", 1)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def request(server: Recorder, method: str, path: str, body: bytes = b"", **more: Any) -> SentRequest:
    headers = more.pop("headers", JSON if body else ())
    return SentRequest(method, f"http://127.0.0.1:{server.server_port}{path}", headers, body, **more)


@needs_curl
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/chat/stream", b'{"message": "It\'s $HOME `date` \\"x\\" %d !"}'),
        ("POST", "/api/chat/stream", b"@/etc/hostname"),
        ("POST", "/api/chat/stream", b""),
        ("POST", "/api/chat/stream", b"-n \xff\xfe\x00\n\r\\ 'quoted' 100%\x1b[31m"),
        ("POST", "/api/chat/stream", '{"message": "日本語 🙂 \u202e\u200f"}'.encode()),
        ("POST", "/api/chat/stream", b'{"message": "' + b"a" * 200_000 + b'", "x": 1}'),
        ("GET", "/api/chat/sessions/..", b""),
        ("DELETE", "/api/chat/sessions/a%2F..%00*{b}[1-3]", b""),
        ("OPTIONS", "/api/chat?x=$HOME&y='1'", b""),
    ],
)
def test_a_curl_line_sends_the_same_bytes(recorder: Recorder, method: str, path: str, body: bytes) -> None:
    line = curl(request(recorder, method, path, body))
    assert line.isprintable()
    assert redacted(line) == line
    assert len(line) < 1_000
    done = run(line)
    assert recorder.got, done.stderr
    (got,) = recorder.got
    assert (got[0], got[1], got[3]) == (method, path, body)
    assert got[2].get("content-type") == ("application/json" if body else None)


@needs_curl
def test_headers_are_sent_and_a_credential_is_the_readers_own(recorder: Recorder) -> None:
    headers = (*JSON, ("Authorization", "Bearer eyJhbGciOi.eyJzdWIi.c2VjcmV0"), ("Origin", "null"), ("Accept", "*/*"))
    line = curl(request(recorder, "POST", "/api/chat", b"{}", headers=(*headers, ("X-Empty", ""))))
    assert "eyJ" not in line
    assert '-H "Authorization: Bearer $JWT"' in line
    assert redacted(line) == line, "a report must not hide the variable"
    run(line, JWT="my.own.token")
    got = recorder.got[0][2]
    assert (got["authorization"], got["origin"], got["accept"]) == ("Bearer my.own.token", "null", "*/*")
    assert got["x-empty"] == ""


@needs_curl
def test_a_client_that_left_leaves_again(recorder: Recorder) -> None:
    line = curl(request(recorder, "POST", "/stay", b"{}", left_after=0.31))
    assert "--max-time 0.5" in line
    assert run(line).returncode == 28  # curl's code for its time limit


def test_a_body_that_no_shell_takes_gets_no_line() -> None:
    noise = bytes(number % 251 for number in range(2 * LONGEST))
    huge = SentRequest("POST", "http://x/", JSON, noise)
    assert curl(huge) == ""
    assert by_hand([SentRequest("GET", "http://x/", ()), huge]) == "", "half of the steps would mislead"


@pytest.mark.parametrize("block", [b"a", bytes(range(255))], ids=["one letter", "noise"])
def test_a_line_for_ten_megabytes_takes_no_memory(block: bytes) -> None:
    one = SentRequest("POST", "http://x/", JSON, block * ((10 << 20) // len(block)))
    tracemalloc.start()
    try:
        curl(one)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_the_form_of_a_request_is_kept_or_nothing_is_shown() -> None:
    old = SentRequest("POST", "http://x/", (*JSON, ("Transfer-Encoding", "chunked")), b"{}", version="1.0")
    assert curl(old).startswith("curl -iN --http1.0 -H Accept: ")
    assert "-H 'Transfer-Encoding: chunked'" in curl(old)
    assert curl(SentRequest("POST", "http://x/", JSON, b"{}", in_packets=True)) == ""


# -- what belongs together


def post(session: str, case: str) -> SentRequest:
    return SentRequest("POST", "http://x/", JSON, f'{{"message": "case {case}", "session_id": "{session}"}}'.encode())


def test_steps_are_those_that_share_a_name() -> None:
    first, other = post("session-aaaaaa-1x", "aaaaaa-2x"), post("session-aaaaaa-3x", "aaaaaa-4x")
    second = post("session-aaaaaa-1x", "aaaaaa-5x")
    looked = SentRequest("GET", "http://x/api/chat/sessions/session-aaaaaa-1x", ())
    assert that_belong_to(looked, [first, other, second, looked, post("session-aaaaaa-1x", "aaaaaa-6x")]) == [
        first,
        second,
        looked,
    ]
    assert that_belong_to(other, [first, other]) == [other]


def test_a_socket_is_repeated_once() -> None:
    emits = tuple(Emit(number, "chat_stream", ({"session_id": "session-aaaaaa-1x"},)) for number in range(2))
    begun, gone_on = (SentEvents("http://x", "", "websocket", emits[:count]) for count in (1, 2))
    assert that_belong_to(gone_on, [begun, gone_on]) == [gone_on]


def test_many_steps_are_left_to_the_suite() -> None:
    steps = [post("session-aaaaaa-1x", f"aaaaaa-{number}x") for number in range(9)]
    assert by_hand(steps).count("curl") == 1


# -- sockets


async def heard(events: SentEvents) -> tuple[list[Any], int]:
    """Run the lines against the official server. Gives the arguments that it got, and how many answers were printed."""
    server = socketio.AsyncServer(async_mode="aiohttp", ping_interval=1)  # it ends once a ping has failed
    got: list[Any] = []
    loop = asyncio.get_running_loop()

    @server.on("chat_stream")  # type: ignore[untyped-decorator]  # ships no types
    async def asked(sid: str, *args: Any) -> None:
        got.append(args)
        await server.emit("chat_complete", {"tokens": 0}, to=sid)

    app = web.Application()
    server.attach(app, events.root + "/socket.io" if events.root else "socket.io")
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        events.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        lines = python(events)
        assert redacted(lines) == lines
        done = await loop.run_in_executor(None, run, lines.replace("sleep(10)", "sleep(0.5)"))
    finally:
        await server.shutdown()
        await runner.cleanup()
    return got, done.stdout.count("chat_complete")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_python_lines_emit_the_same(transport: str) -> None:
    asks: tuple[tuple[Any, ...], ...] = ((), (None,), ({"message": "it's \ud800 日本 \\ \n"},), (["a"],), (5,), ("x",))
    emits = tuple(Emit(index / 10, "chat_stream", args) for index, args in enumerate(asks))
    assert asyncio.run(heard(SentEvents("", "", transport, emits))) == (list(asks), len(asks))


def test_a_socket_that_left_leaves_again_below_a_path() -> None:
    emits = (Emit(1.0, "chat_stream", ({"message": "hello"},)),)
    left = SentEvents("", "/root", "websocket", emits, left_after=0.2)
    assert "sleep(0.5)" in python(left)
    assert asyncio.run(heard(left)) == ([({"message": "hello"},)], 1)


def test_python_lines_begin_at_the_left_edge_of_a_terminal() -> None:
    lines = python(SentEvents("http://x", "", "websocket", ()))
    told = repetition(lines, "chatproof check --only SIO-01")
    assert told[0] == "  repeat, in a shell:"
    assert told[1:-1] == lines.split("\n")
    assert told[-1] == "  judge it alone: chatproof check --only SIO-01"
    assert repetition("curl x", "") == ["  repeat: curl x"]
