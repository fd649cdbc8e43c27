"""Tool loops of the official clients, unmodified, on the script tool-call: one call of the tool, then an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.scripting.script import Script
from tests.clients import node
from tests.fake_providers.kit import Served
from tests.fake_providers.openai_kit import TOOLS

ASKED = "scenario tool-call case agent: how is the weather in Zürich?"
MOST = 5
"""Rounds after which a loop would never end."""


class Weather:
    """The tool, and what it was asked."""

    def __init__(self) -> None:
        self.cities: list[str] = []

    def get_weather(self, city: str, unit: str) -> str:
        """How the weather is.

        Args:
            city: the name of a city
            unit: celsius or fahrenheit
        """
        self.cities.append(city)
        return "sunny"


@pytest.fixture
def weather() -> Weather:
    return Weather()


@pytest.fixture
def openai(served: Served) -> Iterator[Any]:
    module = pytest.importorskip("openai", reason="the official openai client is not installed")
    with module.OpenAI(base_url=f"{served.url}/v1", api_key="sk-test") as made:
        yield made


@pytest.fixture
def answer(scripts: dict[str, Script]) -> str:
    """What the model says after the tool."""
    return scripts["tool-call"].reply(after_tool=True).text


async def was_asked_twice(fakes: Fakes) -> None:
    """The loop was two requests, and both are found by their case: the last user message names it."""
    entries = await fakes.entries("agent")
    assert [(entry.script, entry.status) for entry in entries] == [("tool-call", 200)] * 2


async def test_openai_chat(openai: Any, weather: Weather, answer: str, fakes: Fakes) -> None:
    said: list[Any] = [{"role": "user", "content": ASKED}]
    for _ in range(MOST):
        message = openai.chat.completions.create(model="gpt-4o", messages=said, tools=TOOLS).choices[0].message
        said.append(message)
        if not message.tool_calls:
            break
        for call in message.tool_calls:
            result = weather.get_weather(**json.loads(call.function.arguments))
            said.append({"role": "tool", "tool_call_id": call.id, "content": result})
    assert (weather.cities, said[-1].content) == (["Zürich"], answer)
    await was_asked_twice(fakes)


@pytest.mark.parametrize("kept", ["by the client", "by the API", "by the API, item by item"])
async def test_openai_responses(openai: Any, weather: Weather, answer: str, kept: str) -> None:
    """Also where the API keeps the conversation: of the new input, only the result is in the request."""
    tools = [{"type": "function", "name": "get_weather", "strict": None, "parameters": {"type": "object"}}]
    items: Any = [{"role": "user", "content": ASKED}]
    previous, ids = None, set()
    for _ in range(MOST):
        response = openai.responses.create(model="gpt-4o", input=items, tools=tools, previous_response_id=previous)
        ids.add(response.id)
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            break
        answered = [(call, weather.get_weather(**json.loads(call.arguments))) for call in calls]
        results = [{"type": "function_call_output", "call_id": call.call_id, "output": text} for call, text in answered]
        if kept == "by the API":
            previous, items = response.id, results
        elif kept == "by the client":
            items = [*items, *response.output, *results]
        else:  # as the AI SDK does
            items = [*items, *({"type": "item_reference", "id": item.id} for item in response.output), *results]
    assert (weather.cities, len(ids)) == (["Zürich"], 2)
    assert response.output_text == answer


async def test_every_call_of_a_sequence_has_an_id_of_its_own(openai: Any, fakes: Fakes) -> None:
    """openai-agents leaves out a call whose id it has seen."""
    await fakes.register("twice", 'about = "x"\nsequence = ["tool-call", "tool-call", "hello"]')
    said: list[Any] = [{"role": "user", "content": "scenario twice case ids"}]
    ids: list[str] = []
    for _ in range(MOST):
        message = openai.chat.completions.create(model="gpt-4o", messages=said, tools=TOOLS).choices[0].message
        said.append(message)
        for call in message.tool_calls or ():
            ids.append(call.id)
            said.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
        if not message.tool_calls:
            break
    assert len(ids) == len(set(ids)) == 2


# google-genai derives its own session from aiohttp's, which aiohttp discourages: nothing that a test could change.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
async def test_google_genai_calls_the_function_itself(
    served: Served, weather: Weather, answer: str, fakes: Fakes
) -> None:
    genai = pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")
    config = {"tools": [weather.get_weather]}
    with genai.Client(api_key="k", http_options={"base_url": served.url}) as client:
        reply = client.models.generate_content(model="gemini-2.5-flash", contents=ASKED, config=config)
        assert (weather.cities, reply.text) == (["Zürich"], answer)
        await was_asked_twice(fakes)
        stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents=ASKED, config=config)
        assert "".join(chunk.text or "" for chunk in stream).endswith(answer)
        assert weather.cities == ["Zürich"] * 2


async def test_ollama(served: Served, weather: Weather, answer: str, fakes: Fakes) -> None:
    ollama = pytest.importorskip("ollama", reason="ollama is not installed: make setup")
    said: list[Any] = [{"role": "user", "content": ASKED}]
    with ollama.Client(host=served.url, trust_env=False) as client:
        for _ in range(MOST):
            message = client.chat("llama3.2", messages=said, tools=[weather.get_weather]).message
            said.append(message)
            if not message.tool_calls:
                break
            for call in message.tool_calls:
                result = weather.get_weather(**call.function.arguments)
                said.append({"role": "tool", "tool_name": call.function.name, "content": result})
    assert (weather.cities, said[-1].content) == (["Zürich"], answer)
    await was_asked_twice(fakes)


@node.needs("openai")
async def test_openai_javascript_runs_tools(served: Served, answer: str, fakes: Fakes) -> None:
    found = await node.run("openai.mjs", f"{served.url}/v1", "agent", json.dumps({"text": ASKED}))
    assert found == {"value": {"cities": ["Zürich"], "text": answer}}
    await was_asked_twice(fakes)


@node.needs("@google/genai")
async def test_google_genai_javascript_calls_the_tool_itself(served: Served, answer: str, fakes: Fakes) -> None:
    found = await node.run("gemini.mjs", served.url, "agent", ASKED)
    assert found == {"cities": ["Zürich"], "text": answer}
    await was_asked_twice(fakes)
