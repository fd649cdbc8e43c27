"""The journal: who ended a request and when, what is waited for, what is kept out."""

from __future__ import annotations

import asyncio
import socket
import struct
import time

import httpx
import pytest

from chatproof.fake_providers.journal.control_client import Fakes, FakesError
from chatproof.fake_providers.journal.journal import Entry, Journal
from chatproof.harness.common.redaction import redacted_headers, redacted_path
from tests.fake_providers.kit import Served
from tests.timing import timed

KEYS = {"authorization": "Bearer k", "x-goog-api-key": "k"}


def vanish(sock: socket.socket) -> None:
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("name", ["minute", "silent", "slow-start"])
@pytest.mark.parametrize("how", ["client_closed", "client_reset"])
async def test_a_hang_up_is_seen_at_once(served: Served, fakes: Fakes, name: str, how: str) -> None:
    sock = served.ask(f"scenario {name} case gone")
    await fakes.wait_entries("gone", 1, 3)
    sock.settimeout(3)
    sock.recv(65_536)
    left = time.monotonic()
    if how == "client_closed":
        sock.close()
    else:
        vanish(sock)
    [entry] = await fakes.wait_ended("gone", 3)
    assert entry.ended == how
    assert entry.ended_at is not None
    assert entry.ended_at - left < 1.0
    assert entry.hangup_after == pytest.approx(entry.ended_at - entry.writes[-1].at)


async def test_a_hang_up_without_any_write_counts_from_the_request(served: Served, fakes: Fakes) -> None:
    sock = served.ask("scenario stall case early", stream=False)
    [running] = await fakes.wait_entries("early", 1, 3)
    assert (running.status, running.ended, running.hangup_after) == (None, None, None)
    await asyncio.sleep(0.1)
    sock.close()
    [entry] = await fakes.wait_ended("early", 3)
    assert entry.writes == []
    assert entry.hangup_after is not None
    assert 0.05 < entry.hangup_after < 1


@pytest.mark.parametrize(
    ("name", "ended"),
    [("three-tokens", "completed"), ("nope", "completed"), ("drop-mid", "faulted"), ("server-error", "faulted"),
     ("malformed-mid", "faulted"), ("garbage", "faulted"), ("drop-start", "faulted")],
)  # fmt: skip
async def test_ends_without_a_hang_up(served: Served, fakes: Fakes, name: str, ended: str) -> None:
    served.ask(f"scenario {name} case over")
    [entry] = await fakes.wait_ended("over", 3)
    assert entry.ended == ended
    assert entry.hangup_after is None


async def test_an_entry_tells_what_was_asked_and_said(http: httpx.AsyncClient, fakes: Fakes) -> None:
    before = time.monotonic()
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "scenario slow-start case told"}]}
    await http.post("/v1/chat/completions?key=AIza&x=1", json=body, headers={"x-api-key": "k", "x-other": "o"})
    [entry] = await fakes.wait_ended("told", 3)
    assert (entry.provider, entry.method, entry.status, entry.stream) == ("openai", "POST", 200, True)
    assert (entry.script, entry.case, entry.body) == ("slow-start", "told", body)
    assert entry.path == "/v1/chat/completions?key=[redacted]&x=1"
    assert entry.headers["authorization"] == "Bearer [redacted]"
    assert (entry.headers["x-api-key"], entry.headers["x-other"]) == ("[redacted]", "o")
    assert entry.text == "After a long pause for thought, my answer is still yes."
    assert entry.tokens == 13
    assert entry.writes[0].tokens == 0
    assert before < entry.received <= entry.writes[0].at < entry.writes[1].at < time.monotonic()
    assert Entry.from_json(entry.to_json()) == entry


