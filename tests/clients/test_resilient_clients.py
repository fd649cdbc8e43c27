"""The official clients, unmodified and with their defaults, have none of the faults that the verdict looks for."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from chatproof.fake_providers.journal.control_client import Fakes
from chatproof.fake_providers.testing.inprocess import InProcess
from tests.clients import node
from tests.fake_providers.kit import Served
from tests.timing import timed

FAILURES = (
    "rate-limited",
    "server-error",
    "overloaded",
    "bad-key",
    "flaky",
    "drop-start",
    "drop-mid",
    "error-mid",
    "hello",
)
NOT_TRIED = {"retried-against-advice", "stream-left-open", "no-read-timeout"}


def judged(fakes: InProcess, repeats: bool) -> None:
    """What was tried: all that these scripts can try. `repeats`: whether the client does."""
    tried = fakes.journal.assert_resilient()
    assert {fault for fault, times in tried.items() if not times} == NOT_TRIED | (
        set() if repeats else {"retry-after-ignored"}
    )
    assert fakes.journal.retries("rate-limited") != [] or not repeats


def test_openai(fake_openai: InProcess) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI() as client:
        for script in FAILURES:
            asked: list[Any] = [{"role": "user", "content": f"scenario {script} case {script}"}]
            with suppress(openai.OpenAIError):
                list(client.chat.completions.create(model="gpt-4o", messages=asked, stream=True))
    judged(fake_openai, True)


async def test_openai_async_with_a_silent_provider(fake_openai: InProcess) -> None:
    openai = pytest.importorskip("openai")
    async with openai.AsyncOpenAI(timeout=0.3) as client:
        for script in ("silent", "stall"):
            asked: list[Any] = [{"role": "user", "content": f"scenario {script} case {script}"}]
            with suppress(openai.OpenAIError):
                async for _ in await client.chat.completions.create(model="gpt-4o", messages=asked, stream=True):
                    pass
    tried = await fake_openai.journal.aio.assert_resilient(read_timeout=1.0)
    assert tried["no-read-timeout"] == len(fake_openai.journal.entries())


def test_google_genai(fake_gemini: InProcess) -> None:
    genai = pytest.importorskip("google.genai")
    with genai.Client() as client:
        for script in FAILURES:
            text = f"scenario {script} case {script}"
            with suppress(Exception):
                list(client.models.generate_content_stream(model="gemini-2.5-flash", contents=text))
    judged(fake_gemini, False)


def test_google_genai_that_repeats(fake_gemini: InProcess) -> None:
    genai = pytest.importorskip("google.genai")
    options = genai.types.HttpOptions(retry_options=genai.types.HttpRetryOptions(attempts=2))
    with genai.Client(http_options=options) as client, suppress(Exception):
        client.models.generate_content(model="gemini-2.5-flash", contents="scenario rate-limited case r")
    assert fake_gemini.journal.assert_resilient("r")["retry-after-ignored"] == 1


def test_ollama(fake_local: InProcess) -> None:
    ollama = pytest.importorskip("ollama")
    client = ollama.Client()
    for script in FAILURES:
        with suppress(Exception):
            list(
                client.chat("llama3.2", [{"role": "user", "content": f"scenario {script} case {script}"}], stream=True)
            )
    judged(fake_local, False)


@timed
@node.needs("openai")
async def test_openai_javascript(served: Served, fakes: Fakes) -> None:
    given = {"texts": [f"scenario {script} case {script}" for script in FAILURES]}
    found = await node.run("openai.mjs", f"{served.url}/v1", "streams", json.dumps(given))
    assert len(found["value"]) == len(FAILURES)
    tried = await fakes.assert_resilient()
    assert {fault for fault, times in tried.items() if not times} == NOT_TRIED
