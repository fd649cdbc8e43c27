"""What the suite says of things that are no server, and of settings that make no sense: one clear line, the
right exit code, no traceback, no hang."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PASS, FAIL, ERROR, USAGE = 0, 1, 2, 4


def suite(*options: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run the suite as a user does."""
    command = [sys.executable, "-m", "pytest", "conformance", "-p", "no:cacheprovider", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


def judged(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """The exit code, one line with all the words, no traceback."""
    output = result.stdout + result.stderr
    assert result.returncode == code, output
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
    lines = [line for line in output.splitlines() if "chatproof" in line and all(word in line for word in words)]
    assert len(lines) == 1, output


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """An HTTP server that is no chat server."""
    handler.log_message = lambda *_: None  # type: ignore[method-assign]  # quiet
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_dead_url() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        judged(suite("--base-url", url), ERROR, url, "refused", "is the server running")


def test_a_url_that_is_no_chat_server() -> None:
    with serving(SimpleHTTPRequestHandler) as url:
        judged(suite("--base-url", url), FAIL, url, "status 501", "not a chat server")


class FiveHundred(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_server_that_answers_500_to_everything(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with serving(FiveHundred) as url:
        judged(suite("--base-url", url, "--report-json", str(report)), FAIL, "status 500")
    document = json.loads(report.read_text(encoding="utf-8"))
    verdicts = {row["id"]: row["verdict"] for row in document["rows"]}
    assert document["verdict"] == "fail"
    assert verdicts["REQ-01"] == "violated"
    assert verdicts["TOK-04"] == verdicts["SIO-01"] == "not testable"
    assert verdicts["AUTH-01"] == "not applicable"


class Page(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")


def test_a_page_for_everything() -> None:
    with serving(Page) as url:
        judged(suite("--base-url", url), FAIL, "text/html", "no event", "not a chat server")


class Endless(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        block = b"garbage without an end " * 4000
        try:
            while True:
                self.wfile.write(block)
        except OSError:
            self.close_connection = True  # the client had enough


def test_garbage_without_an_end() -> None:
    with serving(Endless) as url:
        judged(suite("--base-url", url, "--silence", "2"), FAIL, "no event", "not a chat server")


def test_a_server_that_accepts_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        judged(suite("--base-url", url, "--silence", "1"), FAIL, url, "accepts connections", "no HTTP answer")


def test_no_server_named() -> None:
    judged(suite(), USAGE, "--base-url", "--start")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "python -c 'import sys; sys.exit(3)'"], ["exit code 3"]),
        (["--start", "python -c 'raise SystemExit(\"no key given\")'"], ["exit code 1", "no key given"]),
        (["--start", "no-such-program --port {port}"], ["no-such-program", "No such file"]),
        (["--start", "python -c 'import time; time.sleep(60)'", "--start-timeout", "1"], ["does not listen", "1 s"]),
        (["--base-url", "http://127.0.0.1:1", "--provider-url", "http://127.0.0.1:9"], ["127.0.0.1:9"]),
        (["--base-url", "127.0.0.1:1:1"], ["is not a URL"]),
    ],
    ids=["dies at once", "dies with a word", "no program", "never listens", "no fakes", "no URL"],
)
def test_what_cannot_be_judged(options: list[str], words: list[str]) -> None:
    code = USAGE if "is not a URL" in words else ERROR
    judged(suite(*options), code, *words)


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ["--start", "python -m reference_server --port {port}", "--base-url", f"http://127.0.0.1:{port}"]
        judged(suite(*options), ERROR, f"port {port} is in use")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--only", "TOK-77"], ["TOK-77", "did you mean"]),
        (["--profile", "sockets"], ["'sockets'", "known: core"]),
        (["--silence", "0"], ["--silence"]),
    ],
)
def test_a_setting_that_makes_no_sense(options: list[str], words: list[str]) -> None:
    judged(suite("--base-url", "http://127.0.0.1:1", *options), USAGE, *words)


def test_rows_that_do_not_apply_make_no_green_run() -> None:
    """No check run is red."""
    with serving(SimpleHTTPRequestHandler) as url:
        judged(suite("--base-url", url, "--only", "INT-01"), ERROR, "INT-01", "applies")


UNKNOWN_ID = """
from chatproof.conformance.suite.marks import requirement

@requirement("TOK-77")
async def test_something(case):
    '''Judges what is not in the contract.'''
"""


def test_an_unknown_id_stops_the_collection(tmp_path: Path) -> None:
    stray = tmp_path / "test_stray.py"
    stray.write_text(UNKNOWN_ID, encoding="utf-8")
    result = suite("--base-url", "http://127.0.0.1:1", str(stray))
    assert result.returncode == USAGE
    assert "no requirement has the id TOK-77" in result.stdout + result.stderr


async def test_the_reference_server_names_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for module in ("reference_server", "fake_providers"):
            command = (sys.executable, "-m", module, "--port", port)
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
            )
            async with asyncio.timeout(20):
                _, errors = await process.communicate()
            assert process.returncode == 2
            assert len(errors.decode().splitlines()) == 1
            assert port in errors.decode()
