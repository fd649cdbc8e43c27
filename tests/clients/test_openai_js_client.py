"""The official JavaScript client of OpenAI, unmodified, against the fake."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.scripting.script import Script
from tests.clients import node
from tests.fake_providers.kit import Served
from tests.fake_providers.openai_kit import ONE_CALL, TWO_CALLS
from tests.timing import timed

pytestmark = node.needs("openai")

SLACK = 0.4  # seconds that a busy machine may add to a wait
TOOL = {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}


async def drive(served: Served, command: str, text: str | list[str] = "", **more: Any) -> Any:
    return await node.run("openai.mjs", f"{served.url}/v1", command, json.dumps({"text": text, **more}))


async def value(served: Served, command: str, text: str | list[str] = "", **more: Any) -> Any:
    found = await drive(served, command, text, **more)
    assert "error" not in found, found
    return found["value"]


async def error(served: Served, command: str, text: str = "", **more: Any) -> dict[str, Any]:
    found = await drive(served, command, text, **{"client": {"maxRetries": 0}, **more})
    assert "error" in found, found
    return dict(found)


def test_the_lock_names_no_host() -> None:
    """npm ci then takes the packages from the registry of the machine it runs on."""
    lock = (node.JS / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in lock
    assert {"@anthropic-ai/sdk", "openai", "@google/genai", "ollama"} == json.loads(lock)["packages"][""][
        "dependencies"
    ].keys()


async def test_whole_replies(served: Served, scripts: dict[str, Script]) -> None:
    found = await value(served, "whole", "scenario unicode", body={"n": 2})
    assert [choice["message"]["content"] for choice in found["reply"]["choices"]] == [scripts["unicode"].text] * 2
    assert found["reply"]["usage"]["completion_tokens"] == 2 * len(scripts["unicode"].tokens)
    assert found["limits"] == "10000"


async def test_streams(served: Served, scripts: dict[str, Script]) -> None:
    options = {"stream_options": {"include_usage": True}}
    *chunks, last = await value(served, "stream", "scenario unicode", body=options)
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text == scripts["unicode"].text
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], len(scripts["unicode"].tokens))


async def test_the_stream_helper(served: Served, fakes: Fakes, scripts: dict[str, Script]) -> None:
    found = await value(served, "helper", "scenario hello")
    assert "".join(found["texts"]) == scripts["hello"].text
    assert found["final"]["choices"][0]["message"]["content"] == scripts["hello"].text
    await fakes.register("two-calls", TWO_CALLS)
    called = await value(
        served, "helper", "scenario two-calls", body={"tools": [{"type": "function", "function": TOOL}]}
    )
    choice = called["final"]["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert [json.loads(call["function"]["arguments"]) for call in choice["message"]["tool_calls"]] == [
        {"city": "Zürich", "days": 2},
        {},
    ]


async def test_responses(served: Served, fakes: Fakes, scripts: dict[str, Script]) -> None:
    hello = scripts["hello"].text
    assert (await value(served, "response", "scenario hello"))["text"] == hello
    events = await value(served, "responseStream", "scenario hello")
    assert "".join(one["delta"] for one in events if one["type"] == "response.output_text.delta") == hello
    assert events[-1]["type"] == "response.completed"
    assert (await value(served, "responseHelper", "scenario hello"))["text"] == hello
    await fakes.register("one-call", ONE_CALL)
    called = await value(served, "responseHelper", "scenario one-call", body={"tools": [{"type": "function", **TOOL}]})
    (item,) = called["final"]["output"]
    assert json.loads(item["arguments"]) == {"city": "Paris"}


async def test_embeddings(served: Served, fakes: Fakes) -> None:
    """Without an encoding_format the client asks for base64 and decodes it; a list it would turn into nonsense."""
    found = await value(served, "embeddings", "The weather in Paris")
    assert [entry.body.get("encoding_format") for entry in await fakes.entries()] == ["base64", "float"]
    assert len(found["usual"]) == 1536
    assert found["usual"] == pytest.approx(found["floats"], abs=1e-8)


async def test_models(served: Served) -> None:
    found = await value(served, "models")
    assert "gpt-4o" in found["names"]
    assert found["one"]["id"] == "gpt-4o"


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (409, "ConflictError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
    ],
)
async def test_each_status_is_its_error(served: Served, fakes: Fakes, status: int, name: str) -> None:
    keys = f'status = {status}\ntype = "a_type"\ncode = "a_code"'
    await fakes.register("failing", f'about = "x"\n[[steps]]\nfault = "status"\n{keys}')
    found = await error(served, "whole", "scenario failing")
    assert (found["error"], found["status"], found["code"], found["type"]) == (name, status, "a_code", "a_type")
    assert found["requestID"].startswith("req_")


async def test_a_bad_request_names_its_parameter(served: Served) -> None:
    found = await error(served, "whole", "hi", body={"temperature": 3})
    assert (found["error"], found["param"]) == ("BadRequestError", "temperature")


@pytest.mark.parametrize(
    ("command", "script", "name"),
    [
        ("whole", "drop-start", "APIConnectionError"),
        ("whole", "garbage", "APIConnectionError"),
        ("stream", "error-mid", "APIError"),
        ("stream", "malformed-mid", "SyntaxError"),
    ],
)
async def test_broken_answers(served: Served, command: str, script: str, name: str) -> None:
    assert (await error(served, command, f"scenario {script}"))["error"] == name


@pytest.mark.parametrize("script", ["cut-mid", "reset-mid"])
async def test_streams_that_break_off_fail(served: Served, script: str) -> None:
    assert (await error(served, "stream", f"scenario {script}"))["error"]


async def test_a_stream_that_ends_too_early_is_only_seen_by_its_missing_finish(served: Served) -> None:
    chunks = await value(served, "stream", "scenario drop-mid")
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)


async def test_silence_is_a_timeout(served: Served) -> None:
    found = await error(served, "whole", "scenario silent", client={"maxRetries": 0, "timeout": 300})
    assert found["error"] == "APIConnectionTimeoutError"


async def gaps(fakes: Fakes, case: str, count: int) -> list[float]:
    """Seconds between the end of each answer and the next request."""
    await fakes.wait_ended(case, 10)
    entries = await fakes.entries(case)
    assert len(entries) == count
    return [later.received - (earlier.ended_at or 0) for earlier, later in pairwise(entries)]


@timed
@pytest.mark.parametrize(
    ("keys", "waits"),
    [
        ("status = 429\nretry_after_ms = 60", [0.06, 0.06]),
        ("status = 503\nretry_after_s = 0.1", [0.1, 0.1]),
        ("status = 500", [0.375, 0.75]),
        ("status = 400", []),
        ('status = 429\ncode = "insufficient_quota"', []),
    ],
)
async def test_retries(served: Served, fakes: Fakes, keys: str, waits: list[float]) -> None:
    await fakes.register("failing", f'about = "x"\n[[steps]]\nfault = "status"\n{keys}')
    await error(served, "whole", "scenario failing case retry-1", client={})
    for gap, wait in zip(await gaps(fakes, "retry-1", len(waits) + 1), waits, strict=True):
        assert wait - 0.01 <= gap <= wait * 4 / 3 + SLACK


async def test_leaving_a_stream_hangs_up(served: Served, fakes: Fakes) -> None:
    assert await value(served, "hangUp", "scenario slow case gone") == "left"
    (entry,) = await fakes.wait_ended("gone", 5)
    assert entry.ended in ("client_closed", "client_reset")
