"""google-genai against the fakes: its own loop over Python functions, `.parsed`, and thoughts."""

from __future__ import annotations

from typing import Any

from google import genai

from bench.clients.attempts import QUESTION, THINK, TOOL, Tool, attempt_all, is_text, is_whole
from bench.clients.forecast import Forecast

MODEL = "gemini-2.5-flash"


def replies(text: str, streamed: bool, config: dict[str, Any]) -> list[Any]:
    """The reply, or all chunks of the stream."""
    with genai.Client() as client:
        asked: dict[str, Any] = {"model": MODEL, "contents": text, "config": config}
        if streamed:
            return list(client.models.generate_content_stream(**asked))
        return [client.models.generate_content(**asked)]


def text_of(found: list[Any]) -> str:
    return "".join(reply.text or "" for reply in found)


def tool_loop(_: str, streamed: bool) -> None:
    tool = Tool()
    found = replies(TOOL, streamed, {"tools": [tool.get_weather]})
    tool.ran_once(text_of(found))


def structured(_: str, streamed: bool) -> None:
    found = replies(QUESTION, streamed, {"response_mime_type": "application/json", "response_schema": Forecast})
    is_whole(Forecast.model_validate_json(text_of(found)) if streamed else found[0].parsed)


def reasoning(_: str, streamed: bool) -> None:
    found = replies(THINK, streamed, {"thinking_config": {"include_thoughts": True}})
    is_text(text_of(found))
    parts = [part for reply in found for part in reply.candidates[0].content.parts or ()]
    is_text("".join(part.text or "" for part in parts if part.thought))


attempt_all("google-genai", ("Gemini",), (tool_loop, structured, reasoning))
