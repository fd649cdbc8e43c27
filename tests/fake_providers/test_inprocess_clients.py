"""The official clients, unmodified, against the fakes in process: by their variables alone."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from chatproof.fake_providers.testing.inprocess import InProcess
from chatproof.fake_providers.testing.threaded import ThreadedServer
from tests.timing import timed


def asked(text: str) -> Any:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}


@timed
def test_openai(fake_openai: InProcess) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI() as client:
        assert client.chat.completions.create(**asked("scenario hello")).choices[0].message.content.startswith("Hello!")
        stream = client.chat.completions.create(**asked("scenario paced case s"), stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert text == fake_openai.journal.assert_completed("s").text
        with client.chat.completions.create(**asked("scenario paced case c"), stream=True) as stream:
            next(stream)
        assert fake_openai.journal.assert_cancelled("c").tokens == 1


async def test_openai_async(fake_openai: InProcess) -> None:
    openai = pytest.importorskip("openai")
    async with openai.AsyncOpenAI() as client:
        stream = await client.chat.completions.create(**asked("scenario paced case s"), stream=True)
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        assert text == fake_openai.journal.assert_completed("s").text
        asking = asyncio.create_task(client.chat.completions.create(**asked("scenario slow-start case c")))
        await fake_openai.journal.aio.wait_entries("c", 1)
        asking.cancel()
        assert (await fake_openai.journal.aio.assert_cancelled("c")).tokens == 0
        with pytest.raises(asyncio.CancelledError):
            await asking


@timed
@pytest.mark.parametrize(
    ("name", "error", "requests"),
    [
        ("rate-limited", "RateLimitError", 3),
        ("server-error", "InternalServerError", 3),
        ("bad-key", "AuthenticationError", 1),
        ("drop-start", "APIConnectionError", 3),
        ("garbage", "APIConnectionError", 3),
        ("slow-start", "APITimeoutError", 3),
    ],
)
async def test_openai_errors_and_retries(fake_openai: InProcess, name: str, error: str, requests: int) -> None:
    openai = pytest.importorskip("openai")
    fake_openai.pace = 0
    with openai.OpenAI(timeout=1.0) as client, pytest.raises(getattr(openai, error)):
        client.chat.completions.create(**asked(f"scenario {name} case sync"))
    async with openai.AsyncOpenAI(timeout=1.0) as async_client:
        with pytest.raises(getattr(openai, error)):
            await async_client.chat.completions.create(**asked(f"scenario {name} case async"))
    for case in ("sync", "async"):
        gaps = fake_openai.journal.assert_retried(case, times=requests - 1, within=0)
        if name == "rate-limited":
            assert all(0.05 <= gap < 0.4 for gap in gaps), "retry-after-ms says 50"


def test_gemini(fake_gemini: InProcess) -> None:
    genai = pytest.importorskip("google.genai")
    with genai.Client() as client:
        reply = client.models.generate_content(model="gemini-2.5-flash", contents="scenario hello case g")
        assert reply.text.startswith("Hello!")
        stream = client.models.generate_content_stream(model="gemini-2.5-flash", contents="scenario paced case p")
        assert "".join(part.text or "" for part in stream).startswith("A train")
    assert fake_gemini.journal.assert_completed("p").provider == "gemini"


async def test_gemini_async_by_httpx(fake_gemini: InProcess) -> None:
    """Where aiohttp is installed the async client takes that, which only the served fakes can answer."""
    genai = pytest.importorskip("google.genai")
    httpx2 = pytest.importorskip("httpx2")
    options = {"httpx_async_client": httpx2.AsyncClient()}
    async with genai.Client(http_options=options).aio as client:
        reply = await client.models.generate_content(model="gemini-2.5-flash", contents="scenario hello")
        assert reply.text.startswith("Hello!")


def test_ollama(fake_local: InProcess) -> None:
    ollama = pytest.importorskip("ollama")
    client = ollama.Client()
    stream = client.chat(model="llama3.2", messages=[{"role": "user", "content": "scenario paced case o"}], stream=True)
    start = time.monotonic()
    assert "".join(part.message.content for part in stream).startswith("A train")
    assert time.monotonic() - start > 0.9
    assert fake_local.journal.assert_completed("o").provider == "local"
    client._client.close()


# google-genai subclasses aiohttp's session, which aiohttp advises against
@pytest.mark.filterwarnings("ignore:Inheritance class:DeprecationWarning")
async def test_all_of_them_at_the_server(fake_server: ThreadedServer) -> None:
    openai, genai = pytest.importorskip("openai"), pytest.importorskip("google.genai")
    ollama = pytest.importorskip("ollama")
    with openai.OpenAI() as client, genai.Client() as gemini:
        assert client.chat.completions.create(**asked("scenario hello")).choices[0].message.content.startswith("Hello!")
        model = "gemini-2.5-flash"
        assert gemini.models.generate_content(model=model, contents="scenario hello").text.startswith("Hello!")
        async with gemini.aio as async_gemini:
            reply = await async_gemini.models.generate_content(model=model, contents="scenario hello case aio")
            assert reply.text.startswith("Hello!")
    local = ollama.AsyncClient()
    reply = await local.chat(model="llama3.2", messages=[{"role": "user", "content": "scenario hello"}])
    assert reply.message.content.startswith("Hello!")
    await local._client.aclose()
    await fake_server.journal.aio.assert_completed()
    assert {entry.provider for entry in fake_server.journal.entries()} == {"openai", "gemini", "local"}
