"""Two processes behind one port, on a real Redis: one server, as far as anybody can see."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from chatproof.fake_providers.server.launcher import FakesProcess
from chatproof.reference_server.generation import NOT_REACHED
from tests.reference_server.kit import Asker, connect, journal_entry, new_case, post, running_with_log
from tests.reference_server.redis import Redis


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server logs."""
    return tmp_path_factory.mktemp("workers") / "log"


@pytest.fixture(scope="module")
def started(fakes: FakesProcess, redis: Redis, log: Path) -> Iterator[tuple[subprocess.Popen[str], str, float]]:
    """One server for all tests: its process, its URL, and the seconds until it printed "Listening"."""
    environ = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": fakes.openai_base_url, "REDIS_URL": redis.url}
    began = time.monotonic()
    with log.open("w") as stderr, running_with_log(stderr, "--workers", "2", **environ) as (process, url):
        yield process, url, time.monotonic() - began


@pytest.fixture(scope="module")
def server(started: tuple[subprocess.Popen[str], str, float]) -> tuple[subprocess.Popen[str], str]:
    return started[:2]


@pytest.fixture
def url(server: tuple[subprocess.Popen[str], str]) -> str:
    return server[1]


def children(process: subprocess.Popen[str]) -> set[int]:
    return {child.pid for child in psutil.Process(process.pid).children()}


def exchange(url: str, request: bytes) -> bytes:
    """The whole answer, from an address of its own."""
    answer = b""
    with connect(url) as client:
        client.sendall(request)
        while piece := client.recv(65536):
            answer += piece
    return answer


def get(url: str, path: str) -> httpx.Response:
    return httpx.get(url + path, trust_env=False, timeout=10)


def test_all_are_ready_at_the_start(started: tuple[subprocess.Popen[str], str, float]) -> None:
    """The first test: the server prints "Listening" only after every worker is ready."""
    _, url, seconds = started
    asked = time.monotonic()
    assert [get(url, "/health").status_code for _ in range(4)] == [200] * 4  # connections take turns
    assert time.monotonic() - asked < seconds / 2


def test_a_session_is_known_to_both(url: str) -> None:
    session = new_case()
    for number in range(4):  # connections take turns
        body = {"message": f"scenario hello {number}", "session_id": session}
        assert httpx.post(f"{url}/api/chat", json=body, trust_env=False).status_code == 200
        assert get(url, f"/api/chat/sessions/{session}").json()["messages"] == 2 * number + 2
    assert httpx.delete(f"{url}/api/chat/sessions/{session}", trust_env=False).status_code == 200
    assert [get(url, f"/api/chat/sessions/{session}").status_code for _ in range(2)] == [404, 404]


def test_the_limit_holds_for_both_together(url: str) -> None:
    with connect(url) as client:
        address = client.getsockname()[0]
    with httpx.Client(transport=httpx.HTTPTransport(local_address=address), trust_env=False) as http:
        ask = {"message": "scenario hello"}
        codes = [http.post(f"{url}/api/chat/stream", json=ask).status_code for _ in range(33)]
        last = http.post(f"{url}/api/chat/stream", json=ask)
    assert codes == [200] * 30 + [429] * 3
    assert last.status_code == 429
    assert 1 <= int(last.headers["Retry-After"]) <= 60


@pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_each_socket_gets_its_own_reply_wherever_it_lives(url: str, transport: str) -> None:
    askers = [Asker() for _ in range(6)]
    for asker in askers:
        await asker.client.connect(url, transports=[transport])
    assert {asker.client.eio.sid.partition("-")[0] for asker in askers} == {"0", "1"}
    replies = await asyncio.gather(*(asker.ask({"message": "scenario hundred-tokens"}) for asker in askers))
    for reply in replies:
        assert [name for name, _ in reply] == ["chat_token"] * 100 + ["chat_complete"]
    for asker in askers:
        await asker.leave()
    del asker, askers
    gc.collect()  # here, where the warning is known


def test_a_client_that_goes_cancels_the_provider(url: str, fakes: FakesProcess) -> None:
    for _ in range(2):
        case = new_case()
        with connect(url) as client:
            client.sendall(post("/api/chat/stream", f"scenario silent case {case}"))
            journal_entry(fakes, case, entries="1")
        assert journal_entry(fakes, case, ended="1")["ended"] in ("client_closed", "client_reset")


