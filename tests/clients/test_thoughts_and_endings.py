"""Thoughts, refusals, empty replies and other endings, as every dialect's official clients read them, unmodified."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from chatproof.fake_providers.scripting.script import Script
from tests.clients import node
from tests.fake_providers.kit import Served

pytest.importorskip("openai", reason="openai is not installed: make setup")
pytest.importorskip("ollama", reason="ollama is not installed: make setup")
pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")

import ollama
import openai
from google import genai
from google.genai import types

# google-genai derives its own session from aiohttp's, which aiohttp discourages: nothing that a test could change.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

SUMMARY: dict[str, Any] = {"reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]}
GEMINI = "gemini-2.5-flash"


class City(BaseModel):
    name: str


def said(name: str) -> list[Any]:
    return [{"role": "user", "content": f"scenario {name}"}]


@pytest.fixture
def client(served: Served) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="sk-test", max_retries=0) as made:
        yield made


@pytest.fixture
def gemini(served: Served) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=served.url, timeout=5_000)
    with genai.Client(api_key="secret", http_options=options) as made:
        yield made


@pytest.fixture
def local(served: Served) -> Iterator[Any]:
    with ollama.Client(host=served.url, trust_env=False, timeout=5) as made:
        yield made


def thoughts(scripts: dict[str, Script]) -> str:
    return "".join(scripts["reasoning"].thoughts)


# OpenAI, in Python


def test_chat_completions_count_thoughts(client: Any, scripts: dict[str, Script]) -> None:
    whole = client.chat.completions.create(model="gpt-5", messages=said("reasoning"))
    assert whole.choices[0].message.content == scripts["reasoning"].text
    assert whole.usage.completion_tokens_details.reasoning_tokens == len(scripts["reasoning"].thoughts)
    options = {"stream_options": {"include_usage": True}}
    with client.chat.completions.stream(model="gpt-5", messages=said("reasoning"), **options) as stream:
        final = stream.get_final_completion()
    assert (final.choices[0].message.content, final.usage) == (scripts["reasoning"].text, whole.usage)


def test_chat_completions_refuse(client: Any, scripts: dict[str, Script]) -> None:
    parsed = client.chat.completions.parse(model="gpt-4o", messages=said("refusal"), response_format=City)
    assert (parsed.choices[0].message.refusal, parsed.choices[0].message.parsed) == (scripts["refusal"].refusal, None)
    with client.chat.completions.stream(model="gpt-4o", messages=said("refusal"), response_format=City) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    assert "".join(event.delta for event in events if event.type == "refusal.delta") == scripts["refusal"].refusal
    assert [event.refusal for event in events if event.type == "refusal.done"] == [scripts["refusal"].refusal]
    assert (final.choices[0].message.refusal, final.choices[0].message.content) == (scripts["refusal"].refusal, None)


def test_chat_completions_end_in_every_way(client: Any) -> None:
    for name, reason in {"empty": "stop", "length": "length", "content-filter": "content_filter"}.items():
        whole = client.chat.completions.create(model="gpt-4o", messages=said(name))
        chunks = list(client.chat.completions.create(model="gpt-4o", messages=said(name), stream=True))
        assert whole.choices[0].finish_reason == chunks[-1].choices[0].finish_reason == reason
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert (whole.choices[0].message.content, bool(text)) == (text, name != "empty")
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="gpt-4o", messages=said("length"), response_format=City)
    with pytest.raises(openai.ContentFilterFinishReasonError):
        client.chat.completions.parse(model="gpt-4o", messages=said("content-filter"), response_format=City)


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("quota", "RateLimitError", "insufficient_quota"),
        ("context-length", "BadRequestError", "context_length_exceeded"),
        ("model-not-found", "NotFoundError", "model_not_found"),
        ("blocked", "BadRequestError", "invalid_prompt"),
    ],
)
def test_errors_are_the_clients_own(client: Any, name: str, kind: str, code: str) -> None:
    with pytest.raises(getattr(openai, kind)) as caught:
        client.chat.completions.create(model="gpt-4o", messages=said(name))
    assert caught.value.code == code
    with pytest.raises(getattr(openai, kind)) as caught:
        client.responses.create(model="gpt-4o", input=f"scenario {name}")
    assert caught.value.code == code


def test_responses_reason(client: Any, scripts: dict[str, Script]) -> None:
    asked: dict[str, Any] = {"model": "gpt-5", "input": "scenario reasoning", **SUMMARY}
    whole = client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert type(whole).model_validate(whole.model_dump(warnings=False), strict=True)
    assert final.output_text == whole.output_text == scripts["reasoning"].text
    for response in (whole, final):
        reasoning, message = response.output
        assert (reasoning.type, message.type) == ("reasoning", "message")
        assert "".join(part.text for part in reasoning.summary) == thoughts(scripts)
        assert reasoning.encrypted_content.startswith("gAAAA")
        assert response.usage.output_tokens_details.reasoning_tokens == len(scripts["reasoning"].thoughts)
    deltas = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    assert tuple(deltas) == scripts["reasoning"].thoughts
    again = [*said("hello"), *(item.model_dump() for item in whole.output), *said("hello")]
    assert client.responses.create(model="gpt-5", input=again).output_text == scripts["hello"].text


def test_responses_refuse_and_end_in_every_way(client: Any, scripts: dict[str, Script]) -> None:
    with client.responses.stream(model="gpt-4o", input="scenario refusal", text_format=City) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    (part,) = final.output[0].content
    assert (part.type, part.refusal, final.output_parsed) == ("refusal", scripts["refusal"].refusal, None)
    assert kinds.count("response.refusal.done") == 1
    assert client.responses.create(model="gpt-4o", input="scenario empty").output_text == ""
    for name, reason in {"length": "max_output_tokens", "content-filter": "content_filter"}.items():
        ended = client.responses.create(model="gpt-4o", input=f"scenario {name}")
        assert (ended.status, ended.incomplete_details.reason) == ("incomplete", reason)


# the OpenAI client with local servers


@pytest.mark.parametrize(
    ("product", "field"),
    [
        ("vllm", "reasoning"),
        ("ollama", "reasoning"),
        ("llamacpp", "reasoning_content"),
        ("lmstudio", "reasoning_content"),
    ],
)
def test_local_servers_have_thoughts_in_a_field(
    served: Served, product: str, field: str, scripts: dict[str, Script]
) -> None:
    with openai.OpenAI(base_url=f"{served.url}/{product}/v1", api_key="none", max_retries=0) as client:
        asked: dict[str, Any] = {"model": "qwen3:8b", "messages": said("reasoning")}
        message = client.chat.completions.create(**asked).choices[0].message
        chunks = list(client.chat.completions.create(**asked, stream=True))
        refused = client.chat.completions.create(model="qwen3:8b", messages=said("refusal")).choices[0].message
    assert getattr(message, field) == thoughts(scripts)
    assert message.content == scripts["reasoning"].text
    assert "".join(getattr(chunk.choices[0].delta, field, None) or "" for chunk in chunks) == thoughts(scripts)
    assert (refused.content, refused.refusal) == (scripts["refusal"].refusal, None)


# Gemini, in Python


def test_gemini_thinks(gemini: genai.Client, scripts: dict[str, Script]) -> None:
    asked: dict[str, Any] = {"model": GEMINI, "contents": "scenario reasoning"}
    shown = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    whole = gemini.models.generate_content(**asked, config=shown)
    parts = whole.candidates[0].content.parts if whole.candidates and whole.candidates[0].content else None
    assert parts
    assert "".join(part.text or "" for part in parts if part.thought) == thoughts(scripts)
    assert whole.text == scripts["reasoning"].text
    assert parts[-1].thought_signature
    assert whole.usage_metadata
    assert whole.usage_metadata.thoughts_token_count == len(scripts["reasoning"].thoughts)
    chunks = list(gemini.models.generate_content_stream(**asked, config=shown))
    streamed = [part for chunk in chunks for part in chunk.parts or ()]
    assert "".join(part.text or "" for part in streamed if part.thought) == thoughts(scripts)
    hidden = gemini.models.generate_content(**asked)
    assert (hidden.text, hidden.usage_metadata) == (whole.text, whole.usage_metadata)
    chat = gemini.chats.create(model=GEMINI)
    chat.send_message("scenario reasoning")
    assert chat.send_message("scenario hello").text == scripts["hello"].text


def test_gemini_refuses_and_ends_in_every_way(gemini: genai.Client) -> None:
    for name, reason in {
        "refusal": "SAFETY",
        "empty": "STOP",
        "length": "MAX_TOKENS",
        "content-filter": "SAFETY",
    }.items():
        whole = gemini.models.generate_content(model=GEMINI, contents=f"scenario {name}")
        *_, last = gemini.models.generate_content_stream(model=GEMINI, contents=f"scenario {name}")
        for reply in (whole, last):
            assert reply.candidates
            assert reply.candidates[0].finish_reason == types.FinishReason(reason)
        assert bool(whole.text) == (name == "length")
    calls = gemini.models.generate_content(model=GEMINI, contents="scenario parallel-tools").function_calls
    assert [call.args and call.args["city"] for call in calls or ()] == ["Lima", "Cairo"]


# Ollama, in Python


def test_ollama_thinks(local: Any, scripts: dict[str, Script]) -> None:
    asked = {"model": "qwen3:8b", "messages": said("reasoning")}
    whole = local.chat(**asked, think=True)
    assert (whole.message.thinking, whole.message.content) == (thoughts(scripts), scripts["reasoning"].text)
    parts = list(local.chat(**asked, think=True, stream=True))
    assert "".join(part.message.thinking or "" for part in parts) == thoughts(scripts)
    assert "".join(part.message.content or "" for part in parts) == scripts["reasoning"].text
    assert local.chat(**asked, think=False).message.thinking is None
    generated = local.generate(model="qwen3:8b", prompt="scenario reasoning", think=True)
    assert (generated.thinking, generated.response) == (thoughts(scripts), scripts["reasoning"].text)
    assert local.chat(model="qwen3:8b", messages=said("refusal")).message.content == scripts["refusal"].refusal
    assert local.chat(model="qwen3:8b", messages=said("empty")).message.content == ""
    with pytest.raises(ollama.ResponseError, match="no content filter") as caught:
        local.chat(model="qwen3:8b", messages=said("content-filter"))
    assert caught.value.status_code == 400


# in JavaScript


@node.needs("openai")
async def test_javascript_reads_openai(served: Served, scripts: dict[str, Script]) -> None:
    async def ask(command: str, name: str, **body: Any) -> Any:
        given = json.dumps({"text": f"scenario {name}", "body": body})
        return (await node.run("openai.mjs", f"{served.url}/v1", command, given))["value"]

    final = (await ask("helper", "refusal"))["final"]["choices"][0]["message"]
    assert (final["refusal"], final["content"]) == (scripts["refusal"].refusal, None)
    response = await ask("responseHelper", "reasoning", **SUMMARY)
    assert response["text"] == scripts["reasoning"].text
    reasoning = response["final"]["output"][0]
    assert "".join(part["text"] for part in reasoning["summary"]) == thoughts(scripts)
    assert reasoning["encrypted_content"].startswith("gAAAA")
    events = await ask("responseStream", "refusal")
    refusal = "".join(event["delta"] for event in events if event["type"] == "response.refusal.delta")
    assert refusal == scripts["refusal"].refusal
    chunks = await node.run("openai.mjs", f"{served.url}/vllm/v1", "stream", '{"text": "scenario reasoning"}')
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks["value"]]
    assert "".join(delta.get("reasoning", "") for delta in deltas) == thoughts(scripts)


@node.needs("@google/genai")
async def test_javascript_reads_gemini(served: Served, scripts: dict[str, Script]) -> None:
    found = await node.run("gemini.mjs", served.url, "thoughts", "reasoning", "refusal", "empty")
    reasoning = found["reasoning"]
    assert "".join(part["text"] for part in reasoning["parts"] if part.get("thought")) == thoughts(scripts)
    assert reasoning["text"] == scripts["reasoning"].text
    assert reasoning["usage"]["thoughtsTokenCount"] == len(scripts["reasoning"].thoughts)
    assert reasoning["parts"][-1]["thoughtSignature"]
    assert found["refusal"]["candidate"]["finishReason"] == "SAFETY"
    assert (found["empty"]["candidate"]["finishReason"], found["empty"]["parts"]) == ("STOP", [])


@node.needs("ollama")
async def test_javascript_reads_ollama(served: Served, scripts: dict[str, Script]) -> None:
    streamed = await node.run("ollama.mjs", served.url, "stream", "reasoning", "empty")
    assert "".join(streamed["reasoning"]["thoughts"]) == thoughts(scripts)
    assert "".join(streamed["reasoning"]["texts"]) == scripts["reasoning"].text
    assert (streamed["empty"]["texts"], streamed["empty"]["last"]["done"]) == ([""], True)
    whole = await node.run("ollama.mjs", served.url, "whole", "reasoning", "content-filter")
    assert whole["reasoning"]["message"]["thinking"] == thoughts(scripts)
    assert whole["content-filter"]["status"] == 400
