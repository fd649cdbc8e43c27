"""What a local model's answers become: an Ollama's, and an OpenAI-compatible server's at the same setting."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chatproof.reference_server.config import Config
from chatproof.reference_server.providers.http_provider import Usage
from chatproof.reference_server.providers.local import Local
from chatproof.reference_server.sessions import ChatMessage
from tests.reference_server.model import Model, heard

OLLAMA, OPENAI = "/api/chat", "/v1/chat/completions"
HELLO = [ChatMessage(role="user", content="hello")]
COMPLETION = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


@pytest.fixture
def provider(model: Model) -> Iterator[Local]:
    local = Local(Config(local_llm_url=model.url))
    yield local
    local.close()


def line(text: str, **more: Any) -> str:
    return json.dumps({"message": {"role": "assistant", "content": text}, "done": False, **more}, ensure_ascii=False)


def ask(provider: Local) -> tuple[list[str], str]:
    """The tokens, and the error behind them if any."""
    return heard(provider.stream(HELLO, Usage()))


def lines_of(*lines: str) -> tuple[int, bytes]:
    return 200, "\n".join([*lines, ""]).encode()


def test_ollamas_lines_are_tokens(provider: Local, model: Model) -> None:
    model.answers[OLLAMA] = lines_of(line("a\u2028"), line("\u0085b"), line("", done=True, done_reason="stop"))
    assert ask(provider) == (["a\u2028", "\u0085b"], "")
    ((_, _, sent),) = model.asked
    assert (sent["messages"], sent["stream"]) == (HELLO, True)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([], "was lost"),
        (['{"error": "/srv/model crashed"}'], "reported an error"),
        (["{broken"], "malformed"),
        (["[]"], "malformed"),
        (['{"done": false}'], "malformed"),
        (['{"message": {"content": "x"}}'], "malformed"),
        (['{"message": {"content": "", "tool_calls": [{"function": {"name": "f"}}]}, "done": true}'], "tool"),
    ],
)
def test_a_failure_comes_after_its_tokens(provider: Local, model: Model, lines: list[str], error: str) -> None:
    model.answers[OLLAMA] = lines_of(line("a"), *lines)
    tokens, text = ask(provider)
    assert tokens[0] == "a"
    assert error in text
    assert "/srv" not in text


def test_a_server_without_ollamas_route_is_asked_as_openai_is_from_then_on(provider: Local, model: Model) -> None:
    model.answers[OPENAI] = 200, COMPLETION
    assert [ask(provider) for _ in range(3)] == [(["hi"], "")] * 3
    assert (model.count(OLLAMA), model.count(OPENAI)) == (1, 3)


def test_a_model_that_ollama_does_not_have_is_an_error_and_ollama_is_asked_again(provider: Local, model: Model) -> None:
    for _ in range(2):
        assert "rejected the request" in ask(provider)[1]
    assert model.count(OLLAMA) == 2


def test_a_root_that_ends_in_v1_is_openai_compatible(model: Model) -> None:
    local = Local(Config(local_llm_url=f"{model.url}/v1"))
    model.answers[OPENAI] = 200, COMPLETION
    assert ask(local) == (["hi"], "")
    local.close()
    assert model.count(OLLAMA) == 0
