"""What the suite says of what is no chat server, and of settings that make no sense: one clear line, the right exit
code, no traceback, no hang."""

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
from itertools import count
from pathlib import Path

import pytest

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract
from tests.suite.running import ERROR, FAIL, ROOT, USAGE, judged_here, says, suite


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


async def test_a_dead_url() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        says(await judged_here(base_url=url), ERROR, [url, "refused", "is the server running"])


async def test_a_url_that_is_no_chat_server() -> None:
    with serving(SimpleHTTPRequestHandler) as url:
        says(await judged_here(base_url=url), FAIL, [url, "status 501", "not a chat server"])


class FiveHundred(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(500)
        self.send_header("Content-Length", "0")
        self.end_headers()


async def test_a_server_that_answers_500_to_everything() -> None:
    with serving(FiveHundred) as url:
        judged = await judged_here(base_url=url)
    says(judged, FAIL, ["status 500"])
    assert judged.verdicts["REQ-01"] == "violated"
    assert judged.verdicts["TOK-04"] == judged.verdicts["SIO-01"] == "not testable"
    assert judged.verdicts["AUTH-01"] == "not applicable"


def answers_with(kind: str, body: str, fails: int = 10_000) -> type[BaseHTTPRequestHandler]:
    """A server that answers its first requests with 500 and a body, and those after them with a short stream."""
    asked = count(1)

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            is_broken = next(asked) <= fails
            said = body if is_broken else 'data: {"token":"hi","count":1,"partial":"hi"}\n\n'
            self.send_response(500 if is_broken else 200)
            self.send_header("Content-Type", kind if is_broken else "text/event-stream")
            self.end_headers()
            self.wfile.write(said.encode())

    return Answers


ANSWER = '{"error": "Chat streaming failed: name `Response` is not defined", "key": "sk-proj-SECRET99"}'
TOLD = "name `Response` is not defined"


def test_the_body_of_a_500_is_in_every_report(tmp_path: Path) -> None:
    files = {kind: tmp_path / f"report.{kind}" for kind in ("json", "html", "md")}
    options = [word for kind, path in files.items() for word in (f"--report-{kind}", str(path))]
    with serving(answers_with("application/json", ANSWER)) as url:
        result = suite("--base-url", url, *options)
    judged(result, FAIL, "status 500 (application/json)", TOLD, "nothing can be judged")
    texts = {kind: path.read_text(encoding="utf-8") for kind, path in files.items()}
    assert TOLD in texts["html"].partition("</header>")[0]
    assert TOLD in texts["md"].partition("### ")[0].replace("\\", "")
    document = json.loads(texts["json"])
    assert TOLD in document["error"]
    assert TOLD in next(row["seen"] for row in document["rows"] if row["id"] == "REQ-01")
    assert not [kind for kind, text in {**texts, "terminal": result.stdout}.items() if "SECRET99" in text]


async def test_the_body_of_a_500_is_cut_and_has_no_tags() -> None:
    page = "<html><style>p { color: red }</style><pre>TypeError: x &amp; y\n  at z</pre>" + "<b>more</b>" * 900
    with serving(answers_with("text/html; charset=utf-8", page)) as url:
        said = (await judged_here(base_url=url)).text
    assert "(text/html; charset=utf-8): TypeError: x & y at z more more" in said
    assert len(said) < 900
    assert "color" not in said


@pytest.mark.parametrize(("fails", "is_judged"), [(0, True), (2, True), (3, False)])
async def test_the_first_ask_is_tried_three_times(fails: int, is_judged: bool) -> None:
    """One lost ask ends no run."""
    with serving(answers_with("text/plain", "no", fails)) as url:
        found = await judged_here(base_url=url, only=["TOK-01"], profile=["core"])
    assert (found.text == "") == is_judged, found
    assert found.verdicts["TOK-01"] == ("passed" if is_judged else "not testable")


class Page(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"<html>")


async def test_a_page_for_everything() -> None:
    with serving(Page) as url:
        says(await judged_here(base_url=url), FAIL, ["text/html", "no event", "not a chat server"])


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


async def test_garbage_without_an_end() -> None:
    with serving(Endless) as url:
        says(await judged_here(base_url=url, silence=2.0), FAIL, ["no event", "not a chat server"])


async def test_a_server_that_accepts_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        says(await judged_here(base_url=url, silence=1.0), FAIL, [url, "accepts connections", "no HTTP answer"])


def test_a_server_that_dies_before_it_listens() -> None:
    start = "python -c 'raise SystemExit(\"no key given\")'"
    judged(suite("--start", start, "--provider", "openai"), ERROR, "exit code 1", "no key given")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"start": "python -c 'import sys; sys.exit(3)'"}, ["exit code 3"]),
        ({"start": "no-such-program --port {port}"}, ["no-such-program", "No such file"]),
        ({"start": "python -c 'import time; time.sleep(60)'", "start_timeout": 1.0}, ["does not listen", "1 s"]),
        ({"base_url": "http://127.0.0.1:1", "provider_url": "http://127.0.0.1:9"}, ["127.0.0.1:9"]),
    ],
    ids=["dies at once", "no program", "never listens", "no fakes"],
)
async def test_what_cannot_be_judged(options: dict[str, object], words: list[str]) -> None:
    says(await judged_here(**options), ERROR, words)


DIES = """
import sys
print("listening soon")
sys.exit("TypeError: x is not a function\\n    at onChat (server.js:2)\\n\\nNode.js v20.20.2")
"""


async def test_the_cause_of_a_crash_is_named_and_its_output_kept(tmp_path: Path) -> None:
    code, log = tmp_path / "server.py", tmp_path / "server.log"
    code.write_text(DIES, encoding="utf-8")
    judged = await judged_here(start=f"python {code}", server_log=log)
    says(judged, ERROR, ["exit code 1", "its first error line: TypeError: x is not a function"])
    assert "at onChat" not in judged.text
    assert log.read_text(encoding="utf-8").splitlines()[0] == "listening soon"
    others = {path.name for path in tmp_path.glob("server-*.log")}
    assert others == {"server-gemini.log", "server-local.log"}, "the same command with each further provider"


async def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        start = "python -m reference_server --port {port}"
        says(await judged_here(start=start, base_url=f"http://127.0.0.1:{port}"), ERROR, [f"port {port} is in use"])


def test_a_setting_that_makes_no_sense_stops_the_run() -> None:
    """Whatever the settings object to, pytest says in its own line."""
    judged(suite("--base-url", "http://127.0.0.1:1", "--only", "TOK-77"), USAGE, "TOK-77", "did you mean")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"only": ["TOK-77"]}, ["TOK-77", "did you mean"]),
        ({"profile": ["sockets"]}, ["'sockets'", "known: core"]),
        ({"silence": 0.0}, ["--silence"]),
        ({"base_url": "127.0.0.1:1:1"}, ["is not a URL"]),
        ({"base_url": None}, ["--base-url", "--start"]),
    ],
    ids=["row", "profile", "number", "URL", "no server"],
)
def test_a_setting_that_makes_no_sense(options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ChatproofError) as error:
        Settings.read({"base_url": "http://127.0.0.1:1", **options}, contract())
    assert len(str(error.value).splitlines()) == 1
    assert all(word in str(error.value) for word in words)


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
