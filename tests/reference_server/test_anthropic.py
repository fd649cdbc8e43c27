"""What Anthropic's answers become. Source: https://platform.claude.com/docs/en/build-with-claude/streaming"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chatproof.reference_server.config import Config
from chatproof.reference_server.providers.anthropic import Anthropic
from chatproof.reference_server.providers.http_provider import Usage
from chatproof.reference_server.sessions import ChatMessage
from tests.reference_server.model import Model, heard

PATH = "/v1/messages"
TALK = [
    ChatMessage(role="user", content="hi"),
    ChatMessage(role="assistant", content=""),
    ChatMessage(role="user", content="and?"),
]
Event = dict[str, Any]
START: Event = {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}}
PING: Event = {"type": "ping"}
STOP: Event = {"type": "message_stop"}


@pytest.fixture
def provider(model: Model) -> Iterator[Anthropic]:
    anthropic = Anthropic(Config(anthropic_api_key="secret-key", anthropic_base_url=model.url))
    yield anthropic
    anthropic.close()


def said(text: Any, kind: str = "text", index: int = 0) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", kind: text}}


def ended(reason: str | None) -> Event:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}}


def ask(provider: Anthropic, model: Model, *events: Event | str, status: int = 200) -> tuple[list[str], str, Usage]:
    """The tokens, the error behind them if any, and what was counted."""
    lines = (one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in events)
    model.answers[PATH] = status, "".join(f"event: x\ndata: {line}\n\n" for line in lines).encode()
    counted = Usage()
    return *heard(provider.stream(TALK, counted)), counted


def test_the_request_is_what_the_api_documents(provider: Anthropic, model: Model) -> None:
    ask(provider, model, STOP)
    ((_, headers, sent),) = model.asked
    assert headers["x-api-key"] == "secret-key"
    assert headers["anthropic-version"] == "2023-06-01"
    assert sent["messages"] == [{"role": "user", "content": "hi"}, {"role": "user", "content": "and?"}]
    assert sent["max_tokens"] > 0


def test_the_text_of_every_block_is_the_reply_and_the_api_counts(provider: Anthropic, model: Model) -> None:
    events = [
        START,
        said("Hel"),
        PING,
        said("lo\u2028", index=1),
        {"type": "new"},
        ended(None),
        ended("end_turn"),
        STOP,
    ]
    assert ask(provider, model, *events) == (["Hel", "lo\u2028"], "", Usage(7, 3))


def test_thoughts_and_citations_are_no_part_of_the_reply(provider: Anthropic, model: Model) -> None:
    others = [said("hm", "thinking"), said("c2ln", "signature"), said({"cited_text": "no"}, "citations")]
    assert ask(provider, model, *others, said("a"), ended("max_tokens"), STOP)[:2] == (["a"], "")


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([], "was lost"),
        ([ended("end_turn")], "was lost"),
        ([ended("refusal"), STOP], "withheld"),
        ([ended("tool_use"), STOP], "asked for a tool"),
        ([{"type": "error", "error": {"type": "overloaded_error", "message": "secret-key"}}], "reported an error"),
        (["{broken"], "malformed"),
        (["5"], "malformed"),
        ([{}], "malformed"),
        ([{"type": "content_block_delta"}], "malformed"),
        ([said(5)], "malformed"),
    ],
)
def test_a_failure_comes_after_its_tokens(
    provider: Anthropic, model: Model, events: list[Event | str], error: str
) -> None:
    tokens, text, _ = ask(provider, model, START, said("a"), *events)
    assert tokens[0] == "a"
    assert error in text
    assert "secret-key" not in text


@pytest.mark.parametrize(
    ("status", "error"), [(400, "rejected the request"), (401, "credentials"), (529, "unavailable")]
)
def test_refusals_are_explained_in_own_words(provider: Anthropic, model: Model, status: int, error: str) -> None:
    assert error in ask(provider, model, {"type": "error", "error": {"message": "secret-key"}}, status=status)[1]
