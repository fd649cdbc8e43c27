"""The server as a process, with the fake providers behind it, over real sockets."""

import asyncio
import gc
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from chatproof.fake_providers.server.launcher import FakesProcess
from tests.reference_server.figures import until
from tests.reference_server.kit import Asker, connect, journal_entry, new_case, post, running, running_with_log
from tests.timing import timed


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server at `url` logs."""
    return tmp_path_factory.mktemp("end-to-end") / "log"


@pytest.fixture(scope="module")
def url(fakes: FakesProcess, log: Path) -> Iterator[str]:
    environ = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": fakes.openai_base_url, "PROVIDER_TIMEOUT": "20"}
    with log.open("w") as stderr, running_with_log(stderr, **environ) as (_, server):
        yield server


@timed
def test_tokens_come_one_by_one_and_the_upstream_connection_is_left_in_order(url: str, fakes: FakesProcess) -> None:
    case = new_case()
    times = []
    with (
        httpx.Client(trust_env=False) as client,
        client.stream("POST", f"{url}/api/chat/stream", json={"message": f"scenario paced case {case}"}) as reply,
    ):
        assert "Content-Encoding" not in reply.headers
        for line in reply.iter_lines():
            if '"token"' in line:
                times.append(time.monotonic())
    gaps = [after - before for before, after in pairwise(times)]
    assert len(times) == 20
    assert max(gaps) < 0.5
    assert times[-1] - times[0] > 0.8
    assert journal_entry(fakes, case, ended="1")["ended"] == "completed"


@timed
@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize("script", ["silent", "stall", "minute"])
@pytest.mark.parametrize("path", ["/api/chat/stream", "/api/chat"])
def test_a_client_that_goes_cancels_the_provider(
    url: str, fakes: FakesProcess, path: str, script: str, reset: bool
) -> None:
    case = new_case()
    with connect(url) as client:
        client.sendall(post(path, f"scenario {script} case {case}"))
        journal_entry(fakes, case, entries="1")
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    left = time.monotonic()
    assert journal_entry(fakes, case, ended="1")["ended"] in ("client_closed", "client_reset")
    assert time.monotonic() - left < 1


def test_a_pipelined_request_is_not_a_hangup(url: str) -> None:
    with connect(url) as client:
        first = post("/api/chat/stream", "scenario paced").replace(b"Connection: close\r\n", b"")
        client.sendall(first + post("/api/chat/stream", "scenario three-tokens"))
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.count(b'"done":true') == 2


def test_a_huge_body_gets_its_answer(url: str) -> None:
    with connect(url) as client:
        head = b"POST /api/chat/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        client.sendall(head + b"Content-Length: 10000000\r\n\r\n")
        client.sendall(b"x" * 10_000_000)
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")


# The official client does not read the answers to its POSTs: their connections are left to the collector.
@pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_socketio_replies_refuses_and_stops(url: str, fakes: FakesProcess, transport: str) -> None:
    asker, bystander, case = Asker(), Asker(), new_case()
    await bystander.client.connect(url, transports=[transport])
    await asker.client.connect(url, transports=[transport])
    bad: list[tuple[object, ...]] = [(), (None,), ([],), (5,), ("hi",), ({"message": " "},), (b"bytes",)]
    for payload in bad:
        ((name, data),) = await asker.ask(*payload)
        assert name == "chat_stream_error"
        assert data["error"]
    # More than the 16 packets that python-socketio takes from one polling response.
    *tokens, (name, done) = await asker.ask({"message": "scenario hundred-tokens", "session_id": transport})
    assert name == "chat_complete"
    assert "".join(data["token"] for _, data in tokens) == done["full_response"]
    assert [data["count"] for _, data in tokens] == list(range(1, 101))
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{url}/api/chat/sessions/{transport}")).json()["messages"] == 2

    await asker.client.emit("chat_stream", {"message": f"scenario silent case {case}"})
    await asyncio.to_thread(journal_entry, fakes, case, entries="1")
    ((name, _),) = await asker.ask({"message": "hi"})
    assert name == "chat_stream_error"
    await asker.leave()
    entry = await asyncio.to_thread(journal_entry, fakes, case, ended="1")
    assert entry["ended"] in ("client_closed", "client_reset")
    assert bystander.events.empty()
    await bystander.leave()
    del asker, bystander
    gc.collect()  # here, where the warning is known, and not in the middle of a later test


def test_each_reply_is_logged_with_its_tokens(url: str, log: Path) -> None:
    httpx.post(f"{url}/api/chat", json={"message": "scenario three-tokens"}, trust_env=False)
    line = re.compile(r" INFO Reply: \d+ tokens in, \d+ tokens out, [\d.]+ s\n")
    until(lambda: bool(line.search(log.read_text())), 5, "the reply is logged")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_without_a_key_it_brings_its_own_provider_and_takes_it_away(number: signal.Signals) -> None:
    with running() as (process, url):
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(3))
        journal = re.search(r"http://\S+/_fake/journal", said)
        assert "OPENAI_API_KEY" in said
        assert journal
        assert httpx.post(f"{url}/api/chat", json={"message": "hi"}).json()["response"]
        with connect(url) as client:
            client.sendall(post("/api/chat/stream", "scenario silent"))
            assert client.recv(65536)
            process.send_signal(number)
            last_words = b""
            while piece := client.recv(65536):
                last_words += piece
            assert process.wait(4) == 0
            assert b'data: {"error":"The server is shutting down."}' in last_words
            assert last_words.endswith(b"0\r\n\r\n")
        with pytest.raises(httpx.ConnectError):
            httpx.get(journal[0])


def test_a_bad_setting_is_one_line_and_so_is_each_name_that_is_none(tmp_path: Path) -> None:
    """test_config has all bad settings and names."""
    (tmp_path / ".env").write_text("PROVIDER_TIMEOUT=-1\nSTREAM_LIMT=5\nMAX_SESSIONS=10\n")
    process = subprocess.run(
        [sys.executable, "-m", "chatproof.reference_server"],
        cwd=tmp_path,
        env={**os.environ, "ALLOWED_ORIGIN": "https://chat.example"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert process.returncode == 2
    removed, misspelt, other, bad = process.stderr.splitlines()
    assert "MAX_SESSIONS in .env is no longer a setting: SESSIONS_MB" in removed
    assert "STREAM_LIMT in .env is not a setting: is STREAM_LIMIT meant?" in misspelt
    assert "ALLOWED_ORIGIN in the environment is not a setting: is ALLOWED_ORIGINS meant?" in other
    assert bad.startswith("reference_server: PROVIDER_TIMEOUT must be ")


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = subprocess.run(
            [sys.executable, "-m", "chatproof.reference_server", "--port", port],
            env={**os.environ, "OPENAI_API_KEY": "k", "PORT": "abc"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert process.returncode == 2
    assert re.fullmatch(rf"reference_server: cannot listen on 127\.0\.0\.1:{port}: .+\n", process.stderr)