SAID = "scenario hello case cut"
TURNS = [{"role": "user", "content": "case first"}, {"role": "assistant", "content": "In case of doubt."}]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [*TURNS, {"role": "user", "content": SAID}], "new": "in case of need"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": 5}, {"role": "user", "content": SAID}]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": SAID}]}], "n": 0}),
        ("/v1/responses", {"input": SAID, "stream": "yes"}),
        ("/v1beta/models/m:generateContent", {"contents": [{"parts": [{"text": SAID}]}], "new": 1}),
        ("/api/chat", {"model": "", "messages": [*TURNS, {"role": "user", "content": SAID}, TURNS[1]]}),
        ("/vllm/v1/chat/completions", {"messages": [{"role": "user", "content": SAID}], "n": 2}),
    ],
)
async def test_a_refused_request_is_found_by_the_case_of_its_last_message(
    http: httpx.AsyncClient, fakes: Fakes, path: str, body: dict[str, object]
) -> None:
    answer = await http.post(path, json={"model": "m", **body} if "/v1/" in path else body, headers=KEYS)
    assert answer.status_code in (400, 404)
    [entry] = await fakes.wait_ended("cut", 3)
    assert (entry.status, entry.script, entry.body["new"] if "new" in body else None) == (
        answer.status_code,
        None,
        body.get("new"),
    )


async def test_a_request_with_a_lone_surrogate_is_refused_and_readable(http: httpx.AsyncClient, fakes: Fakes) -> None:
    said = b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800 caf\\u00e9 case odd"}]}'
    assert (await http.post("/v1/chat/completions", content=said, headers=KEYS)).status_code == 400
    [entry] = await fakes.wait_ended("odd", 3)
    assert entry.body["messages"][0]["content"] == "? café case odd"


@timed
async def test_waits_wake_as_soon_as_it_happens(served: Served, fakes: Fakes) -> None:
    waiting = asyncio.create_task(fakes.wait_tokens("later", 4, 5))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    served.ask("scenario paced case later")
    [entry] = await waiting
    reached = time.monotonic()
    assert entry.tokens >= 4
    assert reached - entry.writes[3].at < 0.1
    assert entry.ended is None
    [entry] = await fakes.wait_ended("later", 5)
    assert entry.tokens == 20


async def test_a_wait_in_vain_says_what_was_seen(served: Served, fakes: Fakes) -> None:
    with pytest.raises(FakesError, match=r"0.05 s that case none has ended; seen: no request"):
        await fakes.wait_ended("none", 0.05)
    served.ask("scenario stall case half")
    await fakes.wait_tokens("half", 3, 3)
    with pytest.raises(FakesError, match=r"case half has ended; seen: #1 running, 3 tokens"):
        await fakes.wait_ended("half", 0.05)
    with pytest.raises(FakesError, match=r"case half has 2 requests"):
        await fakes.wait_entries("half", 2, 0.05)


async def test_the_journal_can_be_cleared_while_a_request_runs(served: Served, fakes: Fakes) -> None:
    sock = served.ask("scenario paced case forgotten")
    await fakes.wait_tokens("forgotten", 2, 3)
    await fakes.clear()
    sock.close()
    assert await fakes.entries() == []


def entry(number: int, case: str = "c") -> Entry:
    return Entry(number, "openai", "POST", "/", {}, None, 0.0, case=case)


async def test_the_journal_is_bounded_by_entries_and_by_weight() -> None:
    journal = Journal(max_entries=3, max_weight=100_000)
    for number in range(1, 6):
        journal.begin(lambda n: entry(n, f"c{n % 2}"), 0, 0)
        assert len(journal.entries()) == min(number, 3)
    assert [e.id for e in journal.entries()] == [3, 4, 5]
    assert [e.id for e in journal.entries("c1")] == [3, 5]
    assert [e.id for e in journal.entries(limit=2)] == [4, 5]
    assert journal.dropped == 2
    journal.begin(entry, 99_000, 0)
    assert [e.id for e in journal.entries()] == [6]
    journal.begin(entry, 1_000_000, 0)
    assert [e.id for e in journal.entries()] == [7]
    assert journal.entries("c0") == journal.entries("c1") == []


def test_secrets_are_redacted() -> None:
    headers = {"authorization": "abc", "x-goog-api-key": "k", "api-key": "k", "cookie": "c", "accept": "a"}
    redacted = redacted_headers(headers)
    assert redacted.pop("accept") == "a"
    assert set(redacted.values()) == {"[redacted]"}
    assert redacted_headers({"authorization": "Basic abc"}) == {"authorization": "Basic [redacted]"}
    assert redacted_headers({"authorization": "bearer x"}) == {"authorization": "Bearer [redacted]"}
    assert redacted_path("/p", "a=1&KEY=x&b") == "/p?a=1&KEY=[redacted]&b"
    assert redacted_path("/p", "") == "/p"
