"""The official Python client of OpenAI, unmodified, against the fake: what it reads from good answers."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.scripting.script import Script
from tests.fake_providers.kit import Served
from tests.fake_providers.openai_kit import ONE_CALL, TWO_CALLS

pytest.importorskip("openai", reason="the official openai client is not installed")

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

MODEL = "gpt-4o"


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def tool(name: str = "get_weather") -> Any:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "parameters": schema, "strict": True}}


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="sk-test") as made:
        yield made


@pytest.fixture
def sync_client(served: Served) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{served.url}/v1", api_key="sk-test") as made:
        yield made


async def test_a_stream(client: AsyncOpenAI, scripts: dict[str, Script]) -> None:
    stream = await client.chat.completions.create(model=MODEL, messages=said("scenario unicode"), stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == scripts["unicode"].text
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "stop"]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


async def test_a_stream_with_usage(client: AsyncOpenAI, scripts: dict[str, Script]) -> None:
    stream = await client.chat.completions.create(
        model=MODEL, messages=said("scenario hello"), stream=True, stream_options={"include_usage": True}
    )
    *rest, last = [chunk async for chunk in stream]
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in rest)
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == len(scripts["hello"].tokens)
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens


async def test_a_whole_reply(client: AsyncOpenAI, scripts: dict[str, Script]) -> None:
    raw = await client.chat.completions.with_raw_response.create(model=MODEL, messages=said("scenario hello"))
    reply = raw.parse()
    assert reply.choices[0].message.content == scripts["hello"].text
    assert reply.usage is not None
    assert reply.usage.completion_tokens == len(scripts["hello"].tokens)
    assert raw.request_id == reply._request_id
    assert raw.request_id is not None
    assert raw.headers["x-ratelimit-remaining-requests"] == "9999"


def test_the_synchronous_client(sync_client: OpenAI, scripts: dict[str, Script]) -> None:
    hello = scripts["hello"].text
    whole = sync_client.chat.completions.create(model=MODEL, messages=said("scenario hello"))
    assert whole.choices[0].message.content == hello
    with sync_client.chat.completions.create(model=MODEL, messages=said("scenario hello"), stream=True) as stream:
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == hello
    with sync_client.chat.completions.stream(model=MODEL, messages=said("scenario hello")) as helper:
        assert helper.get_final_completion().choices[0].message.content == hello
    with sync_client.responses.stream(model=MODEL, input="scenario hello") as events:
        assert events.get_final_response().output_text == hello


async def test_the_stream_helper(client: AsyncOpenAI, scripts: dict[str, Script]) -> None:
    async with client.chat.completions.stream(
        model=MODEL, messages=said("scenario hello"), stream_options={"include_usage": True}
    ) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert kinds.count("content.delta") == len(scripts["hello"].tokens) + 1  # the first chunk's content is ""
    assert kinds.count("content.done") == 1
    assert final.choices[0].message.content == scripts["hello"].text
    assert final.choices[0].finish_reason == "stop"
    assert final.usage is not None


async def test_calls_in_a_stream(client: AsyncOpenAI, fakes: Fakes) -> None:
    await fakes.register("two-calls", TWO_CALLS)
    stream = await client.chat.completions.create(
        model=MODEL, messages=said("scenario two-calls"), stream=True, tools=[tool()]
    )
    arguments: dict[int, str] = {}
    names: dict[int, str | None] = {}
    reason = None
    async for chunk in stream:
        reason = chunk.choices[0].finish_reason
        for call in chunk.choices[0].delta.tool_calls or ():
            assert call.function is not None
            if call.id is not None:
                names[call.index], arguments[call.index] = call.function.name, ""
            arguments[call.index] += call.function.arguments or ""
    assert names == {0: "get_weather", 1: "get_time"}
    assert {index: json.loads(text) for index, text in arguments.items()} == {0: {"city": "Zürich", "days": 2}, 1: {}}
    assert reason == "tool_calls"


async def test_calls_by_the_stream_helper(client: AsyncOpenAI, fakes: Fakes) -> None:
    await fakes.register("one-call", ONE_CALL)
    async with client.chat.completions.stream(
        model=MODEL, messages=said("scenario one-call"), tools=[tool()]
    ) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_completion()
    assert "tool_calls.function.arguments.delta" in kinds
    assert kinds.count("tool_calls.function.arguments.done") == 1
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    (call,) = calls
    assert call.function.parsed_arguments == {"city": "Paris"}


async def test_a_conversation_with_a_call(client: AsyncOpenAI, fakes: Fakes, scripts: dict[str, Script]) -> None:
    await fakes.register("one-call", ONE_CALL)
    await fakes.register("asks-then-tells", 'about = "x"\nsequence = ["one-call", "hello"]')
    messages = said("scenario asks-then-tells case talk-1")
    first = await client.chat.completions.create(model=MODEL, messages=messages, tools=[tool()])
    assert first.choices[0].finish_reason == "tool_calls"
    message = first.choices[0].message
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "21 °C"}]
    second = await client.chat.completions.create(model=MODEL, messages=messages, tools=[tool()])
    assert second.choices[0].message.content == scripts["hello"].text


async def test_several_choices_and_a_limit(client: AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(
        model=MODEL, messages=said("scenario three-tokens"), n=2, max_completion_tokens=2, logprobs=True, stop=["x"]
    )
    assert [(choice.index, choice.message.content, choice.finish_reason) for choice in reply.choices] == [
        (0, "Three small", "length"),
        (1, "Three small", "length"),
    ]
    likely = reply.choices[0].logprobs
    assert likely is not None
    assert [token.token for token in likely.content or ()] == ["Three", " small"]


class Answer(BaseModel):
    city: str


async def test_parsed_replies_and_their_errors(client: AsyncOpenAI, fakes: Fakes) -> None:
    await fakes.register("as-json", 'about = "x"\n[[steps]]\ntext = \'{"city": "Paris"}\'')
    await fakes.register("filtered", 'about = "x"\nfinish_reason = "content_filter"\n[[steps]]\ntext = "{"')
    good = await client.chat.completions.parse(model=MODEL, messages=said("scenario as-json"), response_format=Answer)
    assert good.choices[0].message.parsed == Answer(city="Paris")
    with pytest.raises(openai.LengthFinishReasonError):
        await client.chat.completions.parse(
            model=MODEL, messages=said("scenario as-json"), response_format=Answer, max_tokens=1
        )
    with pytest.raises(openai.ContentFilterFinishReasonError):
        await client.chat.completions.parse(model=MODEL, messages=said("scenario filtered"), response_format=Answer)


async def test_responses(client: AsyncOpenAI, scripts: dict[str, Script]) -> None:
    reply = await client.responses.create(model=MODEL, input="scenario hello", instructions="Be kind.")
    assert (reply.output_text, reply.status) == (scripts["hello"].text, "completed")
    assert reply.usage is not None
    assert reply.usage.output_tokens == len(scripts["hello"].tokens)
    stream = await client.responses.create(model=MODEL, input="scenario hello", stream=True)
    events = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == reply.output_text
    assert events[-1].type == "response.completed"


async def test_the_stream_helper_of_responses(client: AsyncOpenAI, scripts: dict[str, Script]) -> None:
    async with client.responses.stream(model=MODEL, input=said("scenario unicode")) as stream:
        snapshots = [event.snapshot async for event in stream if event.type == "response.output_text.delta"]
        final = await stream.get_final_response()
    assert snapshots[-1] == final.output_text == scripts["unicode"].text


async def test_calls_in_responses(client: AsyncOpenAI, fakes: Fakes, scripts: dict[str, Script]) -> None:
    await fakes.register("one-call", ONE_CALL)
    await fakes.register("asks-then-tells", 'about = "x"\nsequence = ["one-call", "hello"]')
    tools: Any = [{**tool()["function"], "type": "function"}]
    question: list[Any] = said("scenario asks-then-tells case talk-2")
    async with client.responses.stream(model=MODEL, input=question, tools=tools) as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert kinds.count("response.function_call_arguments.done") == 1
    (call,) = final.output
    assert call.type == "function_call"
    assert call.parsed_arguments == {"city": "Paris"}
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "21 °C"}
    # As the documentation has it: what the model said goes back as it came.
    sent: Any = call.model_dump(exclude={"parsed_arguments"}, exclude_none=True)
    again = await client.responses.create(model=MODEL, input=[*question, sent, result], tools=tools)
    assert again.output_text == scripts["hello"].text


async def test_an_incomplete_response(client: AsyncOpenAI) -> None:
    reply = await client.responses.create(model=MODEL, input="scenario hundred-tokens", max_output_tokens=16)
    assert reply.status == "incomplete"
    assert reply.incomplete_details is not None
    assert reply.incomplete_details.reason == "max_output_tokens"


async def test_embeddings(client: AsyncOpenAI, fakes: Fakes) -> None:
    """Without an encoding_format the client asks for base64 and decodes it."""
    texts = ["The weather in Paris", "Paris weather"]
    packed = await client.embeddings.create(model="text-embedding-3-small", input=texts)
    plain = await client.embeddings.create(model="text-embedding-3-small", input=texts, encoding_format="float")
    asked = [entry.body.get("encoding_format") for entry in await fakes.entries()]
    assert asked == ["base64", "float"]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert len(one.embedding) == 1536
        assert one.embedding == pytest.approx(other.embedding, abs=1e-8)
        assert math.isclose(math.fsum(value * value for value in one.embedding), 1.0, abs_tol=1e-6)
    short = await client.embeddings.create(model="text-embedding-3-large", input=texts[0], dimensions=64)
    assert len(short.data[0].embedding) == 64


async def test_models(client: AsyncOpenAI, served: Served) -> None:
    names = [model.id async for model in client.models.list()]
    assert MODEL in names
    assert (await client.models.retrieve(MODEL)).id == MODEL
    assert (await client.models.retrieve("gpt-nine")).id == "gpt-nine"  # it is accepted in a request, too
    served.server.planner.strict = True
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("gpt-nine")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
