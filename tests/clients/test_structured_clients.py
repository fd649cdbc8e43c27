"""Structured output with the official Python clients, unmodified: what they parse, without any script."""

from __future__ import annotations

import enum
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from tests.fake_providers.kit import Served


class Colour(enum.Enum):
    GREEN = "green"
    RED = "red"


class Leg(BaseModel):
    to: str = Field(min_length=2)
    by: Literal["train", "bus"]


class Trip(BaseModel):
    city: str
    days: int = Field(ge=1, le=9)
    colour: Colour
    legs: list[Leg] = Field(min_length=1)
    note: str | None


class Branch(BaseModel):
    value: float = Field(ge=0.1, le=1)
    inner: list[Branch]
    next: Branch | None


class Formats(BaseModel):
    when: datetime
    day: date
    id: UUID
    price: Decimal
    code: str = Field(pattern="^[A-Z]{2}-[0-9]+$")


MODELS: tuple[type[BaseModel], ...] = (Trip, Branch, Formats)
TRIP = {"city": "", "days": 1, "colour": "red", "legs": [{"to": "aa", "by": "bus"}], "note": None}
SAID: Any = [{"role": "user", "content": "Where to?"}]
each_model = pytest.mark.parametrize("model", MODELS)


@each_model
def test_openai_parses(served: Served, model: type[BaseModel]) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed: make setup")
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="fake") as client:
        chat = client.chat.completions.parse(model="gpt-4o", messages=SAID, response_format=model)
        response = client.responses.parse(model="gpt-4o", input="Where to?", text_format=model)
        with client.chat.completions.stream(model="gpt-4o", messages=SAID, response_format=model) as stream:
            streamed = stream.get_final_completion()
        with client.responses.stream(model="gpt-4o", input="Where to?", text_format=model) as events:
            final = events.get_final_response()
    parsed = chat.choices[0].message.parsed
    assert isinstance(parsed, model)
    assert [parsed] * 3 == [response.output_parsed, streamed.choices[0].message.parsed, final.output_parsed]
    if model is Trip:
        assert parsed.model_dump(mode="json") == TRIP


def test_openai_parses_the_call_of_a_required_tool(served: Served) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed: make setup")
    tool = openai.pydantic_function_tool(Trip, name="trip")
    asked: dict[str, Any] = {"model": "gpt-4o", "messages": SAID, "tools": [tool], "tool_choice": "required"}
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="fake") as client:
        [call] = client.chat.completions.parse(**asked).choices[0].message.tool_calls
        with client.chat.completions.stream(**asked) as stream:
            [streamed] = stream.get_final_completion().choices[0].message.tool_calls
        flat = {"type": "function", **tool["function"]}
        [item] = client.responses.parse(model="gpt-4o", input="x", tools=[flat], tool_choice="required").output
    found = (call.function.parsed_arguments, streamed.function.parsed_arguments)
    assert [one.model_dump(mode="json") for one in found] == [TRIP] * 2
    assert item.parsed_arguments == TRIP


def test_openai_is_told_what_is_wrong_with_a_strict_schema(served: Served) -> None:
    openai = pytest.importorskip("openai", reason="openai is not installed: make setup")
    loose: Any = {"type": "json_schema", "json_schema": {"name": "trip", "schema": {"type": "object"}, "strict": True}}
    client = openai.OpenAI(base_url=f"{served.url}/v1", api_key="fake")
    with client, pytest.raises(openai.BadRequestError, match="'additionalProperties' is required") as raised:
        client.chat.completions.create(model="gpt-4o", messages=SAID, response_format=loose)
    assert (raised.value.param, raised.value.type) == ("response_format", "invalid_request_error")


@pytest.mark.parametrize("wanted", [Trip, Branch, Formats, list[Leg], Colour])
def test_gemini_parses(served: Served, wanted: Any) -> None:
    genai = pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")
    config = {"response_mime_type": "text/x.enum" if wanted is Colour else "application/json"}
    with genai.Client(api_key="fake", http_options={"base_url": served.url}) as client:
        asked = {"model": "gemini-2.5-flash", "contents": "Where to?"}
        reply = client.models.generate_content(**asked, config={**config, "response_schema": wanted})
        parts = list(client.models.generate_content_stream(**asked, config={**config, "response_schema": wanted}))
    assert reply.parsed is not None
    assert "".join(part.text for part in parts) == reply.text
    if wanted is Trip:
        assert reply.parsed.model_dump(mode="json") == TRIP


@each_model
def test_gemini_takes_a_json_schema(served: Served, model: type[BaseModel]) -> None:
    genai = pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")
    config = {"response_mime_type": "application/json", "response_json_schema": model.model_json_schema()}
    with genai.Client(api_key="fake", http_options={"base_url": served.url}) as client:
        reply = client.models.generate_content(model="gemini-2.5-flash", contents="Where to?", config=config)
    model.model_validate_json(reply.text)


def test_gemini_calls_the_allowed_function(served: Served) -> None:
    genai = pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")

    def get_weather(city: str, days: int = 1) -> str:
        """The weather in a city."""
        raise AssertionError("it is not called by itself")

    config = {
        "tools": [get_weather],
        "automatic_function_calling": {"disable": True},
        "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_weather"]}},
    }
    with genai.Client(api_key="fake", http_options={"base_url": served.url}) as client:
        reply = client.models.generate_content(model="gemini-2.5-flash", contents="Where to?", config=config)
    assert [(call.name, call.args) for call in reply.function_calls] == [("get_weather", {"city": ""})]


@each_model
def test_ollama_gives_the_format(served: Served, model: type[BaseModel]) -> None:
    ollama = pytest.importorskip("ollama", reason="ollama is not installed: make setup")
    with ollama.Client(host=served.url, trust_env=False) as client:
        schema = model.model_json_schema()
        chat = client.chat(model="llama3.2", messages=SAID, format=schema)
        parts = [part.message.content for part in client.chat("llama3.2", SAID, format=schema, stream=True)]
        generated = client.generate("llama3.2", "Where to?", format=schema)
        empty = client.chat(model="llama3.2", messages=SAID, format="json")
    model.model_validate_json(chat.message.content)
    assert ("".join(parts), generated.response) == (chat.message.content, chat.message.content)
    assert json.loads(empty.message.content) == {}
