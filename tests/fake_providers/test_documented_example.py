"""The example in docs/fake-providers.md, as it stands there, and the user's own code that it tests."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chatproof.fake_providers.testing.inprocess import InProcess

PAGE = Path(__file__).parent.parent.parent / "docs" / "fake-providers.md"
openai = pytest.importorskip("openai", reason="the official openai client is not installed (make setup)")


async def answer(prompt: str) -> str:
    """The user's code: the client itself asks again after a 429, but does not even notice a stream that breaks off."""
    async with openai.AsyncOpenAI() as client:
        for _ in range(3):
            text, whole = "", False
            messages = [{"role": "user", "content": prompt}]
            async for chunk in await client.chat.completions.create(model="gpt-4o", messages=messages, stream=True):
                text += chunk.choices[0].delta.content or ""
                whole = whole or chunk.choices[0].finish_reason is not None
            if whole:
                return text
    raise RuntimeError("no whole reply in three attempts")


async def test_my_code_survives_its_provider(fake_openai: InProcess) -> None:
    fake_openai.plays("rate-limited", "drop-mid", "hello")  # a 429, then half a reply, then a whole one
    assert (await answer("Hi! case one")).startswith("Hello!")
    fake_openai.journal.assert_retried("one", times=2)

    fake_openai.plays("minute")  # a reply that lasts a minute
    asking = asyncio.create_task(answer("Tell me more! case two"))
    await fake_openai.journal.aio.wait_tokens("two", 3)
    asking.cancel()
    cancelled = await fake_openai.journal.aio.assert_cancelled("two", within=1.0)
    assert cancelled.tokens < 10  # nobody pays for the rest of the minute


async def test_my_code_is_a_good_guest(fake_openai: InProcess) -> None:
    fake_openai.plays("rate-limited", "drop-mid", "hello")
    await answer("Hi! case one")
    await fake_openai.journal.aio.assert_resilient("one", read_timeout=5.0)


@pytest.mark.parametrize("example", [test_my_code_survives_its_provider, test_my_code_is_a_good_guest])
def test_the_page_shows_this_example(example: Callable[..., object]) -> None:
    source = inspect.getsource(example).replace("fake_openai: InProcess) -> None", "fake_openai)")
    assert source in PAGE.read_text(encoding="utf-8")
