"""Socket.IO by hand, since no client library would send such things: floods, giants and garbage."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from chatproof.fake_providers.server.launcher import FakesProcess
from tests.reference_server.figures import Answers, memory, open_files, record, until
from tests.reference_server.kit import connect, running
from tests.reference_server.raw_socket import BINARY, PATH, TEXT, Socket, ask, frame
from tests.timing import timed


@pytest.fixture(scope="module")
def server(fakes: FakesProcess) -> Iterator[tuple[int, str]]:
    environ = {"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": fakes.openai_base_url, "REQUEST_TIMEOUT": "2"}
    with running(**environ) as (process, url):
        with Socket(url) as one:
            one.raw.sendall(frame(ask("scenario hundred-tokens")))
            one.read(b"chat_complete")
        yield process.pid, url


def serves(url: str) -> None:
    """A new socket gets a whole reply."""
    with Socket(url) as one:
        one.raw.sendall(frame(ask("scenario hello")))
        one.read(b"chat_complete")


GARBAGE = {
    "no-packet": b"\xff\xfe",
    "unknown-packet": b"9",
    "socketio-unknown": b"49",
    "bad-json": b'42["chat_stream",{"message":',
    "not-a-list": b'42{"message":"hi"}',
    "deep-json": b"42" + b"[" * 100_000,
    "empty-list": b"42[]",
    "number-as-event": b"42[7]",
    "unknown-event": b'42["delete_everything",{}]',
    "inner-event": b'42["disconnect"]',
    "ack-of-nothing": b"439999[]",
    "huge-ack": b"42" + b"9" * 5000 + b'["chat_stream",{}]',
    "attachments": b'4599999-["chat_stream",{"_placeholder":true,"num":0}]',
    "attachments-endless": b"45" + b"9" * 5000 + b'-["chat_stream"]',
    "unknown-namespace": b"40/admin,",
    "second-connect": b"40",
    "bad-utf8": b'42["chat_stream","\xff"]',
}


@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("kind", [TEXT, BINARY], ids=["text", "binary"])
def test_garbage_is_refused_or_ends_the_socket(server: tuple[int, str], name: str, kind: int) -> None:
    _, url = server
    with Socket(url) as one:
        one.raw.sendall(frame(GARBAGE[name], kind))
        one.raw.settimeout(0.3)
        received = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            received = one.raw.recv(65536)
        assert b"Traceback" not in received
        assert b".py" not in received
    serves(url)


def test_messages_of_any_size_are_bounded(server: tuple[int, str]) -> None:
    """100 MB as one frame, as fragments without end, as a compressed bomb's claim: cut off at about 1 MB."""
    pid, url = server
    before, sizes = memory(pid), []
    for start in (frame(b"4", claims=100_000_000), frame(b"4", last=False), frame(b"", BINARY, claims=2**62)):
        with Socket(url) as one:
            sent = 0
            with contextlib.suppress(ConnectionError, TimeoutError):
                one.raw.sendall(start)
                while sent < 100_000_000:
                    data = b"x" * 65_536
                    one.raw.sendall(data if start[0] & 0x80 else frame(data, 0, last=False))
                    sent += len(data)
            sizes.append(memory(pid))
            assert sent < 100_000_000, "all of it was taken"
    record("a message of 100 MB", memory_mb=max(sizes) - before)
    assert max(sizes) - before < 20
    serves(url)


def test_a_thousand_asks_at_once_are_one_reply_and_refusals(server: tuple[int, str]) -> None:
    pid, url = server
    before = memory(pid)
    with Socket(url) as one:
        started = time.monotonic()
        one.raw.sendall(frame(ask("scenario paced")) + frame(ask("hi")) * 999)
        answered = count_ends(one, 1000)
        refused = time.monotonic() - started
        one.raw.sendall(frame(ask("scenario hello")))
        count_ends(one, 1001)
    assert 1 <= answered <= 30, "the first one; and others, where a busy machine takes a second for all"
    record("1,000 asks at once", refused_after_s=refused, memory_mb=memory(pid) - before)
    assert memory(pid) - before < 30