def test_a_worker_that_dies_is_replaced(server: tuple[subprocess.Popen[str], str]) -> None:
    process, url = server
    before = children(process)
    os.kill(min(before), signal.SIGKILL)
    deadline = time.monotonic() + 15
    while len(children(process) - before) < 1:
        assert time.monotonic() < deadline, "no new worker"
        time.sleep(0.05)
    for _ in range(4):
        assert b'"done":true' in exchange(url, post("/api/chat/stream", "scenario hello"))


def test_while_no_worker_runs_requests_wait_for_the_next(server: tuple[subprocess.Popen[str], str]) -> None:
    process, url = server
    assert get(url, "/health").status_code == 200
    running = children(process)
    assert len(running) == 2
    for pid in running:
        os.kill(pid, signal.SIGKILL)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda _: exchange(url, post("/api/chat/stream", "scenario hello")), range(8))
        assert all(b'"done":true' in answer for answer in answers)


async def test_while_redis_is_away_each_route_says_so_at_once(url: str, redis: Redis, log: Path) -> None:
    """A socket too; and no reply is in the log that was never asked for."""
    with ExitStack() as cleanup:
        redis.stop()
        cleanup.callback(redis.start_again)
        before, asked = log.stat().st_size, time.monotonic()
        for number in range(4):  # connections take turns
            for path in ("/api/chat/stream", "/api/chat"):
                answer = httpx.post(f"{url}{path}", json={"message": str(number)}, trust_env=False, timeout=10)
                assert (answer.status_code, answer.json()) == (503, {"error": NOT_REACHED})
            assert get(url, f"/api/chat/sessions/{number}").status_code == 503
        asker = Asker()
        await asker.client.connect(url, transports=["websocket"])
        assert await asker.ask({"message": "hi"}) == [("chat_stream_error", {"error": NOT_REACHED})]
        await asker.leave()
        assert time.monotonic() - asked < 5
        assert "tokens in" not in log.read_text()[before:]


def test_redis_may_come_and_go(url: str, redis: Redis) -> None:
    """Under load: while Redis is down each request gets a clear error, and afterwards all work again."""
    with ExitStack() as cleanup:
        pool = cleanup.enter_context(ThreadPoolExecutor(8))

        def ask(_: int = 0) -> str:
            answer = exchange(url, post("/api/chat/stream", "scenario hello"))
            if answer.startswith(b"HTTP/1.1 503 "):
                return str(json.loads(answer.partition(b"\r\n\r\n")[2])["error"])
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
            last = json.loads(answer.rpartition(b"data: ")[2].partition(b"\n")[0])
            return "done" if last.get("done") else str(last["error"])

        assert set(pool.map(ask, range(16))) == {"done"}
        load = [pool.submit(ask) for _ in range(200)]
        time.sleep(0.1)
        redis.stop()
        cleanup.callback(redis.start_again)
        said = {one.result(30) for one in load}
        assert said <= {"done", NOT_REACHED}
        assert ask() != "done"
        assert get(url, "/api/chat/sessions/any").status_code == 503
        assert get(url, "/health").status_code == 200
        redis.start_again()
        deadline = time.monotonic() + 10
        while ask() != "done":
            assert time.monotonic() < deadline, "it does not find Redis again"
            time.sleep(0.1)
        assert set(pool.map(ask, range(16))) == {"done"}
        assert get(url, "/api/chat/sessions/any").status_code == 404


def test_all_are_told_of_the_end(server: tuple[subprocess.Popen[str], str]) -> None:
    """The last test: the server ends every running reply when it stops."""
    process, url = server
    clients = [connect(url) for _ in range(4)]
    for client in clients:
        client.sendall(post("/api/chat/stream", "scenario stall"))
    begun = [client.recv(65536) for client in clients]
    assert all(b"200 OK" in one for one in begun)
    pids = children(process)
    assert len(pids) == 2
    process.terminate()
    for client in clients:
        answer = b""
        with client:
            while piece := client.recv(65536):
                answer += piece
        assert b'data: {"error":"The server is shutting down."}' in answer
    assert process.wait(10) == 0
