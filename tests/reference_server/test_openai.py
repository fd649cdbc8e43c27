"""What the provider's answers become: tokens, or one error that shows nothing of the inside."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx

from reference_server.config import Config
from reference_server.providers.openai import OpenAI
from reference_server.providers.upstream import ProviderError, Usage
from reference_server.sessions import Message

URL = "http://127.0.0.1:1/v1/chat/completions"
KEY = "sk-secret"
HELLO = [Message(role="user", content="hello")]


@pytest.fixture
def provider() -> Iterator[OpenAI]:
    openai = OpenAI(Config(openai_api_key=KEY, openai_base_url=URL.removesuffix("/chat/completions")))
    yield openai
    openai.close()


def chunk(text: str | None = None, finish: str | None = None) -> str:
    delta = {} if text is None else {"content": text}
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}, ensure_ascii=False)


def body(*events: str) -> bytes:
    return "".join(f"data: {event}\n\n" for event in events).encode()


def answer(provider: OpenAI, content: bytes, status: int = 200) -> list[str]:
    with respx.mock:
        respx.post(URL).respond(status, content=content)
        return list(provider.stream(HELLO, Usage()))


def failure(provider: OpenAI, content: bytes, status: int = 200) -> tuple[list[str], str]:
    """The tokens before the error, and the error."""
    tokens: list[str] = []
    with respx.mock:
        respx.post(URL).respond(status, content=content)
        with pytest.raises(ProviderError) as caught:
            tokens.extend(provider.stream(HELLO, Usage()))
    return tokens, str(caught.value)


def test_the_request_is_what_the_api_documents(provider: OpenAI) -> None:
    with respx.mock:
        route = respx.post(URL).respond(200, content=body(chunk("x"), chunk(finish="stop"), "[DONE]"))
        list(provider.stream(HELLO, Usage()))
        request = route.calls.last.request
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    sent: dict[str, Any] = json.loads(request.content)
    assert sent["messages"] == HELLO
    assert sent["stream"] is True


def test_tokens_are_unchanged_and_empty_ones_left_out(provider: OpenAI) -> None:
    usage = json.dumps({"choices": [], "usage": {"total_tokens": 3}})
    role = json.dumps({"choices": [{"delta": {"role": "assistant", "content": None}, "finish_reason": None}]})
    content = body(role, chunk(""), chunk(" a\u2028"), chunk("b \n"), chunk(finish="stop"), usage, "[DONE]")
    assert answer(provider, content) == [" a\u2028", "b \n"]


@pytest.mark.parametrize("rest", [b"", b"data: [DONE]\n\n", b"data: {broken\n\n", b"data: [1]\n\n"])
def test_nothing_after_the_finish_reason_fails_a_reply(provider: OpenAI, rest: bytes) -> None:
    assert answer(provider, body(chunk("a"), chunk("b", finish="length")) + rest) == ["a", "b"]


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([], "broke off"),
        (["[DONE]"], "broke off"),
        (["{broken"], "malformed"),
        (["5"], "malformed"),
        (["{}"], "malformed"),
        (['{"choices": [{"delta": {"content": 5}}]}'], "malformed"),
        ([r'{"choices": [{"delta": {"content": "\ud800"}}]}'], "malformed"),
        (['{"error": {"message": "sk-secret /srv/model.py"}}'], "reported an error"),
    ],
)
def test_a_failure_in_mid_reply_comes_after_its_tokens(provider: OpenAI, events: list[str], error: str) -> None:
    tokens, text = failure(provider, body(chunk("a"), chunk("b"), *events))
    assert tokens == ["a", "b"]
    assert error in text
    assert KEY not in text


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, "credentials"), (429, "busy"), (500, "unavailable"), (503, "unavailable"), (404, "not accept")],
)
def test_refusals_are_explained_in_own_words(provider: OpenAI, status: int, error: str) -> None:
    tokens, text = failure(provider, b'{"error": {"message": "key sk-secret"}}', status)
    assert tokens == []
    assert error in text
    assert KEY not in text


@pytest.mark.parametrize(
    ("exception", "error"),
    [
        (httpx.ConnectError(URL), "cannot be reached"),
        (httpx.ReadTimeout(URL), "in time"),
        (httpx.RemoteProtocolError(URL), "broke off"),
    ],
)
def test_transport_errors_name_no_address(provider: OpenAI, exception: Exception, error: str) -> None:
    with respx.mock:
        respx.post(URL).mock(side_effect=exception)
        with pytest.raises(ProviderError, match=error) as caught:
            list(provider.stream(HELLO, Usage()))
    assert "127.0.0.1" not in str(caught.value)
