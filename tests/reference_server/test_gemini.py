"""What Gemini's answers become. Source: https://ai.google.dev/api/generate-content"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chatproof.reference_server.config import Config
from chatproof.reference_server.providers.gemini import Gemini
from chatproof.reference_server.providers.http_provider import Usage
from chatproof.reference_server.sessions import ChatMessage
from tests.reference_server.model import Model, heard

PATH = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
TALK = [
    ChatMessage(role="user", content="hi"),
    ChatMessage(role="assistant", content="hello"),
    ChatMessage(role="user", content="and?"),
]
Chunk = dict[str, Any]


@pytest.fixture
def provider(model: Model) -> Iterator[Gemini]:
    gemini = Gemini(Config(gemini_api_key="secret-key", google_gemini_base_url=model.url))
    yield gemini
    gemini.close()


def chunk(*texts: str, finish: str | None = None, **more: Any) -> Chunk:
    candidate: Chunk = {"content": {"parts": [{"text": text} for text in texts], "role": "model"}, "index": 0}
    return {"candidates": [{**candidate, **({"finishReason": finish} if finish else {})}], **more}


def usage(tokens_in: int, tokens_out: int) -> Chunk:
    return {"usageMetadata": {"promptTokenCount": tokens_in, "candidatesTokenCount": tokens_out}}


def ask(provider: Gemini, model: Model, *chunks: Chunk | str, status: int = 200) -> tuple[list[str], str, Usage]:
    """The tokens, the error behind them if any, and what was counted."""
    lines = (one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in chunks)
    model.answers[PATH] = status, "".join(f"data: {line}\r\n\r\n" for line in lines).encode()
    counted = Usage()
    return *heard(provider.stream(TALK, counted)), counted


def test_the_request_is_what_the_api_documents(provider: Gemini, model: Model) -> None:
    ask(provider, model, chunk("a", finish="STOP"))
    ((_, headers, sent),) = model.asked
    assert headers["x-goog-api-key"] == "secret-key"
    said = [(one["role"], one["parts"][0]["text"]) for one in sent["contents"]]
    assert said == [("user", "hi"), ("model", "hello"), ("user", "and?")]


def test_texts_are_tokens_and_the_api_counts(provider: Gemini, model: Model) -> None:
    chunks = [chunk("Hel", **usage(7, 1)), chunk("lo ", "you\u2028"), chunk("", finish="STOP", **usage(7, 3))]
    assert ask(provider, model, *chunks) == (["Hel", "lo you\u2028"], "", Usage(7, 3))


def test_a_wish_for_a_tool_is_an_error(provider: Gemini, model: Model) -> None:
    wish = chunk("", finish="STOP")
    wish["candidates"][0]["content"]["parts"] = [{"functionCall": {"name": "weather", "args": {}}}]
    tokens, error, _ = ask(provider, model, chunk("a"), wish)
    assert tokens == ["a"]
    assert "tool" in error


def test_thoughts_are_no_part_of_the_reply(provider: Gemini, model: Model) -> None:
    thought = chunk("hm")
    thought["candidates"][0]["content"]["parts"][0]["thought"] = True
    assert ask(provider, model, thought, chunk("a", finish="MAX_TOKENS"))[:2] == (["a"], "")


@pytest.mark.parametrize(
    ("chunks", "error"),
    [
        ([], "was lost"),
        ([chunk("b")], "was lost"),
        ([chunk("b", finish="SAFETY")], "withheld"),
        ([{"promptFeedback": {"blockReason": "SAFETY"}, **usage(7, 0)}], "refused to answer"),
        ([{"error": {"code": 503, "message": "secret-key", "status": "UNAVAILABLE"}}], "reported an error"),
        (["{broken"], "malformed"),
        (["5"], "malformed"),
        ([{}], "malformed"),
        ([{"candidates": [5]}], "malformed"),
        ([{"candidates": [{"content": {"parts": [{"text": 5}]}}]}], "malformed"),
    ],
)
def test_a_failure_comes_after_its_tokens(
    provider: Gemini, model: Model, chunks: list[Chunk | str], error: str
) -> None:
    tokens, text, _ = ask(provider, model, chunk("a"), *chunks)
    assert tokens[0] == "a"
    assert error in text
    assert "secret-key" not in text


@pytest.mark.parametrize(("status", "error"), [(400, "rejected the request"), (403, "credentials"), (429, "busy")])
def test_refusals_are_explained_in_own_words(provider: Gemini, model: Model, status: int, error: str) -> None:
    assert error in ask(provider, model, {"error": {"message": "secret-key"}}, status=status)[1]
