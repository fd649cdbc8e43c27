"""The official client PyPI google-genai, against the fake Gemini, unmodified."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from chatproof.fake_providers.scripting.script import Script
from tests.clients.gemini_kit import MODEL, STATUSES, add_scripts
from tests.fake_providers.kit import Served

pytest.importorskip("google.genai", reason="google-genai is not installed: make setup")

from google import genai
from google.genai import errors, types

from tests.clients.tokens import tokens_of

# google-genai derives its own session from aiohttp's, which aiohttp discourages: nothing that a test could change.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")


@pytest.fixture
def url(served: Served, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return add_scripts(served.url)


def options(url: str, **more: Any) -> types.HttpOptions:
    return types.HttpOptions(base_url=url, timeout=5_000, **more)


@pytest.fixture
def client(url: str) -> Iterator[genai.Client]:
    with genai.Client(api_key="secret", http_options=options(url)) as made:
        yield made


@pytest.fixture(params=["aiohttp", "httpx"])
async def aio(url: str, request: pytest.FixtureRequest) -> AsyncIterator[genai.client.AsyncClient]:
    """google-genai prefers aiohttp where it is installed; the transport argument makes it use its httpx."""
    if request.param == "aiohttp":
        pytest.importorskip("aiohttp", reason="aiohttp is not installed")
        chosen = options(url)
    else:
        core = pytest.importorskip("httpx2", reason="httpx2 is not installed")
        chosen = options(url, async_client_args={"transport": core.AsyncHTTPTransport()})
    client = genai.Client(api_key="secret", http_options=chosen)
    async with client.aio as made:
        yield made
    client.close()


def said(client: genai.Client, name: str, texts: list[str | None] | None = None) -> list[str | None]:
    """The texts of a stream, as far as it comes."""
    texts = [] if texts is None else texts
    for chunk in client.models.generate_content_stream(model=MODEL, contents=f"scenario {name}"):
        texts.append(chunk.text)
    return texts


async def async_said(aio: genai.client.AsyncClient, name: str) -> list[str | None]:
    stream = await aio.models.generate_content_stream(model=MODEL, contents=f"scenario {name}")
    return [chunk.text async for chunk in stream]


# Python, one reply


def test_a_reply_and_its_usage(client: genai.Client, scripts: dict[str, Script]) -> None:
    reply = client.models.generate_content(
        model=MODEL,
        contents="scenario unicode",
        config=types.GenerateContentConfig(system_instruction="Be brief.", temperature=0.5),
    )
    usage = reply.usage_metadata
    assert reply.text == scripts["unicode"].text
    assert usage is not None
    assert usage.candidates_token_count == len(tokens_of(scripts["unicode"]))
    assert usage.prompt_token_count
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count
    assert reply.model_version == MODEL
    assert reply.candidates
    assert reply.candidates[0].finish_reason == types.FinishReason.STOP


@pytest.mark.parametrize("name", ["nasty", "split-bytes", "hundred-tokens"])
def test_a_stream_says_what_the_script_says(name: str, client: genai.Client, scripts: dict[str, Script]) -> None:
    chunks = list(client.models.generate_content_stream(model=MODEL, contents=f"scenario {name}"))
    assert [chunk.text for chunk in chunks] == [*tokens_of(scripts[name]), ""]
    last = chunks[-1]
    assert last.candidates
    assert last.candidates[0].finish_reason == types.FinishReason.STOP
    assert last.usage_metadata
    assert last.usage_metadata.candidates_token_count == len(tokens_of(scripts[name]))


@pytest.mark.parametrize("name", ["nasty", "split-bytes"])
async def test_an_async_stream_too(name: str, aio: genai.client.AsyncClient, scripts: dict[str, Script]) -> None:
    assert await async_said(aio, name) == [*tokens_of(scripts[name]), ""]


async def test_an_async_reply(aio: genai.client.AsyncClient) -> None:
    reply = await aio.models.generate_content(model=MODEL, contents="scenario three-tokens")
    assert reply.text == "Three small words."


def test_max_tokens_and_candidates(client: genai.Client) -> None:
    config = types.GenerateContentConfig(max_output_tokens=2, candidate_count=2)
    reply = client.models.generate_content(model=MODEL, contents="scenario three-tokens", config=config)
    assert reply.candidates
    assert [candidate.finish_reason for candidate in reply.candidates] == [types.FinishReason.MAX_TOKENS] * 2
    assert [candidate.index for candidate in reply.candidates] == [0, 1]


def test_a_blocked_prompt_and_an_unsafe_reply(client: genai.Client) -> None:
    blocked = client.models.generate_content(model=MODEL, contents="scenario blocked-prompt")
    assert blocked.prompt_feedback
    assert blocked.prompt_feedback.block_reason == types.BlockedReason.SAFETY
    assert (blocked.candidates, blocked.text) == (None, None)
    *_, last = client.models.generate_content_stream(model=MODEL, contents="scenario unsafe")
    assert last.candidates
    assert last.candidates[0].finish_reason == types.FinishReason.SAFETY
    assert last.candidates[0].safety_ratings
    assert [rating.blocked for rating in last.candidates[0].safety_ratings] == [None, None, None, True]


# Python, functions

DECLARED = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            parameters=types.Schema(
                type=types.Type.OBJECT,
                properties={
                    "city": types.Schema(type=types.Type.STRING),
                    "days": types.Schema(type=types.Type.INTEGER),
                },
                required=["city"],
            ),
        )
    ]
)


def test_a_function_is_called_and_its_answer_taken(client: genai.Client) -> None:
    asked = types.Content(role="user", parts=[types.Part(text="scenario tool")])
    config = types.GenerateContentConfig(tools=[DECLARED])
    reply = client.models.generate_content(model=MODEL, contents=[asked], config=config)
    (call,) = reply.function_calls or []
    assert (call.name, call.args) == ("get_weather", {"city": "Paris", "days": 2})
    assert reply.candidates
    assert reply.candidates[0].content
    response = types.Part.from_function_response(name="get_weather", response={"result": "sunny"})
    answered = types.Content(role="user", parts=[response, types.Part(text="scenario hello")])
    history = [asked, reply.candidates[0].content, answered]
    last = client.models.generate_content(model=MODEL, contents=history, config=config)
    assert last.text
    assert last.text.startswith("Hello!")


def test_a_streamed_call(client: genai.Client) -> None:
    chunks = client.models.generate_content_stream(
        model=MODEL, contents="scenario tool", config=types.GenerateContentConfig(tools=[DECLARED])
    )
    calls = [call for chunk in chunks for call in chunk.function_calls or []]
    assert [(call.name, call.args) for call in calls] == [("get_weather", {"city": "Paris", "days": 2})]


def test_the_client_calls_a_python_function_by_itself(client: genai.Client) -> None:
    asked: list[tuple[str, int]] = []

    def get_weather(city: str, days: int) -> str:
        """The weather."""
        asked.append((city, days))
        return "sunny"

    limit = types.AutomaticFunctionCallingConfig(maximum_remote_calls=2)
    config = types.GenerateContentConfig(tools=[get_weather], automatic_function_calling=limit)
    client.models.generate_content(model=MODEL, contents="scenario tool", config=config)
    assert asked[0] == ("Paris", 2)


# Python, the rest of the API


def test_counting_models_and_embeddings(client: genai.Client) -> None:
    assert client.models.count_tokens(model=MODEL, contents="one two three").total_tokens == 3
    listed = list(client.models.list(config={"page_size": 2, "query_base": True}))
    assert f"models/{MODEL}" in [model.name for model in listed]
    found = client.models.get(model=MODEL)
    assert found.supported_actions
    assert "generateContent" in found.supported_actions
    embedded = client.models.embed_content(
        model="gemini-embedding-001", contents=["a", "b"], config={"output_dimensionality": 16}
    )
    assert embedded.embeddings
    assert [len(one.values or []) for one in embedded.embeddings] == [16, 16]


# Python, errors


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", STATUSES)
def test_each_status_raises_its_error(name: str, stream: bool, client: genai.Client) -> None:
    code, status = STATUSES[name]
    with pytest.raises(errors.ClientError if code < 500 else errors.ServerError) as raised:
        said(client, name) if stream else client.models.generate_content(model=MODEL, contents=f"scenario {name}")
    assert (raised.value.code, raised.value.status) == (code, status)
    assert raised.value.message


@pytest.mark.parametrize("name", [name for name in STATUSES if name != "html"])
async def test_async_too(name: str, aio: genai.client.AsyncClient) -> None:
    code, status = STATUSES[name]
    with pytest.raises(errors.APIError) as raised:
        await async_said(aio, name)
    assert (raised.value.code, raised.value.status) == (code, status)


def test_a_429_says_how_long_to_wait(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as raised:
        client.models.generate_content(model=MODEL, contents="scenario rate-limited")
    details = raised.value.details["error"]["details"]
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.050s"} in details


def test_an_error_in_the_stream_is_raised(client: genai.Client) -> None:
    texts: list[str | None] = []
    with pytest.raises(errors.ServerError) as raised:
        said(client, "error-mid", texts)
    assert texts == ["Errors", " happen", " here"]
    assert (raised.value.code, raised.value.status) == (500, "INTERNAL")


async def test_in_an_async_stream_too(aio: genai.client.AsyncClient) -> None:
    with pytest.raises(errors.ServerError):
        await async_said(aio, "error-mid")


def test_a_malformed_event_is_an_error_of_the_client(client: genai.Client) -> None:
    with pytest.raises(errors.UnknownApiResponseError):
        said(client, "malformed-mid")


@pytest.mark.parametrize("name", ["cut-mid", "reset-mid", "drop-start", "garbage"])
def test_a_broken_connection_is_an_error_of_the_transport(name: str, client: genai.Client) -> None:
    httpx2 = pytest.importorskip("httpx2", reason="httpx2 is not installed")
    with pytest.raises((httpx2.TransportError, httpx.TransportError)):
        said(client, name)


def test_a_clean_early_end_shows_only_in_the_missing_finish_reason(client: genai.Client) -> None:
    chunks = list(client.models.generate_content_stream(model=MODEL, contents="scenario drop-mid"))
    assert [chunk.text for chunk in chunks] == ["Drop", "ping", " anchor"]
    assert chunks[-1].candidates
    assert chunks[-1].candidates[0].finish_reason is None


def test_it_retries_when_told_to_and_not_before(url: str) -> None:
    contents = "scenario at-first case %s"
    with (
        genai.Client(api_key="k", http_options=options(url)) as plain,
        pytest.raises(errors.ServerError),
    ):
        plain.models.generate_content(model=MODEL, contents=contents % "plain")
    retry = types.HttpRetryOptions(attempts=2, initial_delay=0.01, jitter=0.01)
    with genai.Client(api_key="k", http_options=options(url, retry_options=retry)) as patient:
        reply = patient.models.generate_content(model=MODEL, contents=contents % "patient")
    assert reply.text == "Three small words."


def test_what_google_would_refuse_is_refused(client: genai.Client) -> None:
    contents = types.Content(role="assistant", parts=[types.Part(text="scenario hello")])
    with pytest.raises(errors.ClientError, match="Please use a valid role: user, model"):
        client.models.generate_content(model=MODEL, contents=contents)
