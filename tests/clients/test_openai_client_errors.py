"""The official Python client of OpenAI, unmodified, against the fake: every error it defines, and its retries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest

from chatproof.fake_providers.journal.control_client import Fakes
from tests.fake_providers.kit import Served

pytest.importorskip("openai", reason="the official openai client is not installed")

import openai
from openai import AsyncOpenAI

from tests.timing import timed

MODEL = "gpt-4o"
SLACK = 0.25  # seconds that a busy machine may add to a wait


def said(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncOpenAI]:
    """One that does not retry, so that the error is the first answer's."""
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="sk-test", max_retries=0) as made:
        yield made


@pytest.fixture
async def patient(served: Served) -> AsyncIterator[AsyncOpenAI]:
    """One with the client's own defaults."""
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="sk-test") as made:
        yield made


async def ask(client: AsyncOpenAI, text: str, stream: bool = False, **more: Any) -> Any:
    """The whole reply, or all chunks of the stream."""
    reply: Any = await client.chat.completions.create(model=MODEL, messages=said(text), stream=stream, **more)
    return [chunk async for chunk in reply] if stream else reply


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
        (418, openai.APIStatusError),
    ],
)
async def test_each_status_is_its_error(
    client: AsyncOpenAI, fakes: Fakes, status: int, error: type[Any], stream: bool
) -> None:
    keys = f'status = {status}\nmessage = "out of {status}"\ntype = "a_type"\ncode = "a_code"'
    await fakes.register("failing", f'about = "x"\n[[steps]]\nfault = "status"\n{keys}')
    with pytest.raises(openai.APIStatusError) as caught:
        await ask(client, "scenario failing", stream)
    assert type(caught.value) is error
    assert caught.value.status_code == status
    assert (caught.value.type, caught.value.code, caught.value.param) == ("a_type", "a_code", None)
    assert f"out of {status}" in caught.value.message
    assert caught.value.request_id is not None
    assert caught.value.request_id.startswith("req_")


