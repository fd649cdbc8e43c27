"""What the provider's answers become: tokens, or one error that shows nothing of the inside."""

import json
from collections.abc import Iterator

import pytest

from chatproof.reference_server.config import Config
from chatproof.reference_server.providers.http_provider import Usage
from chatproof.reference_server.providers.openai import OpenAI
from chatproof.reference_server.sessions import ChatMessage
from tests.reference_server.model import Model, heard

PATH = "/v1/chat/completions"
KEY = "sk-secret"
HELLO = [ChatMessage(role="user", content="hello")]


@pytest.fixture
def provider(model: Model) -> Iterator[OpenAI]:
    openai = OpenAI(Config(openai_api_key=KEY, openai_base_url=f"{model.url}/v1"))
    yield openai
    openai.close()


def chunk(text: str | None = None, finish: str | None = None) -> str:
    delta = {} if text is None else {"content": text}
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}, ensure_ascii=False)


def body(*events: str) -> bytes:
    return "".join(f"data: {event}\n\n" for event in events).encode()


def ask(provider: OpenAI, model: Model, content: bytes, status: int = 200) -> tuple[list[str], str]:
    """The tokens, and the error behind them if any."""
    model.answers[PATH] = status, content
    return heard(provider.stream(HELLO, Usage()))


def test_the_request_is_what_the_api_documents(provider: OpenAI, model: Model) -> None:
    ask(provider, model, body(chunk("x"), chunk(finish="stop"), "[DONE]"))
    ((path, headers, sent),) = model.asked
    assert (path, headers["authorization"]) == (PATH, f"Bearer {KEY}")
    assert (sent["messages"], sent["stream"]) == (HELLO, True)


def test_tokens_are_unchanged_and_empty_ones_left_out(provider: OpenAI, model: Model) -> None:
    usage = json.dumps({"choices": [], "usage": {"total_tokens": 3}})
    role = json.dumps({"choices": [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]})
    content = body(role, chunk(""), chunk(" a\u2028"), chunk("b \n"), chunk(finish="stop"), usage, "[DONE]")
    assert ask(provider, model, content) == ([" a\u2028", "b \n"], "")


@pytest.mark.parametrize("rest", [b"", b"data: [DONE]\n\n", b"data: {broken\n\n", b"data: [1]\n\n"])
def test_nothing_after_the_finish_reason_fails_a_reply(provider: OpenAI, model: Model, rest: bytes) -> None:
    assert ask(provider, model, body(chunk("a"), chunk("b", finish="length")) + rest) == (["a", "b"], "")


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([], "was lost"),
        (["[DONE]"], "was lost"),
        (["{broken"], "malformed"),
        (["5"], "malformed"),
        (["{}"], "malformed"),
        (['{"choices": [{"delta": {"content": 5}}]}'], "malformed"),
        ([r'{"choices": [{"delta": {"content": "\ud800"}}]}'], "malformed"),
        (['{"error": {"message": "sk-secret /srv/model.py"}}'], "reported an error"),
    ],
)
def test_a_failure_in_mid_reply_comes_after_its_tokens(
    provider: OpenAI, model: Model, events: list[str], error: str
) -> None:
    tokens, text = ask(provider, model, body(chunk("a"), chunk("b"), *events))
    assert tokens == ["a", "b"]
    assert error in text
    assert KEY not in text


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, "credentials"), (429, "busy"), (500, "unavailable"), (503, "unavailable"), (404, "rejected the request")],
)
def test_refusals_are_explained_in_own_words(provider: OpenAI, model: Model, status: int, error: str) -> None:
    tokens, text = ask(provider, model, b'{"error": {"message": "key sk-secret"}}', status)
    assert tokens == []
    assert error in text
    assert KEY not in text


@pytest.mark.parametrize(
    ("events", "tokens", "error"),
    [
        ([chunk("Par"), chunk(finish="content_filter")], ["Par"], "withheld"),
        ([chunk(finish="tool_calls")], [], "asked for a tool"),
        ([chunk(finish="function_call")], [], "asked for a tool"),
        ([json.dumps({"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}), chunk(finish="stop")], [], "a tool"),
        ([json.dumps({"choices": [{"delta": {"refusal": "I cannot."}}]}), chunk(finish="stop")], ["I cannot."], ""),
        ([chunk("cut"), chunk(finish="length")], ["cut"], ""),
    ],
)
def test_what_is_no_plain_text_is_said_or_told(
    provider: OpenAI, model: Model, events: list[str], tokens: list[str], error: str
) -> None:
    """A refusal is what the user reads; a filter's cut and a wish for a tool are no whole reply."""
    said, why = ask(provider, model, body(*events, "[DONE]"))
    assert said == tokens
    assert error in why
    assert bool(error) == bool(why)
