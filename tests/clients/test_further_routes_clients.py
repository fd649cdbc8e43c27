"""Stored responses, text completions, and Gemini's OpenAI path and Interactions, with the official Python clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chatproof.fake_providers.scripting.script import Script
from tests.fake_providers.kit import Served

pytest.importorskip("openai", reason="the official openai client is not installed")
pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")

import openai
from google import genai
from google.genai import types
from openai import OpenAI

GEMINI = "gemini-3.8-flash"
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


@pytest.fixture
def client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{served.url}/v1", api_key="sk-test", max_retries=0) as made:
        yield made


@pytest.fixture
def compatible(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{served.url}/v1beta/openai/", api_key="google-key", max_retries=0) as made:
        yield made


@pytest.fixture
def google(served: Served) -> Iterator[genai.Client]:
    retries = types.HttpRetryOptions(attempts=1)
    options = types.HttpOptions(base_url=served.url, timeout=5_000, retry_options=retries)
    with genai.Client(api_key="google-key", http_options=options) as made:
        yield made


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_responses_are_kept(client: OpenAI, scripts: dict[str, Script]) -> None:
    first = client.responses.create(model="gpt-4o", input="scenario hello")
    assert client.responses.retrieve(first.id).output_text == scripts["hello"].text
    with client.responses.retrieve(first.id, stream=True, starting_after=1) as events:
        numbers = [event.sequence_number for event in events]
    assert numbers == list(range(2, numbers[-1] + 1))
    with client.responses.stream(response_id=first.id) as stream:
        assert stream.get_final_response().output_text == scripts["hello"].text
    second = client.responses.create(model="gpt-4o", input="And now?", previous_response_id=first.id)
    items = list(client.responses.input_items.list(second.id, order="asc", limit=1))
    assert [getattr(item, "role", "") for item in items] == ["user", "assistant", "user"]
    count = client.responses.input_tokens.count(model="gpt-4o", input="And now?", previous_response_id=first.id)
    assert second.usage is not None
    assert count.input_tokens == second.usage.input_tokens
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="gpt-4o", input="And now?", previous_response_id=first.id)


def test_the_background_is_waited_for_or_cancelled(client: OpenAI, scripts: dict[str, Script]) -> None:
    made = client.responses.create(model="gpt-4o", input="scenario hello", background=True)
    polls = 0
    while made.status in ("queued", "in_progress"):
        made, polls = client.responses.retrieve(made.id), polls + 1
    assert (made.output_text, polls) == (scripts["hello"].text, 2)
    other = client.responses.create(model="gpt-4o", input="scenario unicode", background=True)
    assert client.responses.cancel(other.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(client.responses.create(model="gpt-4o", input="Hi").id)


def test_text_completions(client: OpenAI, scripts: dict[str, Script]) -> None:
    model, most = "gpt-3.5-turbo-instruct", 500
    whole = client.completions.create(model=model, prompt="scenario hello", max_tokens=most, logprobs=1)
    assert whole.choices[0].text == scripts["hello"].text
    assert whole.choices[0].logprobs is not None
    assert whole.choices[0].logprobs.tokens
    stream = client.completions.create(model=model, prompt=["scenario unicode"], max_tokens=most, stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == scripts["unicode"].text
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model=model, prompt="Hi", logprobs=9)


def test_gemini_with_the_client_of_openai(compatible: OpenAI, scripts: dict[str, Script]) -> None:
    hello = scripts["hello"].text
    whole = compatible.chat.completions.create(model=GEMINI, messages=said("scenario hello"))
    assert (whole.choices[0].message.content, whole.model) == (hello, GEMINI)
    stream = compatible.chat.completions.create(model=GEMINI, messages=said("scenario hello"), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == hello
    called = compatible.chat.completions.create(model=GEMINI, messages=said("scenario tool-call"))
    assert called.choices[0].message.tool_calls
    assert called.choices[0].message.tool_calls[0].model_extra
    vectors = compatible.embeddings.create(model="gemini-embedding-001", input=["a", "b"])
    assert [len(one.embedding) for one in vectors.data] == [3_072, 3_072]
    assert f"models/{GEMINI}" in [model.id for model in compatible.models.list()]
    assert compatible.models.retrieve(GEMINI).id == f"models/{GEMINI}"
    with pytest.raises(openai.RateLimitError) as limited:
        compatible.chat.completions.create(model=GEMINI, messages=said("scenario rate-limited"))
    assert limited.value.response.json()[0]["error"]["status"] == "RESOURCE_EXHAUSTED"


def test_interactions(google: genai.Client, scripts: dict[str, Script]) -> None:
    made: Any = google.interactions.create(model=GEMINI, input="scenario hello")
    assert (made.status, made.output_text) == ("completed", scripts["hello"].text)
    stream: Any = google.interactions.create(model=GEMINI, input="scenario unicode", stream=True)
    events = list(stream)
    text = "".join(e.delta.text for e in events if e.event_type == "step.delta" and e.delta.type == "text")
    assert text == scripts["unicode"].text
    kinds = [event.event_type for event in events]
    assert (kinds[0], kinds[-1]) == ("interaction.created", "interaction.completed")
    rest: Any = google.interactions.get(events[0].interaction.id, stream=True, last_event_id=events[2].event_id)
    assert [event.event_id for event in rest] == [event.event_id for event in events[3:]]
    again: Any = google.interactions.get(made.id, include_input=True)
    assert (again.output_text, bool(again.input)) == (made.output_text, True)
    google.interactions.delete(made.id)
    with pytest.raises(Exception, match="not found") as gone:
        google.interactions.get(made.id)
    assert getattr(gone.value, "status_code", None) == 404


def test_interactions_call_tools_and_run_in_the_background(google: genai.Client) -> None:
    tools: Any = [{"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}]
    called: Any = google.interactions.create(model=GEMINI, input="scenario tool-call", tools=tools)
    (call,) = [step for step in called.steps if step.type == "function_call"]
    assert (called.status, call.name, isinstance(call.arguments, dict)) == ("requires_action", "get_weather", True)
    result: Any = [{"type": "function_result", "call_id": call.id, "name": call.name, "result": "rain"}]
    after: Any = google.interactions.create(model=GEMINI, input=result, tools=tools, previous_interaction_id=called.id)
    assert (after.status, bool(after.output_text)) == ("completed", True)
    events: Any = google.interactions.create(model=GEMINI, input="scenario tool-call", tools=tools, stream=True)
    pieces = [e.delta.arguments for e in events if e.event_type == "step.delta" and e.delta.type == "arguments_delta"]
    assert json.loads("".join(pieces)) == call.arguments
    waited: Any = google.interactions.create(model=GEMINI, input="scenario hello", background=True)
    polled: list[Any] = [google.interactions.get(waited.id) for _ in range(2)]
    assert [one.status for one in (waited, *polled)] == ["in_progress", "in_progress", "completed"]
    other: Any = google.interactions.create(model=GEMINI, input="scenario unicode", background=True)
    cancelled: Any = google.interactions.cancel(other.id)
    assert cancelled.status == "cancelled"


async def test_interactions_with_the_asynchronous_client(google: genai.Client, scripts: dict[str, Script]) -> None:
    async with google.aio as aio:
        made: Any = await aio.interactions.create(model=GEMINI, input="scenario hello")
        assert made.output_text == scripts["hello"].text
        with pytest.raises(Exception, match="429") as limited:
            await aio.interactions.create(model=GEMINI, input="scenario rate-limited")
        assert getattr(limited.value, "status_code", None) == 429
