"""What the first ask shows: which transport it uses, whether the server asks its provider, and what is said then."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chatproof.conformance.suite.judge import judge
from chatproof.conformance.suite.setup import Scene, environment
from chatproof.fake_providers.server.fake_server import FakeServer
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.report import RunSummary
from tests.servers.parts import Config, ProviderFailed
from tests.servers.plain_server import ChatServer

SAID = "Chat streaming failed: name 'Response' is not defined"


class BrokenStream(ChatServer):
    """Every stream over SSE is a 500 with a body."""

    async def on_stream(self, request: Any) -> Any:
        raise NameError(SAID)

    def refusal(self, refused: Any) -> Any:
        refused.text = SAID
        return super().refusal(refused)


class Canned(ChatServer):
    """Answers by itself: no provider is asked."""

    async def tokens(self, prompt: Any, ask: Any) -> Any:
        for word in ("Hello", " ", "you"):
            yield word


class Lost(ChatServer):
    """Asks somebody who is not there, and says so in an error event."""

    async def tokens(self, prompt: Any, ask: Any) -> Any:
        for word in list[str]():
            yield word
        raise ProviderFailed("Connection error.")


class Gateway(ChatServer):
    """Asks for a local model where OpenAI's address leads."""

    def question(self, messages: Any) -> dict[str, Any]:
        return {**super().question(messages), "model": "llama3.2"}


async def judged(server: type[ChatServer], *only: str) -> tuple[RunSummary, list[str]]:
    """Judge a server that runs here; the second value is what was said meanwhile."""
    fakes = FakeServer()
    said: list[str] = []
    await fakes.start()
    url = f"http://127.0.0.1:{fakes.port}"
    settings = Settings.read({"start": "x", "provider": ["openai"], "only": only, "silence": 3.0}, contract())
    one = server(Config.read(environment(url, "openai", "sk-x", settings)))
    try:
        scene = Scene(Target("http", "127.0.0.1", await one.start()), url)
        summary = await judge(settings, contract(), scene, said.append)
    finally:
        await one.stop()
        await fakes.stop()
    return summary, said


def verdicts(summary: RunSummary) -> dict[str, str]:
    return {row.requirement.id: row.verdict.value for row in summary.rows}


@pytest.mark.parametrize("only", [("SIO-01", "SIO-02", "SIO-08"), ("CHAT-01", "CHAT-02")])
async def test_rows_without_sse_are_judged_where_sse_is_broken(only: tuple[str, ...]) -> None:
    summary, _ = await judged(BrokenStream, *only)
    assert summary.error == ""
    assert verdicts(summary) == dict.fromkeys(only, "passed")


async def test_what_the_model_is_called_does_not_say_which_provider_is_asked() -> None:
    summary, said = await judged(Gateway, "TOK-01")
    assert verdicts(summary) == {"TOK-01": "passed"}
    assert not any("asked its provider" in line for line in said)


async def test_with_rows_of_sse_among_them_the_run_stops_with_the_body() -> None:
    summary, _ = await judged(BrokenStream, "SIO-01", "TOK-01")
    (cause,) = summary.causes
    assert SAID in cause.seen
    assert set(cause.ids) == {"SIO-01", "TOK-01"}


async def test_a_server_that_asks_no_provider_is_told_so_first_and_judged_as_a_black_box() -> None:
    summary, said = await judged(Canned, "TOK-01", "TOK-04", "INT-01")
    assert verdicts(summary) == {"TOK-01": "passed", "TOK-04": "not testable", "INT-01": "not testable"}
    assert summary.verdict == "fail"
    (cause,) = summary.causes
    assert cause.title == "The server never asks the fake provider"
    assert "does it use OPENAI_BASE_URL?" in cause.seen
    assert "OPENAI_BASE_URL=http://127.0.0.1:" in cause.do
    assert "LLM_PROVIDER=openai, OPENAI_API_KEY:" in cause.do
    assert cause.ids == ("TOK-04", "INT-01")
    assert any("OPENAI_API_KEY" in line and "only rows without a provider are judged" in line for line in said)


async def test_a_server_that_fails_for_want_of_its_provider_is_not_judged_row_by_row() -> None:
    summary, said = await judged(Lost)
    found = verdicts(summary)
    assert {found["REQ-01"], found["TOK-04"], found["SIO-01"]} == {"not testable"}
    (cause,) = summary.causes
    assert "failed (error event 'Connection error.') without asking the fake providers" in cause.seen
    assert any("nothing can be judged" in line for line in said)
    assert summary.seconds < 10


def test_a_dead_server_is_dead_over_sockets_too() -> None:
    settings = Settings.read({"base_url": "http://127.0.0.1:1", "only": ["SIO"]}, contract())
    summary = asyncio.run(judge(settings))
    assert "is the server running there?" in summary.error
