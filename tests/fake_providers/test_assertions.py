"""The journal's claims: what they hold for, and what they show where they do not hold."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from chatproof.fake_providers.journal.assertions import Wanted, timeline
from chatproof.fake_providers.journal.control_client import Fakes, FakesError, NotInTime
from chatproof.fake_providers.journal.control_client_sync import FakesSync
from chatproof.fake_providers.journal.entry import Ended, Entry, JournalWrite
from chatproof.fake_providers.journal.journal import Journal
from chatproof.fake_providers.testing.threaded import ThreadedServer
from tests.fake_providers.kit import request_bytes


def add(
    journal: Journal,
    ended: Ended | None,
    *,
    at: float = 100.0,
    lasted: float = 0.5,
    case: str | None = "c",
    status: int = 200,
    texts: tuple[str, ...] = ("One", " two"),
) -> Entry:
    """An entry of the past whose tokens came 0.1 s apart."""

    def make(number: int) -> Entry:
        path = "/v1/chat/completions"
        return Entry(number, "openai", "POST", path, {}, None, at, status, True, "paced", case)

    entry = journal.begin(make, 0, len(texts))
    for number, text in enumerate(texts):
        journal.wrote(entry, status, 200, 1, text, at + 0.1 * number)
    if ended is not None:
        journal.end(entry, ended, at + lasted)
    return entry


def test_a_cancelled_request() -> None:
    journal = Journal()
    add(journal, "faulted", at=99.0, status=429, texts=())
    gone = add(journal, "client_closed")
    assert journal.assert_cancelled("c", within=0) is gone
    assert journal.assert_cancelled(within=0) is gone
    assert gone.tokens == 2
    assert gone.hangup_after == pytest.approx(0.4)
    assert Entry.from_json(gone.to_json()) == gone
    assert gone.to_json()["tokens"] == 2
    assert journal.wait_ended("c", 0) == journal.entries("c")


SHOWN = """\
nobody hung up on case c within 0 s: the last one (#1) completed, 2 tokens sent
#1 openai POST /v1/chat/completions, script paced, case c -> 200
       0 ms  request
       0 ms  200 bytes, 1 tokens 'One'
     100 ms  200 bytes, 1 tokens ' two'
     500 ms  completed; 2 tokens sent"""


def test_a_claim_that_does_not_hold_shows_the_timeline() -> None:
    journal = Journal()
    add(journal, "completed")
    with pytest.raises(AssertionError) as raised:
        journal.assert_cancelled("c", within=0)
    assert str(raised.value) == SHOWN
    add(journal, "client_reset")
    with pytest.raises(
        AssertionError, match=r"case c was not answered whole .*\n(.*\n)*.*hung up 400 ms after the last"
    ):
        journal.assert_completed("c", within=0)
    add(journal, None, case="d")
    with pytest.raises(AssertionError, match="nobody hung up on case d within 0 s: #3 still runs, 2 tokens sent"):
        journal.assert_cancelled("d", within=0)
    with pytest.raises(AssertionError, match="any request was not answered whole within 0 s: #3 still runs"):
        journal.assert_completed(within=0)
    with pytest.raises(AssertionError, match=r"within 0.01 s: there was no request$"):
        journal.assert_cancelled("nobody", within=0.01)
    with pytest.raises(AssertionError, match=r"no sign within 0 s that case d has written 9 tokens; seen: #3 running"):
        journal.wait_tokens("d", 9, 0)


def test_retries_and_their_gaps() -> None:
    journal = Journal()
    assert journal.retries("c") == []
    for at in (100.0, 101.0, 103.0):
        add(journal, "completed", at=at)
    assert journal.retries("c") == [pytest.approx(0.5), pytest.approx(1.5)]
    assert journal.assert_retried("c", times=2, at_least=0.5, within=0) == journal.retries("c")
    with pytest.raises(AssertionError, match=r"to be retried 1 times .*; seen: 2 retries after 0.500 s, 1.500 s\n"):
        journal.assert_retried("c", times=1, within=0)
    with pytest.raises(AssertionError, match=r"retried sooner than 0.6 s; seen: 2 retries after 0.500 s"):
        journal.assert_retried("c", times=2, at_least=0.6, within=0)
    add(journal, None, at=104.0)
    with pytest.raises(AssertionError, match=r"seen: 3 retries after .*, and not all have ended\n"):
        journal.assert_retried("c", times=3, within=0)


def test_long_replies_and_many_requests_are_shown_in_part() -> None:
    journal = Journal()
    for _ in range(7):
        entry = add(journal, "completed", texts=(*"abcdefghijkl", "x" * 100))
    shown = timeline(entry)
    assert "… 5 writes more" in shown
    assert repr("x" * 40 + "…") in shown
    assert len(shown.splitlines()) == 12
    with pytest.raises(AssertionError, match=r"(?s)\n\(2 earlier requests\)\n#3 .*#7 "):
        journal.assert_cancelled("c", within=0)


def test_a_wait_wakes_with_the_change_it_waits_for() -> None:
    journal = Journal()
    running = add(journal, None)
    timer = threading.Timer(0.1, lambda: journal.end(running, "client_closed"))
    timer.start()
    start = time.monotonic()
    assert journal.assert_cancelled("c", within=5) is running
    assert time.monotonic() - start < 1
    timer.join()


async def test_async_waits_wake_from_other_threads_too() -> None:
    journal = Journal()
    running = add(journal, None)
    waiting = [asyncio.create_task(journal.aio.assert_cancelled(case, within=5)) for case in ("c", None)]
    await asyncio.sleep(0)
    await asyncio.to_thread(journal.end, running, "client_closed")
    assert await asyncio.gather(*waiting) == [running, running]
    assert await journal.aio.retries("c") == []
    assert await journal.aio.assert_retried("c", times=0, within=0) == []
    with pytest.raises(AssertionError, match="case c was not answered whole"):
        await journal.aio.assert_completed("c", within=0)
    with pytest.raises(AssertionError, match="has 2 requests"):
        await journal.aio.wait_entries("c", 2, 0.01)


def test_what_is_wanted_says_so() -> None:
    assert str(Wanted(True, 3, 2)) == "has ended and has written 3 tokens and has 2 requests"
    assert not Wanted(ended=True).met([])


def test_the_journal_holds_with_many_threads() -> None:
    journal = Journal(max_entries=50)

    def work(name: str) -> None:
        for _ in range(300):
            add(journal, "completed", case=name)
            journal.entries(name)
            journal.entries()

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.entries()) == 50
    assert journal.dropped == 4 * 300 - 50
    assert sum(len(journal.entries(f"t{number}")) for number in range(4)) == 50


def test_writes_are_kept_with_their_own_times() -> None:
    journal = Journal()
    entry = add(journal, None)
    assert entry.writes == [JournalWrite(100.0, 200, 1, "One"), JournalWrite(100.1, 200, 1, " two")]


@pytest.fixture
def server() -> Iterator[ThreadedServer]:
    with ThreadedServer(strict=False) as running:
        yield running


def test_the_same_claims_over_http(server: ThreadedServer) -> None:
    with FakesSync(server.url) as fakes:
        address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        with socket.create_connection(address) as sock:
            sock.sendall(request_bytes("scenario minute case gone"))
            assert fakes.wait_tokens("gone", 2)[0].ended is None
            assert fakes.wait_entries("gone", 1)[0].case == "gone"
        entry = fakes.assert_cancelled("gone", within=2)
        assert entry.tokens >= 2
        assert entry.hangup_after is not None
        assert entry.hangup_after < 1
        assert fakes.retries("gone") == []
        assert fakes.assert_retried("gone", times=0) == []
        with pytest.raises(
            AssertionError, match=r"case gone was not answered whole(?s:.*)hung up \d+ ms after the last"
        ):
            fakes.assert_completed("gone", within=0.1)
        with pytest.raises(NotInTime, match="case none has ended; seen: no request"):
            fakes.wait_ended("none", 0.05)
        fakes.register("mine", 'about = "x"\n[[steps]]\ntokens = ["one"]\n')
        assert fakes.scripts()["mine"]["text"] == "one"
        with pytest.raises(FakesError, match="with 400: bad"):
            fakes.register("bad", "about = 1")
        fakes.refuse_connections(20)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
        assert fakes.health()["name"] == "chatproof fake providers"
        fakes.accept_connections()
        fakes.clear()
        assert fakes.entries() == []
    with FakesSync("http://127.0.0.1:9") as nobody, pytest.raises(FakesError, match="did not answer GET /_fake/health"):
        nobody.health()


async def test_the_same_claims_over_http_in_async_tests(server: ThreadedServer) -> None:
    port = int(server.url.rpartition(":")[2])
    async with Fakes(server.url) as fakes:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_bytes("scenario minute case gone"))
        await fakes.wait_tokens("gone", 2)
        writer.close()
        assert (await fakes.assert_cancelled("gone", within=2)).ended == "client_closed"
        with pytest.raises(AssertionError, match="case gone was not answered whole"):
            await fakes.assert_completed("gone", within=0.1)
        assert await fakes.retries("gone") == []
    assert server.journal.assert_cancelled("gone").tokens >= 2
