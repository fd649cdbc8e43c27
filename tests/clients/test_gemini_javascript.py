"""The official client npm @google/genai against the fake Gemini, unmodified."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.fake_providers.scripting.script import Script
from tests.clients.gemini_kit import MODEL, STATUSES, add_scripts
from tests.clients.node import needs, run
from tests.clients.tokens import tokens_of
from tests.fake_providers.kit import Served
from tests.timing import timed

pytestmark = needs("@google/genai")


@pytest.fixture
def url(served: Served) -> str:
    return add_scripts(served.url)


async def javascript(url: str, *arguments: str) -> Any:
    return await run("gemini.mjs", url, *arguments)


async def test_it_streams(url: str, scripts: dict[str, Script]) -> None:
    names = ["nasty", "split-bytes", "three-tokens", "drop-mid"]
    replies = await javascript(url, "stream", *names)
    for name in names[:3]:
        assert replies[name]["texts"] == [*tokens_of(scripts[name]), ""]
        assert replies[name]["finish"] == "STOP"
        assert replies[name]["usage"]["candidatesTokenCount"] == len(tokens_of(scripts[name]))
    assert replies["drop-mid"]["texts"] == ["Drop", "ping", " anchor"]
    assert replies["drop-mid"]["finish"] is None


async def test_it_gets_whole_replies_and_calls(url: str, scripts: dict[str, Script]) -> None:
    replies = await javascript(url, "whole", "unicode", "tool", "blocked-prompt", "unsafe")
    assert replies["unicode"]["text"] == scripts["unicode"].text
    assert replies["tool"]["calls"] == [{"name": "get_weather", "args": {"city": "Paris", "days": 2}}]
    assert replies["blocked-prompt"]["blocked"] == "SAFETY"
    assert replies["unsafe"]["finish"] == "SAFETY"


@pytest.mark.parametrize("mode", ["whole", "stream"])
async def test_it_raises_api_errors(mode: str, url: str) -> None:
    replies = await javascript(url, mode, *STATUSES)
    assert {name: (reply["error"], reply["status"]) for name, reply in replies.items()} == {
        name: ("ApiError", code) for name, (code, _) in STATUSES.items()
    }


# a busy machine joins the error with the event before it into one read, and this client then does not recognise it
@timed
async def test_it_raises_what_breaks_in_the_stream(url: str) -> None:
    replies = await javascript(
        url, "stream", "error-mid", "malformed-mid", "cut-mid", "reset-mid", "drop-start", "garbage"
    )
    assert (replies["error-mid"]["error"], replies["error-mid"]["status"]) == ("ApiError", 500)
    assert replies["error-mid"]["texts"] == ["Errors", " happen", " here"]
    assert all(reply["error"] for reply in replies.values())


async def test_it_counts_lists_and_embeds(url: str) -> None:
    rest = await javascript(url, "rest")
    assert rest["tokens"] == 3
    assert f"models/{MODEL}" in rest["models"]
    assert rest["model"] == f"models/{MODEL}"
    assert rest["embeddings"] == [16, 16]
