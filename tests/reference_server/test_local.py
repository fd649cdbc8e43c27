"""What a local model's answers become: an Ollama's, and an OpenAI-compatible server's at the same setting."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import respx

from reference_server.config import Config
from reference_server.providers.local import Local, decode_lines
from reference_server.providers.upstream import ProviderError, Usage
from reference_server.sessions import Message

URL = "http://127.0.0.1:1"
HELLO = [Message(role="user", content="hello")]
COMPLETION = b'data: {"choices": [{"delta": {"content": "hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


@pytest.fixture
def provider() -> Iterator[Local]:
    local = Local(Config(local_llm_url=URL))
    yield local
    local.close()


def line(text: str, **more: Any) -> str:
    return json.dumps({"message": {"role": "assistant", "content": text}, "done": False, **more}, ensure_ascii=False)


def ask(provider: Local) -> tuple[list[str], str]:
    """The tokens, and the error behind them if any."""
    tokens: list[str] = []
    try:
        tokens.extend(provider.stream(HELLO, Usage()))
    except ProviderError as error:
        return tokens, str(error)
    return tokens, ""


def test_ollamas_lines_are_tokens(provider: Local) -> None:
    with respx.mock:
        lines = [line("a\u2028"), line("\u0085b"), line("", done=True, done_reason="stop")]
        route = respx.post(f"{URL}/api/chat").respond(200, content="\n".join([*lines, ""]).encode())
        assert ask(provider) == (["a\u2028", "\u0085b"], "")
        sent = json.loads(route.calls.last.request.content)
    assert (sent["messages"], sent["stream"]) == (HELLO, True)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ([], "broke off"),
        (['{"error": "/srv/model crashed"}'], "reported an error"),
        (["{broken"], "malformed"),
        (["[]"], "malformed"),
        (['{"done": false}'], "malformed"),
        (['{"message": {"content": "x"}}'], "malformed"),
    ],
)
def test_a_failure_comes_after_its_tokens(provider: Local, lines: list[str], error: str) -> None:
    with respx.mock:
        respx.post(f"{URL}/api/chat").respond(200, content="\n".join([line("a"), *lines, ""]).encode())
        tokens, text = ask(provider)
    assert tokens[0] == "a"
    assert error in text
    assert "/srv" not in text


def test_a_server_without_ollamas_route_is_asked_as_openai_is_from_then_on(provider: Local) -> None:
    with respx.mock:
        ollama = respx.post(f"{URL}/api/chat").respond(404)
        respx.post(f"{URL}/v1/chat/completions").respond(200, content=COMPLETION)
        assert [ask(provider) for _ in range(3)] == [(["hi"], "")] * 3
        assert ollama.call_count == 1


def test_a_model_that_ollama_does_not_have_is_an_error_and_ollama_is_asked_again(provider: Local) -> None:
    with respx.mock:
        ollama = respx.post(f"{URL}/api/chat").respond(404, json={"error": "model not found"})
        respx.post(f"{URL}/v1/chat/completions").respond(404)
        for _ in range(2):
            assert "did not accept" in ask(provider)[1]
        assert ollama.call_count == 2


def test_a_root_that_ends_in_v1_is_openai_compatible() -> None:
    local = Local(Config(local_llm_url=f"{URL}/v1"))
    with respx.mock:
        respx.post(f"{URL}/v1/chat/completions").respond(200, content=COMPLETION)
        assert ask(local) == (["hi"], "")
    local.close()


def test_lines_may_be_cut_anywhere() -> None:
    body = 'é\u2028\n\n{"a": 1}\r\nrest'.encode()
    for cut in range(len(body)):
        assert list(decode_lines([body[:cut], body[cut:]])) == ["é\u2028", '{"a": 1}\r']
    with pytest.raises(ValueError, match="without end"):
        list(decode_lines([b"x" * 600_000] * 2))
