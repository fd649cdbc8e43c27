"""Runs without the fakes: what can be seen of rows that need them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from aiohttp import web

from chatproof.conformance.suite.judge import judge
from chatproof.fake_providers.server.fake_server import FakeServer
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report.verdicts import Row
from tests.servers.catalogue import SERVERS
from tests.servers.parts import Ask, Config, Message, Refused
from tests.servers.plain_server import ChatServer
from tests.servers.upstream import Upstream


async def judged(server: type[Upstream], *rows: str) -> dict[str, Row]:
    """The rows, of a server that has a provider of which the suite knows nothing."""
    fakes = FakeServer()
    await fakes.start()
    variables = {"OPENAI_BASE_URL": f"http://127.0.0.1:{fakes.port}/v1", "OPENAI_API_KEY": "k"}
    tested = server(Config.read(variables))
    url = f"http://127.0.0.1:{await tested.start()}"
    try:
        summary = await judge(Settings.read({"base_url": url, "only": rows, "profile": ["core"]}, contract()))
    finally:
        await tested.stop()
        await fakes.stop()
    assert not summary.error
    return {row.requirement.id: row for row in summary.rows}


class FailsNowAndThen(ChatServer):
    """Every seventh ask is answered with a 502, as where a real provider is overloaded."""

    asks = 0

    async def on_stream(self, request: web.Request) -> web.StreamResponse:
        self.asks += 1
        if self.asks % 7 == 0:
            raise Refused(502, "The language model is overloaded.")
        return await super().on_stream(request)


class InMilliseconds(ChatServer):
    """Its duration."""

    def duration(self, ask: Ask, first_at: float) -> float:
        return 1000 * super().duration(ask, first_at) + 1000


async def slow_tokens(server: ChatServer, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
    """A reply that a client can leave, and that others can overtake."""
    async with aclosing(Upstream.tokens(server, messages, ask)) as tokens:
        async for token in tokens:
            await asyncio.sleep(0.04)
            yield token


def test_an_ordinary_text_that_is_refused_is_seen() -> None:
    row = asyncio.run(judged(SERVERS["refuses-scripts"], "REQ-07"))["REQ-07"]
    assert row.verdict == "violated"
    assert "नमस्ते" in row.seen
    assert "status 400" in row.seen


def test_a_server_that_takes_all_texts_is_not_accused() -> None:
    """Also one whose provider fails now and then."""
    for server in (ChatServer, FailsNowAndThen):
        row = asyncio.run(judged(server, "REQ-07"))["REQ-07"]
        assert row.verdict == "passed", row.seen
        assert row.seen.startswith("judged without the fake providers: No text may be")


def test_what_needs_no_provider_is_judged() -> None:
    """`END-05` is not: the reply is too short."""
    rows = asyncio.run(judged(ChatServer, "END-05", "END-06", "ERR-04", "TOK-04"))
    assert {name: row.verdict.value for name, row in rows.items()} == {
        "END-05": "not applicable",
        "END-06": "passed",
        "ERR-04": "passed",
        "TOK-04": "not applicable",
    }
    assert "too short to measure" in rows["END-05"].seen


@pytest.mark.parametrize(("server", "verdict"), [(ChatServer, "passed"), (SERVERS["speed-inverted"], "violated")])
def test_the_speed_of_a_long_enough_reply_is_judged(
    server: type[Upstream], verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "tokens", slow_tokens)
    row = asyncio.run(judged(server, "END-05"))["END-05"]
    assert row.verdict == verdict, row.seen


def test_a_wrong_duration_is_seen() -> None:
    row = asyncio.run(judged(InMilliseconds, "END-06"))["END-06"]
    assert row.verdict == "violated"
    assert row.seen.startswith("duration 1")


@pytest.mark.parametrize(
    ("name", "row", "seen"),
    [
        ("plain", "SES-12", ""),
        ("last-writer", "SES-12", "`messages` was 4, and 6 after 3 exchanges at the same time"),
        ("plain", "INT-07", ""),
        ("session-locked", "INT-07", "the next exchange: error event 'A reply is still under way.'"),
    ],
)
def test_what_clients_see_of_sessions_is_judged(
    name: str, row: str, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SERVERS[name], "tokens", slow_tokens)
    found = asyncio.run(judged(SERVERS[name], row))[row]
    assert found.verdict == ("violated" if seen else "passed"), found.seen
    assert seen in found.seen
