"""Clients that hold on to what they have: requests without an end, replies that are not read."""

import bisect
import contextlib
import json
import resource
import select
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from chatproof.fake_providers.server.launcher import FakesProcess
from tests.reference_server.figures import MB, Answers, memory, open_files, record, recording, until
from tests.reference_server.kit import connect, journal_entry, new_case, post, running
from tests.timing import timed

SECONDS = 3.0  # REQUEST_TIMEOUT
CLIENTS = 500
POST = b"POST /api/chat/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
UNFINISHED = {
    "nothing": b"",
    "line": b"POST /api/chat/stream HT",
    "headers": POST + b"X-Slow: ",
    "body": POST + b'Content-Length: 100\r\n\r\n{"message',
    "chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n64\r\n{",
}
OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS = """
about = "30,000 tokens as fast as they are taken: more than all buffers hold, and gigabytes as partial texts."
events_per_write = 100
[[steps]]
tokens = [" word"]
repeat = 30000
"""


@pytest.fixture(scope="module")
def server(fakes: FakesProcess) -> Iterator[tuple[int, str]]:
    registered = httpx.put(f"{fakes.url}/_fake/scripts/endless", content=ENDLESS, trust_env=False)
    assert registered.status_code == 200, registered.text
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": fakes.openai_base_url, "REQUEST_TIMEOUT": str(SECONDS)}
    with running(**environ) as (process, url):
        for _ in range(5):
            httpx.post(f"{url}/api/chat", json={"message": "scenario long"}, trust_env=False, timeout=30)
        yield process.pid, url


@pytest.fixture(autouse=True)
def many_files() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))


def ended(clients: list[socket.socket]) -> bool:
    """Whether the server has closed all connections. Takes what it said."""
    for client in clients:
        client.setblocking(False)
        with contextlib.suppress(ConnectionError):
            try:
                while client.recv(65536):
                    pass
            except BlockingIOError:
                return False
    return True


@timed
def test_a_flood_of_requests_without_end_holds_up_nobody(server: tuple[int, str]) -> None:
    """500 at once, in equal parts silent, in the first line, in the headers, in the body, in a chunk of it."""
    pid, url = server
    files, before = open_files(pid), memory(pid)
    with contextlib.ExitStack() as stack:
        clients = []
        started = time.monotonic()
        for number in range(CLIENTS):
            client = stack.enter_context(connect(url))
            client.sendall(list(UNFINISHED.values())[number % len(UNFINISHED)])
            clients.append(client)
        answers = Answers(url)
        held = open_files(pid) - files
        growth = memory(pid) - before
        until(lambda: ended(clients), 2 * SECONDS + 10, "all are dropped")
        dropped = time.monotonic() - started
    until(lambda: open_files(pid) <= files + 5, 10, "their files are closed")
    record(
        "500 requests without end",
        held_at_once=held,
        answer_median_s=answers.median,
        answer_worst_s=answers.worst,
        all_dropped_after_s=dropped,
        request_timeout_s=SECONDS,
        memory_of_one_kb=growth * 1000 / CLIENTS,
    )
    assert answers.median < 0.2
    assert answers.worst < 2
    assert growth < 50


def test_a_slow_sender_of_single_bytes_is_dropped_too(server: tuple[int, str]) -> None:
    """A byte every 0.1 s never lets the connection rest, but the time is that of the whole request."""
    for start in (UNFINISHED["headers"], UNFINISHED["body"]):
        with connect(server[1]) as client:
            started = time.monotonic()
            client.sendall(start)
            with contextlib.suppress(ConnectionError):
                while not select.select([client], [], [], 0.1)[0]:
                    client.sendall(b"x")
                    assert time.monotonic() - started < 2 * SECONDS + 5
                assert client.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 408"))


@timed
def test_readers_that_do_not_read_hold_their_provider_back(server: tuple[int, str], fakes: FakesProcess) -> None:
    """10 replies of gigabytes each: the server takes no more of them than its buffers hold."""
    pid, url = server
    count, before, files = 10, memory(pid), open_files(pid)
    cases = [new_case() for _ in range(count)]
    with contextlib.ExitStack() as stack:
        for case in cases:
            client = stack.enter_context(connect(url))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(post("/api/chat/stream", f"scenario endless case {case}"))

        def taken() -> list[int]:
            return [journal_entry(fakes, case, entries="1")["tokens"] for case in cases[::5]]

        sizes, seen = [memory(pid)], [taken()]
        deadline = time.monotonic() + 20
        while len(seen) < 3 or seen[-1] != seen[-3]:
            assert time.monotonic() < deadline, f"the provider is drained on and on: {seen}"
            time.sleep(0.5)
            seen.append(taken())
            sizes.append(memory(pid))
        answers = Answers(url)
        each = (max(sizes) - before) / count
        assert max(seen[-1]) < 30_000, "the provider was drained"
        with connect(url) as other:
            other.sendall(post("/api/chat/stream", "scenario hello"))
            assert b'"done":true' in b"".join(iter(lambda: other.recv(65536), b""))
    until(lambda: open_files(pid) <= files + 5, 10, "all is closed once they have gone")
    record(
        "10 readers that do not read",
        memory_of_one_mb=each,
        tokens_taken_of_30000=max(seen[-1]),
        answer_median_s=answers.median,
        answer_worst_s=answers.worst,
    )
    assert each < 10, f"{each} MB for each"
    assert answers.median < 0.3


def test_thousands_of_sessions_and_no_more(fakes: FakesProcess) -> None:
    """Measure the memory of a session. Beyond SESSIONS_MB, the server deletes the least recently used sessions.

    2,000 sessions; 15,000 when figures are recorded for docs/reliability.md: each costs 2 ms of CPU.
    """
    megabytes, lanes = (15, 4) if recording() else (2, 4)
    count = megabytes * 1_000  # each takes more than a kilobyte, so that they are too many
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": fakes.openai_base_url, "SESSIONS_MB": str(megabytes)}
    with running(CHAT_LIMIT="1000000", **environ) as (process, url):

        def ask(numbers: range, prefix: str = "s") -> None:
            """Pipelined over some connections: many small requests in little time."""
            batches = [list(numbers)[lane::lanes] for lane in range(lanes)]
            clients = [connect(url) for _ in batches]
            for client, batch in zip(clients, batches, strict=True):
                client.settimeout(60)
                bodies = [json.dumps({"message": "hi", "session_id": f"{prefix}{number}"}).encode() for number in batch]
                for body in bodies:
                    head = POST.replace(b"/api/chat/stream", b"/api/chat")
                    client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            for client, batch in zip(clients, batches, strict=True):
                with client:
                    tail, answers = b"", 0
                    while answers < len(batch):
                        piece = client.recv(65536)
                        assert piece, "the connection ended"
                        answers += (tail + piece).count(OK)
                        tail = (tail + piece)[1 - len(OK) :]

        def known(number: int) -> bool:
            return httpx.get(f"{url}/api/chat/sessions/s{number}", trust_env=False, timeout=10).status_code == 200

        ask(range(200), "warm")
        before, started = memory(process.pid), time.monotonic()
        for start in range(0, count, 500):
            ask(range(start, start + 500))
        seconds = time.monotonic() - started
        full = memory(process.pid)
        kept = count - bisect.bisect_left(range(count), True, key=known)  # those that were used last
    record(
        f"{megabytes} MB of short sessions",
        kept=kept,
        memory_of_one_kb=(full - before) * MB / 1000 / kept,
        requests_per_s=count / seconds,
        memory_mb=full,
    )
    assert count / 2 < kept < count
    assert full - before < 1.5 * megabytes + 2
