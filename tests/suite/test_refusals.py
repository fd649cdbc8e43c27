"""Servers that refuse with 429: the suite waits within bounds, whatever Retry-After says, and ends with a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.conformance.suite.rate_budget import MUTE, WINDOW, RateBudget
from chatproof.harness.client.connection import SourceAddresses
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from tests.suite.running import FAIL, suite
from tests.suite.test_hostile import answering

HOSTILE = [None, "nan", "inf", "-1", "1e9", "0", "5, 10", "9" * 5_000, "Sun, 29 Nov 2026 12:00:30 GMT"]


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each wait, none of which is waited."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("chatproof.conformance.suite.rate_budget.asyncio.sleep", sleep)
    return waits


def a_budget(say: Callable[[str], None] = lambda _: None, addresses: bool = True) -> RateBudget:
    settings = Settings.read({"base_url": "http://127.0.0.1:1"}, contract())
    return RateBudget(settings, SourceAddresses(available=addresses), False, say)


def a_refusal(retry_after: str | None) -> Transcript:
    refusal = Transcript(Transport.SSE, "POST /api/chat/stream", status=429)
    if retry_after is not None:
        refusal.headers.append(("retry-after", retry_after))
    return refusal


@pytest.mark.parametrize("header", HOSTILE)
async def test_whatever_retry_after_says_tries_and_pauses_are_bounded(header: str | None, slept: list[float]) -> None:
    budget = a_budget()

    async def ask() -> None:
        for waits in range(100):
            await budget.wait_out(a_refusal(header), waits)

    with pytest.raises(NotTestable, match="still answers 429"):
        await ask()
    assert 0 < len(slept) <= 6
    assert all(1 <= seconds <= WINDOW for seconds in slept)
    assert WINDOW <= sum(slept) <= 305


async def test_an_honest_retry_after_is_kept(slept: list[float]) -> None:
    await a_budget().wait_out(a_refusal("17"), 0)
    assert slept == [17]


@contextmanager
def refusing(*headers: str) -> Iterator[tuple[str, list[None]]]:
    """A server that answers everything with 429, its URL, and an entry for each request."""
    asked: list[None] = []
    head = "\r\n".join(("HTTP/1.1 429 Too Many Requests", *headers, "Content-Length: 0", "Connection: close", "", ""))

    def answer(connection: Any) -> None:
        asked.append(None)
        connection.sendall(head.encode())

    with answering(answer) as url:
        yield url, asked


def test_429_to_everything_is_red_after_one_wait_and_reports_are_written(tmp_path: Path) -> None:
    reports = {f"--report-{kind}": tmp_path / f"report.{kind}" for kind in ("json", "html", "md")}
    options = [word for option, path in reports.items() for word in (option, str(path))]
    with refusing("Retry-After: 1") as (url, asked):
        begun = time.monotonic()
        ran = suite("--base-url", url, *options)
        seconds = time.monotonic() - begun
    output = ran.stdout + ran.stderr
    assert ran.returncode == FAIL, output
    assert "INTERNALERROR" not in output
    assert "Traceback" not in output
    lines = [line for line in output.splitlines() if "chatproof: FAIL" in line]
    assert len(lines) == 1, output
    assert "status 429, and again 1 s later" in lines[0]
    assert 2 <= len(asked) <= 4  # with the connections that look for source addresses, and ask nothing
    assert seconds < 30
    assert all(path.stat().st_size for path in reports.values())


async def test_a_server_that_turns_to_429_costs_two_minutes_in_all_and_says_so_once(slept: list[float]) -> None:
    said: list[str] = []
    budget = a_budget(said.append)
    for _ in range(20):
        with suppress(NotTestable):
            await budget.wait_out(a_refusal("60"), 0)
    assert sum(slept) == 120
    assert [line for line in said if "429" in line][2:] == [
        "the server still answers 429 after 120 s of waiting; no more waiting"
    ]


async def test_with_one_address_only_the_budget_is_that_of_the_rate_limit_rows(slept: list[float]) -> None:
    budget = a_budget(addresses=False)
    for _ in range(20):
        with suppress(NotTestable):
            await budget.wait_out(a_refusal("60"), 0)
    assert sum(slept) == 300


def test_a_server_that_answers_nothing_any_more_is_given_up() -> None:
    budget, silence = a_budget(), Transcript(Transport.SSE)
    silence.ended(1.0, End.TIMEOUT)
    for _ in range(MUTE - 1):
        budget.note(silence)
    budget.note(Transcript(Transport.SSE, status=500, end=End.COMPLETE))
    for _ in range(MUTE - 1):
        budget.note(silence)
    assert budget.mute == 0
    with pytest.raises(NotTestable, match=f"none of the last {MUTE} requests"):
        budget.note(silence)
