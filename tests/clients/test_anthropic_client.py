"""The official clients of Anthropic, Python and JavaScript, unmodified, against the fake one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from chatproof.fake_providers.dialects.provider_variables import UNSET, client_variables
from chatproof.fake_providers.scripting.script import Script
from tests.clients import node
from tests.fake_providers.kit import Served

ASKED: dict[str, Any] = {"model": "claude-haiku-4-5", "max_tokens": 2_048}
THINKS = {"type": "enabled", "budget_tokens": 1_024}
TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {**ASKED, "messages": [{"role": "user", "content": text}], **more}


@pytest.fixture(autouse=True)
def variables(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both clients find the fake by their own variables."""
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    for name, value in client_variables("anthropic", served.url).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def python() -> Iterator[Any]:
    anthropic = pytest.importorskip("anthropic", reason="anthropic is not installed: make setup")
    with anthropic.Anthropic(max_retries=0, timeout=10) as client:
        yield client


def test_python_reads_whole_messages(python: Any, scripts: Mapping[str, Script]) -> None:
    message = python.messages.create(**asked("scenario unicode"))
    assert message.content[0].text == scripts["unicode"].text
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > 9
    assert message._request_id.startswith("req_")


def test_python_reads_thoughts_and_sends_them_back(python: Any, scripts: Mapping[str, Script]) -> None:
    with python.messages.stream(**asked("scenario reasoning-tools", thinking=THINKS, tools=[TOOL])) as stream:
        kinds = {event.type for event in stream}
        message = stream.get_final_message()
    assert {"thinking", "signature", "input_json", "content_block_stop", "message_stop"} <= kinds
    assert message.content[0].thinking == "".join(scripts["reasoning-tools"].thoughts)
    call = next(block for block in message.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "20 degrees"}
    turns = [*asked("scenario reasoning-tools")["messages"], {"role": "assistant", "content": message.content}]
    body = asked("", messages=[*turns, {"role": "user", "content": [result]}], thinking=THINKS, tools=[TOOL])
    assert python.messages.create(**body).stop_reason == "end_turn"


def test_python_reads_refusals(python: Any) -> None:
    message = python.messages.create(**asked("scenario refusal"))
    assert (message.stop_reason, message.stop_details.type) == ("refusal", "refusal")


@pytest.mark.parametrize(
    ("script", "name", "status"),
    [
        ("bad-key", "AuthenticationError", 401),
        ("rate-limited", "RateLimitError", 429),
        ("server-error", "InternalServerError", 500),
        ("overloaded", "OverloadedError", 529),
        ("model-not-found", "NotFoundError", 404),
        ("context-length", "BadRequestError", 400),
    ],
)
async def test_every_error_is_the_clients_own(served: Served, python: Any, script: str, name: str, status: int) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (the class is asserted below)
        python.messages.create(**asked(f"scenario {script}"))
    error: Any = caught.value
    assert (type(error).__name__, error.status_code) == (name, status)
    assert error.request_id.startswith("req_")


def test_python_hears_an_error_in_the_stream(python: Any) -> None:
    text = ""
    with pytest.raises(Exception, match="api_error"), python.messages.stream(**asked("scenario error-mid")) as stream:  # noqa: PT012
        for piece in stream.text_stream:
            text += piece
    assert text


def test_python_counts_and_lists(python: Any) -> None:
    body = asked("Hi", system="Be brief.")
    billed = python.messages.create(**body).usage.input_tokens
    del body["max_tokens"]
    assert python.messages.count_tokens(**body).input_tokens == billed
    names = [model.id for model in python.models.list(limit=4)]
    assert len(names) == len(set(names)) > 8
    assert python.models.retrieve("claude-haiku-4-5").id in names


def test_python_parses_structured_output(python: Any) -> None:
    pydantic = pytest.importorskip("pydantic")
    trip = pydantic.create_model("Trip", city=(str, ...), days=(int, ...))
    found = python.messages.parse(**asked("Hi"), output_format=trip).parsed_output
    assert isinstance(found, trip)


async def drive(command: str, body: Any) -> Any:
    return await node.run("anthropic.mjs", command, json.dumps(body))


@node.needs("@anthropic-ai/sdk")
async def test_javascript_reads_messages_and_streams(served: Served, scripts: Mapping[str, Script]) -> None:
    whole = (await drive("whole", asked("scenario unicode")))["value"]
    assert whole["content"][0]["text"] == scripts["unicode"].text
    streamed = (await drive("stream", asked("scenario reasoning-tools", thinking=THINKS, tools=[TOOL])))["value"]
    assert [block["type"] for block in streamed["message"]["content"]] == ["thinking", "tool_use"]
    assert streamed["types"][-1] == "message_stop"


@node.needs("@anthropic-ai/sdk")
async def test_javascript_counts_lists_and_hears_errors(served: Served) -> None:
    assert (await drive("count", {"model": ASKED["model"], "messages": asked("Hi")["messages"]}))["value"]
    assert len((await drive("models", {"limit": 4}))["value"]) > 8
    busy = await drive("whole", asked("scenario rate-limited"))
    assert (busy["error"], busy["status"], busy["type"]) == ("RateLimitError", 429, "rate_limit_error")
    assert busy["requestID"].startswith("req_")
    assert (await drive("stream", asked("scenario error-mid")))["error"].endswith("Error")
