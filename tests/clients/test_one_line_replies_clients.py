"""One-line replies and a strict test as the official Python clients see them, in process and served."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from chatproof.fake_providers.dialects.provider_variables import Provider, client_variables
from chatproof.fake_providers.testing import calls, fails, says, says_json
from chatproof.fake_providers.testing.inprocess import InProcess
from chatproof.fake_providers.testing.threaded import ThreadedServer

NAME, CITY = "get_weather", {"type": "object", "properties": {"city": {"type": "string"}}}
REPLIES = (calls(NAME, city="Paris"), says("It is sunny."), says_json({"degrees": 20}))


@pytest.fixture(scope="module", params=["in process", "served"])
def fakes(request: pytest.FixtureRequest) -> Iterator[InProcess | ThreadedServer]:
    kind: Any = InProcess if request.param == "in process" else ThreadedServer
    with kind(pace="instant", exhausted="error", never_asked="error") as running:
        yield running


def point(fakes: Any, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables of the provider's clients."""
    root = fakes.url_of(provider) if isinstance(fakes, InProcess) else fakes.url
    for name, value in client_variables(provider, root).items():
        monkeypatch.setenv(name, value)


def exhausted(fakes: Any) -> None:
    """Everything planned was asked, and the last request came too often."""
    fakes.assert_all_asked()
    with pytest.raises(AssertionError, match="every planned script has been played"):
        fakes.check()
    fakes.unplanned.clear()
    fakes.check()


def test_openai(fakes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed: make setup")
    point(fakes, "openai", monkeypatch)
    tools = [{"type": "function", "function": {"name": NAME, "parameters": CITY}}]
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    fakes.plays(fails(429, retry_after_ms=1), *REPLIES)
    with openai.OpenAI() as client:
        create = client.chat.completions.create
        [call] = create(**asked, tools=tools).choices[0].message.tool_calls
        assert (call.function.name, call.function.arguments) == (NAME, '{"city":"Paris"}')
        chunks = list(create(**asked, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "It is sunny."
        assert client.responses.create(model="gpt-4o", input="hi").output_text == '{"degrees": 20}'
        with pytest.raises(openai.BadRequestError, match="every planned script has been played"):
            create(**asked)
    assert [entry.status for entry in fakes.journal.entries()][-5:] == [429, 200, 200, 200, 400], "no client asks again"
    exhausted(fakes)


def test_gemini(fakes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    genai = pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")
    point(fakes, "gemini", monkeypatch)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    fakes.plays(*REPLIES, exhausted="error")
    with genai.Client() as client:
        asked = {"model": "gemini-2.5-flash", "contents": "hi"}
        declared = {"name": NAME, "parameters_json_schema": CITY}
        config = genai.types.GenerateContentConfig(tools=[{"function_declarations": [declared]}])
        [call] = client.models.generate_content(**asked, config=config).function_calls
        assert (call.name, call.args) == (NAME, {"city": "Paris"})
        chunks = list(client.models.generate_content_stream(**asked))
        assert "".join(chunk.text or "" for chunk in chunks) == "It is sunny."
        assert client.models.generate_content(**asked).text == '{"degrees": 20}'
        with pytest.raises(genai.errors.ClientError, match="every planned script has been played"):
            client.models.generate_content(**asked)
    exhausted(fakes)


def test_ollama(fakes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ollama = pytest.importorskip("ollama", reason="ollama is not installed: make setup")
    point(fakes, "local", monkeypatch)
    fakes.plays(*REPLIES, exhausted="error")
    with ollama.Client(host=os.environ["OLLAMA_HOST"], trust_env=False) as client:
        asked = {"model": "llama3.2", "messages": [{"role": "user", "content": "hi"}]}
        tools = [{"type": "function", "function": {"name": NAME, "description": "", "parameters": CITY}}]
        [call] = client.chat(**asked, tools=tools).message.tool_calls
        assert (call.function.name, call.function.arguments) == (NAME, {"city": "Paris"})
        assert "".join(part.message.content or "" for part in client.chat(**asked, stream=True)) == "It is sunny."
        assert client.chat(**asked).message.content == '{"degrees": 20}'
        with pytest.raises(ollama.ResponseError, match="every planned script has been played"):
            client.chat(**asked)
    exhausted(fakes)