async def test_a_bad_request_names_its_parameter(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(client, "hi", temperature=3)
    assert (caught.value.param, caught.value.code) == ("temperature", "decimal_above_max_value")
    with pytest.raises(openai.BadRequestError) as caught:
        await client.responses.create(model=MODEL, input="hi", max_output_tokens=1)
    assert caught.value.param == "max_output_tokens"
    with pytest.raises(openai.BadRequestError) as caught:
        await client.embeddings.create(model="text-embedding-3-small", input="")
    assert caught.value.param == "input"


async def test_an_unknown_scenario(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(client, "scenario helo")
    assert "Did you mean 'hello'?" in caught.value.message
    assert caught.value.response.headers["x-fake-unknown-scenario"] == "helo"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["drop-start", "cut-mid", "reset-mid", "garbage"])
async def test_a_broken_connection_is_one_error(client: AsyncOpenAI, name: str, stream: bool) -> None:
    with pytest.raises(openai.APIConnectionError) as caught:
        await ask(client, f"scenario {name}", stream)
    assert type(caught.value) is openai.APIConnectionError


@pytest.mark.parametrize(("name", "stream"), [("silent", False), ("silent", True), ("stall", True)])
async def test_silence_is_a_timeout(client: AsyncOpenAI, name: str, stream: bool) -> None:
    with pytest.raises(openai.APITimeoutError):
        await ask(client, f"scenario {name}", stream, timeout=0.3)


async def test_nobody_listens(client: AsyncOpenAI, fakes: Fakes) -> None:
    await fakes.refuse_connections(10)
    try:
        with pytest.raises(openai.APIConnectionError):
            await ask(client, "scenario hello")
    finally:
        await fakes.accept_connections()


async def test_an_error_in_the_stream(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.APIError, match="had an error while processing") as caught:
        await ask(client, "scenario error-mid", stream=True)
    assert type(caught.value) is openai.APIError
    assert caught.value.type == "server_error"


async def test_a_reply_that_ends_too_early_is_only_seen_by_its_missing_finish(client: AsyncOpenAI) -> None:
    chunks = await ask(client, "scenario drop-mid", stream=True)
    assert len(chunks) > 1
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


async def test_a_malformed_chunk_is_no_json(client: AsyncOpenAI) -> None:
    with pytest.raises(ValueError, match="Unterminated string"):
        await ask(client, "scenario malformed-mid", stream=True)


async def test_an_answer_that_is_no_json_fails_the_clients_validation(served: Served, fakes: Fakes) -> None:
    """The client's strict mode wants JSON; what a proxy in the way would say is none."""
    keys = 'status = 500\nbody = "html"'
    await fakes.register("proxy", f'about = "x"\n[[steps]]\nfault = "status"\n{keys}')
    async with AsyncOpenAI(
        base_url=f"{served.url}/v1", api_key="sk-test", max_retries=0, _strict_response_validation=True
    ) as strict:
        good = await ask(strict, "scenario hello")
        assert good.choices[0].finish_reason == "stop"
        assert (await strict.responses.create(model=MODEL, input="scenario hello")).status == "completed"
        assert [chunk for chunk in await ask(strict, "scenario hello", stream=True) if chunk.choices]
        with pytest.raises(openai.InternalServerError) as caught:
            await ask(strict, "scenario proxy")
        assert "<html>" in caught.value.response.text
        with pytest.raises(openai.APIResponseValidationError):
            await strict.get("/models", cast_to=openai.types.chat.ChatCompletion)


async def test_a_failed_response(client: AsyncOpenAI) -> None:
    stream = await client.responses.create(model=MODEL, input="scenario error-mid", stream=True)
    *_, error, failed = [event async for event in stream]
    assert error.type == "error"
    assert error.code == "server_error"
    assert failed.type == "response.failed"
    assert failed.response.error is not None
    assert failed.response.error.code == "server_error"


async def gaps(fakes: Fakes, case: str, count: int) -> list[float]:
    """Seconds between the end of each answer and the next request."""
    entries = await fakes.wait_entries(case, count, 10)
    await fakes.wait_ended(case, 10)
    entries = await fakes.entries(case)
    assert len(entries) == count
    return [later.received - (earlier.ended_at or 0) for earlier, later in pairwise(entries)]


@timed
@pytest.mark.parametrize(
    ("keys", "waits"),
    [
        ("status = 429\nretry_after_ms = 60", (0.06, 0.06)),
        ("status = 429\nretry_after_s = 1\nretry_after_ms = 60", (0.06, 0.06)),
        ("status = 503\nretry_after_s = 0.1", (0.1, 0.1)),
        # its own backoff: 0.5 s and 1 s, each less up to a quarter
        ("status = 500", (0.375, 0.75)),
    ],
)
async def test_failures_are_retried_twice_when_the_headers_say(
    patient: AsyncOpenAI, fakes: Fakes, keys: str, waits: tuple[float, float]
) -> None:
    await fakes.register("failing", f'about = "x"\n[[steps]]\nfault = "status"\n{keys}')
    with pytest.raises(openai.APIStatusError):
        await ask(patient, "scenario failing case retry-1")
    for gap, wait in zip(await gaps(fakes, "retry-1", 3), waits, strict=True):
        assert wait - 0.005 <= gap <= wait * 4 / 3 + SLACK


@pytest.mark.parametrize("keys", ["status = 400", "status = 401", 'status = 429\ncode = "insufficient_quota"'])
async def test_what_cannot_get_better_is_not_retried(patient: AsyncOpenAI, fakes: Fakes, keys: str) -> None:
    await fakes.register("failing", f'about = "x"\n[[steps]]\nfault = "status"\n{keys}')
    with pytest.raises(openai.APIStatusError):
        await ask(patient, "scenario failing case retry-2")
    assert await gaps(fakes, "retry-2", 1) == []


async def test_a_broken_connection_is_retried(patient: AsyncOpenAI, fakes: Fakes) -> None:
    with pytest.raises(openai.APIConnectionError):
        await ask(patient, "scenario drop-start case retry-3")
    assert len(await gaps(fakes, "retry-3", 3)) == 2


@timed
@pytest.mark.parametrize("stream", [False, True])
async def test_the_second_try_may_succeed(patient: AsyncOpenAI, fakes: Fakes, stream: bool) -> None:
    await fakes.register("busy", 'about = "x"\n[[steps]]\nfault = "status"\nstatus = 429\nretry_after_ms = 20')
    await fakes.register("recovers", 'about = "x"\nsequence = ["busy", "hello"]')
    await ask(patient, "scenario recovers case retry-4", stream)
    (gap,) = await gaps(fakes, "retry-4", 2)
    assert 0.015 <= gap <= 0.02 + SLACK
    first, second = await fakes.entries("retry-4")
    assert (first.status, second.status) == (429, 200)
    assert second.headers["x-stainless-retry-count"] == "1"


async def test_a_stream_that_has_begun_is_not_retried(patient: AsyncOpenAI, fakes: Fakes) -> None:
    with pytest.raises(openai.APIConnectionError):
        await ask(patient, "scenario reset-mid case retry-5", stream=True)
    assert await gaps(fakes, "retry-5", 1) == []


async def test_closing_a_stream_hangs_up(client: AsyncOpenAI, fakes: Fakes) -> None:
    stream = await client.chat.completions.create(model=MODEL, messages=said("scenario slow case gone"), stream=True)
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.close()
    (entry,) = await fakes.wait_ended("gone", 5)
    assert entry.ended in ("client_closed", "client_reset")
    assert entry.tokens >= 1
