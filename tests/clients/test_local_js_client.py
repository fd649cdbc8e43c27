"""The official JavaScript client of Ollama, unmodified, against the fake one."""

from __future__ import annotations

from collections.abc import Mapping

from chatproof.fake_providers.scripting.script import Script
from tests.clients import node
from tests.clients.local_kit import MODEL, STATUSES, url
from tests.clients.tokens import tokens_of

__all__ = ["url"]

pytestmark = node.needs("ollama")


async def test_javascript_reads_streams(url: str, scripts: Mapping[str, Script]) -> None:
    names = ("hello", "nasty", "unicode", "split-bytes", "long", "calls")
    found = await node.run("ollama.mjs", url, "stream", *names)
    for name in names[:-1]:
        assert found[name]["texts"][:-1] == tokens_of(scripts[name])
        assert (found[name]["last"]["done"], found[name]["last"]["done_reason"]) == (True, "stop")
    (call,) = found["calls"]["calls"]
    assert call["function"]["arguments"] == {"city": "Zürich", "days": 2}
    generated = await node.run("ollama.mjs", url, "generate", "nasty")
    assert "".join(generated["nasty"]["texts"]) == scripts["nasty"].text


async def test_javascript_reads_whole_replies_and_raises(url: str, scripts: Mapping[str, Script]) -> None:
    found = await node.run("ollama.mjs", url, "whole", "unicode", "calls", *STATUSES)
    assert found["unicode"]["message"]["content"] == scripts["unicode"].text
    assert found["calls"]["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    for name, status in STATUSES.items():
        assert (found[name]["name"], found[name]["status"]) == ("ResponseError", status)
        assert "{" not in found[name]["error"]


async def test_javascript_raises_what_breaks_in_the_middle(url: str, scripts: Mapping[str, Script]) -> None:
    names = ("error-mid", "drop-mid", "cut-mid", "reset-mid", "malformed-mid")
    found = await node.run("ollama.mjs", url, "stream", *names)
    assert "unexpected EOF" in found["error-mid"]["error"]
    assert "Did not receive done" in found["drop-mid"]["error"]
    assert found["cut-mid"]["error"]
    assert found["reset-mid"]["error"]
    assert "error" not in found["malformed-mid"]  # the client warns and goes on
    for name in names:
        said = tokens_of(scripts[name])
        assert found[name]["texts"][: len(said)] == said


async def test_javascript_looks_up_and_embeds(url: str) -> None:
    found = await node.run("ollama.mjs", url, "rest")
    assert f"{MODEL}:latest" in found["listed"]
    assert found["running"] == [f"{MODEL}:latest"]
    assert "tools" in found["capabilities"]
    assert found["version"].count(".") == 2
    assert (found["embeddings"], found["old"]) == ([16, 16], 768)
    assert found["missing"] == {"error": "model 'missing' not found", "name": "ResponseError", "status": 404}
