"""Replies, many at once: providers that die in every way, secrets that must not mix, a server that is stopped."""

import asyncio
import contextlib
import hashlib
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from chatproof.fake_providers.server.launcher import FakesProcess
from tests.reference_server.figures import memory, open_files, record, recording, until
from tests.reference_server.kit import Asker, connect, post, running

FAULTS = (
    "bad-key",
    "cut-mid",
    "drop-mid",
    "drop-start",
    "error-mid",
    "garbage",
    "malformed-mid",
    "overloaded",
    "rate-limited",
    "reset-mid",
    "server-error",
    "silent",
    "stall",
)
TIMES = 20 if recording() else 8
MAX_KEPT = 100  # connections to the provider, to be used again


def provider(name: str, fakes: FakesProcess) -> dict[str, str]:
    """What makes a server use one of the fakes."""
    settings = {
        "openai": {"OPENAI_API_KEY": "sk-hidden", "OPENAI_BASE_URL": fakes.openai_base_url},
        "gemini": {"GEMINI_API_KEY": "sk-hidden", "GOOGLE_GEMINI_BASE_URL": fakes.url},
        "anthropic": {"ANTHROPIC_API_KEY": "sk-hidden", "ANTHROPIC_BASE_URL": fakes.url},
        "local": {"LOCAL_LLM_URL": fakes.url},
    }
    return {"LLM_PROVIDER": name, **settings[name]}


def events(url: str, message: str) -> list[dict[str, object]]:
    """The events of a reply, of a client with an address of its own; a body that is not whole is an error here."""
    with connect(url) as client:
        client.sendall(post("/api/chat/stream", message))
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 200 OK\r\n"), received[:200]
    assert received.endswith(b"0\r\n\r\n"), "cut short"
    return [json.loads(line[6:]) for line in received.split(b"\n") if line.startswith(b"data: ")]


def files_of(pid: int, fakes: FakesProcess) -> tuple[int, int]:
    """The server's open files: those that are no connection to its provider, and those that are."""
    port = int(fakes.url.rpartition(":")[2])
    kept = [one for one in psutil.Process(pid).net_connections("tcp") if one.raddr and one.raddr.port == port]
    return open_files(pid) - len(kept), len(kept)


@pytest.mark.parametrize("name", ["openai", "gemini", "anthropic", "local"])
def test_a_provider_that_dies_in_every_way_costs_one_error_each(name: str, fakes: FakesProcess) -> None:
    """13 ways, 8 times each, all at once, and that three times: the last time leaves no more than the first.

    20 times each when figures are recorded for docs/reliability.md.
    """
    asked = FAULTS * TIMES
    with (
        running(PROVIDER_TIMEOUT="1", **provider(name, fakes)) as (process, url),
        ThreadPoolExecutor(len(asked)) as pool,
    ):
        assert "done" in events(url, "scenario hello")[-1]
        files, sizes, seconds, kept = list[int](), list[float](), 0.0, 0
        for _ in range(3):
            started = time.monotonic()
            for found in pool.map(lambda script: events(url, f"scenario {script}"), asked):
                kinds = ["token" if "token" in event else "error" if "error" in event else "?" for event in found]
                assert kinds == ["token"] * (len(found) - 1) + ["error"]
                assert "sk-hidden" not in str(found)
            seconds = time.monotonic() - started
            assert "done" in events(url, "scenario hello")[-1]
            others, kept = files_of(process.pid, fakes)
            files.append(others)
            sizes.append(memory(process.pid))
        until(lambda: files_of(process.pid, fakes)[0] <= files[0] + 5, 5, f"files are closed: {files}")
        assert kept <= MAX_KEPT
        record(
            f"{name} dies in every way",
            replies=3 * len(asked),
            seconds_of_the_last_third=seconds,
            files_added=files_of(process.pid, fakes)[0] - files[0],
            connections_kept_for_the_provider=kept,
            memory_added_mb=sizes[2] - sizes[0],
        )
        assert sizes[2] - sizes[0] < 15


def test_nobody_is_told_what_another_asked(fakes: FakesProcess) -> None:
    """200 replies at once, 4 times in the same 200 sessions: the fake answers with a digest of what it was asked."""
    count = 200
    with running(**provider("openai", fakes)) as (process, url), ThreadPoolExecutor(count) as pool:

        def ask(secret: str, session: str) -> tuple[str, str]:
            """What the provider should have read, and what it says it has read."""
            body = json.dumps({"message": secret, "session_id": session}).encode()
            head = b"POST /api/chat/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            with connect(url) as client:
                client.sendall(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                received = b"".join(iter(lambda: client.recv(65536), b"")).decode()
            done = json.loads(received.rpartition("data: ")[2].partition("\n")[0])
            assert done["session_id"] == session
            tokens = [
                json.loads(line[6:])["token"] for line in received.split("\n") if line.startswith('data: {"token"')
            ]
            assert "".join(tokens) == done["full_response"]
            return hashlib.sha256(secret.encode()).hexdigest()[:8], done["full_response"]

        started, (files, _) = time.monotonic(), files_of(process.pid, fakes)
        for turn in range(4):
            secrets = [f"the secret of client {number} in turn {turn}" for number in range(count)]
            sessions = [f"session-{number}" for number in range(count)]
            for digest, said in pool.map(ask, secrets, sessions):
                assert f"digest {digest}." in said
        until(lambda: files_of(process.pid, fakes)[0] <= files + 5, 5, "files are closed")
        record("200 secrets at once", replies=4 * count, mixed=0, seconds=time.monotonic() - started)


async def test_a_server_that_is_stopped_tells_all_its_clients(fakes: FakesProcess) -> None:
    """100 replies over SSE and 20 over Socket.IO run: each ends with an error event, and the server with status 0."""
    with running(**provider("openai", fakes)) as (process, url), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(100)]
        for client in clients:
            client.sendall(post("/api/chat/stream", "scenario minute"))
        askers = [Asker() for _ in range(20)]
        for asker in askers:
            await asker.client.connect(url, transports=["websocket"])
            await asker.client.emit("chat_stream", {"message": "scenario minute"})
        for asker in askers:
            assert (await asyncio.wait_for(asker.events.get(), 10))[0] == "chat_token"
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(process.wait, 8)
        seconds = time.monotonic() - started
        for client in clients:
            received = b"".join(iter(lambda client=client: client.recv(65536), b""))  # type: ignore[misc]
            assert received.endswith(b'data: {"error":"The server is shutting down."}\n\n\r\n0\r\n\r\n')
        for asker in askers:
            name, data = "chat_token", dict[str, object]()
            while name == "chat_token":
                name, data = await asyncio.wait_for(asker.events.get(), 5)
            assert (name, data) == ("chat_stream_error", {"error": "The server is shutting down."})
            await asker.leave()
    record("stopped with 120 replies running", seconds=seconds, told_sse=len(clients), told_socketio=len(askers))
    assert status == 0
    assert seconds < 5