def count_ends(one: Socket, wanted: int) -> int:
    """Wait until so many asks have their end; gives how many of them were replies."""
    replies = refusals = 0
    while replies + refusals < wanted:
        one.read(b"chat_", one.received.count(b"chat_") + 1)
        replies, refusals = (one.received.count(name) for name in (b"chat_complete", b"chat_stream_error"))
    return replies


def test_refusals_that_nobody_reads_do_not_pile_up(server: tuple[int, str]) -> None:
    """A client that asks and asks, and never reads, is cut off or held back."""
    pid, url = server
    before, packet = memory(pid), frame(ask("")) * 100
    with Socket(url) as one:
        one.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.raw.settimeout(2)
        sent, started = 0, time.monotonic()
        with contextlib.suppress(TimeoutError, ConnectionError):
            while time.monotonic() - started < 4:
                one.raw.sendall(packet)
                sent += 100
        growth = memory(pid) - before
        answers = Answers(url)
    record("refusals that nobody reads", asks=sent, memory_mb=growth, answer_worst_s=answers.worst)
    assert growth < 40
    serves(url)


def test_a_socket_has_the_limit_of_the_stream(server: tuple[int, str]) -> None:
    """30 replies a minute to one address, over whichever transport; other addresses are served."""
    _, url = server
    with Socket(url) as one:
        for number in range(30):
            one.raw.sendall(frame(ask("scenario hello")))
            one.read(b"chat_complete", number + 1)
        for number in range(3):
            one.raw.sendall(frame(ask("scenario hello")))
            one.read(b"chat_stream_error", number + 1)
        assert b"the limit is 30 per minute. Try again in " in one.received
        assert one.received.count(b"chat_complete") == 30
        transport = httpx.HTTPTransport(local_address=one.raw.getsockname()[0])
    with httpx.Client(transport=transport, trust_env=False) as client:
        asks = [client.post(f"{url}{path}", json={"message": "hi"}) for path in ("/api/chat/stream", "/api/chat")]
    assert [answer.status_code for answer in asks] == [429, 200]
    serves(url)


@timed
def test_sockets_that_never_say_anything_are_dropped(server: tuple[int, str]) -> None:
    """200 over WebSocket and 200 over polling that connect, and then are silent, as are their pongs."""
    pid, url = server
    files, before = open_files(pid), memory(pid)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(Socket(url, connects=number % 2 == 0)) for number in range(200)]
        client = stack.enter_context(httpx.Client(base_url=url, trust_env=False))
        polls = [json.loads(client.get(f"{PATH}polling").text[1:])["sid"] for _ in range(200)]
        started = time.monotonic()
        held = memory(pid) - before
        answers = Answers(url)
        until(lambda: all(one.is_closed() for one in sockets), 30, "all are dropped")
        dropped = time.monotonic() - started
        deadline = started + 30
        while any(client.get(f"{PATH}polling&sid={sid}").status_code == 200 for sid in polls[::50]):
            assert time.monotonic() < deadline
    until(lambda: open_files(pid) <= files + 5, 10, "their files are closed")
    record(
        "400 silent sockets", dropped_after_s=dropped, memory_of_one_kb=held * 1000 / 400, answer_worst_s=answers.worst
    )
    assert held < 40
    assert answers.median < 0.2
    serves(url)


def test_a_poll_whose_body_never_comes_is_dropped(server: tuple[int, str]) -> None:
    pid, url = server
    sid = json.loads(httpx.get(f"{url}{PATH}polling", trust_env=False).text[1:])["sid"]
    files = open_files(pid)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(url)) for _ in range(50)]
        for client in clients:
            head = f"POST {PATH}polling&sid={sid} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n4"
            client.sendall(head.encode())
        started = time.monotonic()
        for client in clients:
            client.settimeout(10)
            with contextlib.suppress(ConnectionError):
                while client.recv(65536):
                    pass
        assert time.monotonic() - started < 8
    until(lambda: open_files(pid) <= files + 5, 5, "their files are closed")
