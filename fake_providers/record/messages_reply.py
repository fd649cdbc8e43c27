"""Reads the values of Anthropic's Messages API, streamed and whole, for the recorder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from chatproof.fake_providers.record.reply_part import Finished, HiddenThoughts, ReplyPart, TextPart, ToolCallPart

_REASONS: Final = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def message_parts(value: dict[str, Any]) -> Iterator[ReplyPart]:
    """The parts of one event, or of a whole message."""
    kind = value.get("type")
    if kind == "content_block_start":
        yield from _begun(value["index"], value["content_block"])
    elif kind == "content_block_delta":
        yield from _continued(value["index"], value["delta"])
    elif kind == "message_delta" and value["delta"].get("stop_reason"):
        yield from _ended(value["delta"], value.get("usage") or {})
    elif kind == "message":
        for index, block in enumerate(value.get("content") or ()):
            yield from _begun(index, block)
            if block.get("type") == "tool_use":
                yield ToolCallPart(index, "", json.dumps(block["input"], ensure_ascii=False, separators=(",", ":")))
        yield from _ended(value, value.get("usage") or {})


def _begun(index: int, block: dict[str, Any]) -> Iterator[ReplyPart]:
    kind = block.get("type")
    if kind == "tool_use":
        yield ToolCallPart(index, block["name"], "")
    elif kind == "thinking":
        yield TextPart("", "thinking")  # a step of its own
        if block.get("thinking"):
            yield TextPart(block["thinking"], "thinking")
    elif kind == "text" and block.get("text"):
        yield TextPart(block["text"])


def _continued(index: int, delta: dict[str, Any]) -> Iterator[ReplyPart]:
    kind = delta.get("type")
    if kind == "text_delta" and delta["text"]:
        yield TextPart(delta["text"])
    elif kind == "thinking_delta" and delta["thinking"]:
        yield TextPart(delta["thinking"], "thinking")
    elif kind == "input_json_delta":
        yield ToolCallPart(index, "", delta["partial_json"])


def _ended(end: dict[str, Any], usage: dict[str, Any]) -> Iterator[ReplyPart]:
    count = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    if isinstance(count, int) and count > 0:
        yield HiddenThoughts(count)
    reason = _REASONS.get(end.get("stop_reason") or "", "stop")
    why = (end.get("stop_details") or {}).get("explanation")
    if reason == "content_filter" and why:
        yield TextPart(why, "refusal")
        reason = "stop"
    yield Finished(reason)
