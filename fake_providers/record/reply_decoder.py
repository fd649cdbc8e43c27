"""Reads real providers' replies piece by piece while they arrive, for the recorder."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from chatproof.fake_providers.record.messages_reply import message_parts
from chatproof.fake_providers.record.reply_part import (
    Blocked,
    Failed,
    Finished,
    HiddenThoughts,
    Malformed,
    ReplyPart,
    TextPart,
    ToolCallPart,
)
from chatproof.fake_providers.scripting.steps import Channel

Form = Literal["events", "lines", "array", "whole"]
"""Server-sent events, one JSON value per line, a JSON array that grows, or one JSON value."""


_REASONS: Final = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "max_output_tokens": "length",
    "max_tokens": "length",
    "safety": "content_filter",
    "prohibited_content": "content_filter",
    "blocklist": "content_filter",
    "recitation": "content_filter",
    "spii": "content_filter",
}


_DELTAS: Final[dict[str, Channel]] = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "thinking",
    "response.reasoning_text.delta": "thinking",
}
_CONTENTS: Final[dict[Any, Channel]] = {"refusal": "refusal", "summary_text": "thinking", "reasoning_text": "thinking"}


class ValueDecoder:
    """Bytes in, in any pieces; JSON values out, with ValueError objects for those that are not JSON."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._data: list[str] = []

    def feed(self, data: bytes, final: bool = False) -> list[Any]:
        """The values that these bytes complete. `final`: no more bytes follow."""
        self._held += self._text.decode(data, final)
        if self._form == "whole":
            return [_parsed(self._held)] if final and self._held.strip() else []
        if self._form == "array":
            return list(self._elements())
        return list(self._lines(final))

    def _lines(self, final: bool) -> Iterator[Any]:
        *lines, self._held = self._held.split("\n")
        if final and self._held:
            lines, self._held = [*lines, self._held], ""
        for line in lines:
            text = line.removesuffix("\r")
            if self._form == "lines":
                if text.strip():
                    yield _parsed(text)
            elif text.startswith("data:"):
                self._data.append(text.removeprefix("data:").removeprefix(" "))
            elif not text and self._data:
                joined, self._data = "\n".join(self._data), []
                if joined != "[DONE]":
                    yield _parsed(joined)

    def _elements(self) -> Iterator[Any]:
        decoder = json.JSONDecoder()
        while True:
            rest = self._held.lstrip(" \r\n\t,[")
            try:
                value, end = decoder.raw_decode(rest)
            except ValueError:
                return  # not whole yet, or the array's end
            self._held = rest[end:]
            yield value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        return ValueError(str(problem))


class ReplyParser:
    """Parses one provider's replies. `hear` gives the parts of one value; an unstreamed reply is one value."""

    def __init__(self, understand: Callable[[Any], Iterator[ReplyPart]]) -> None:
        self._understand = understand

    def hear(self, value: Any) -> list[ReplyPart]:
        if not isinstance(value, dict):
            return [Malformed()]
        if value.get("error"):
            return [_failed(value["error"])]
        try:
            return list(self._understand(value))
        except (AttributeError, KeyError, TypeError, IndexError):
            return [Malformed()]


def parser_for(path: str) -> ReplyParser | None:
    """The parser for replies on a request path; None where no model answers."""
    if path.endswith("/chat/completions"):
        return ReplyParser(_chat)
    if path.endswith("/responses"):
        return ReplyParser(_responses)
    if path.endswith((":generateContent", ":streamGenerateContent")):
        return ReplyParser(_gemini)
    if path.endswith("/v1/messages"):
        return ReplyParser(message_parts)
    if path.endswith(("/api/chat", "/api/generate")):
        return ReplyParser(_ollama)
    return None


def form_of(content_type: str, path: str, query: str) -> Form:
    if content_type.startswith("text/event-stream"):
        return "events"
    if content_type.startswith("application/x-ndjson"):
        return "lines"
    return "array" if path.endswith(":streamGenerateContent") and "alt=sse" not in query else "whole"


def failure(body: Any) -> Failed:
    """The error that a reply's body describes; its fields are None where the body lacks them."""
    error = body.get("error") if isinstance(body, dict) else None
    return _failed(error)


def _failed(error: Any) -> Failed:
    if not isinstance(error, dict):
        return Failed(error if isinstance(error, str) and error else None, None, None)
    kind = error.get("type") or error.get("status")
    code = error.get("code")
    # Numbers repeat the HTTP status.
    return Failed(_text(error.get("message")), _text(kind), _text(code), _retry_after(error.get("details")))


def _retry_after(details: Any) -> float | None:
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and re.fullmatch(r"\d{1,4}(\.\d{1,9})?s", delay):
            return min(float(delay[:-1]), 3_600.0)
    return None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _reason(value: str) -> str:
    return _REASONS.get(value.lower(), "stop")


def _chat(value: dict[str, Any]) -> Iterator[ReplyPart]:
    for choice in value.get("choices") or ():
        if choice.get("index", 0) != 0:
            continue
        part = choice.get("delta") or choice.get("message") or {}
        if thought := part.get("reasoning") or part.get("reasoning_content"):
            yield TextPart(thought, "thinking")
        if part.get("content"):
            yield TextPart(part["content"])
        if part.get("refusal"):
            yield TextPart(part["refusal"], "refusal")
        for number, call in enumerate(part.get("tool_calls") or ()):
            function = call.get("function") or {}
            yield ToolCallPart(call.get("index", number), function.get("name") or "", function.get("arguments") or "")
        if choice.get("finish_reason"):
            yield Finished(_reason(choice["finish_reason"]))
    yield from _hidden((value.get("usage") or {}).get("completion_tokens_details"))


def _hidden(details: Any) -> Iterator[HiddenThoughts]:
    """The number of thoughts in a usage's details, if any."""
    if isinstance(details, dict) and isinstance(count := details.get("reasoning_tokens"), int) and count > 0:
        yield HiddenThoughts(count)


def _responses(value: dict[str, Any]) -> Iterator[ReplyPart]:
    kind, item = value.get("type", ""), value.get("item") or {}
    if kind in _DELTAS:
        yield TextPart(value["delta"], _DELTAS[kind])
    elif kind == "response.reasoning_summary_part.added":
        yield TextPart("", "thinking")  # a step of its own
    elif kind == "response.output_item.added" and item.get("type") == "function_call":
        yield ToolCallPart(value["output_index"], item["name"], "")
    elif kind == "response.function_call_arguments.delta":
        yield ToolCallPart(value["output_index"], "", value["delta"])
    elif kind in ("response.failed", "error"):
        yield _failed((value.get("response") or {}).get("error") or value)
    elif kind in ("response.completed", "response.incomplete"):
        yield from _response_end(value["response"])
    elif value.get("object") == "response":
        for index, part in enumerate(value.get("output") or ()):
            if part.get("type") == "function_call":
                yield ToolCallPart(index, part["name"], part["arguments"])
            for content in (*(part.get("summary") or ()), *(part.get("content") or ())):
                channel = _CONTENTS.get(content.get("type"), "text")
                yield TextPart("", channel)
                if text := content.get("text") or content.get("refusal"):
                    yield TextPart(text, channel)
        yield from _response_end(value)


def _response_end(response: dict[str, Any]) -> Iterator[ReplyPart]:
    yield from _hidden((response.get("usage") or {}).get("output_tokens_details"))
    if details := response.get("incomplete_details"):
        yield Finished(_reason(details.get("reason", "")))
        return
    called = any(item.get("type") == "function_call" for item in response.get("output") or ())
    yield Finished("tool_calls" if called else "stop")


def _gemini(value: dict[str, Any]) -> Iterator[ReplyPart]:
    if blocked := (value.get("promptFeedback") or {}).get("blockReason"):
        yield Blocked(blocked)
    for candidate in (value.get("candidates") or ())[:1]:
        for part in (candidate.get("content") or {}).get("parts") or ():
            if part.get("text"):
                yield TextPart(part["text"], "thinking" if part.get("thought") else "text")
            if part.get("functionCall"):
                call = part["functionCall"]
                yield ToolCallPart(-1, call["name"], _compact(call.get("args") or {}))
        if candidate.get("finishReason"):
            reason, why = _reason(candidate["finishReason"]), candidate.get("finishMessage")
            yield from _hidden({"reasoning_tokens": (value.get("usageMetadata") or {}).get("thoughtsTokenCount")})
            if reason == "content_filter" and why:
                yield TextPart(why, "refusal")
                reason = "stop"
            yield Finished(reason)


def _ollama(value: dict[str, Any]) -> Iterator[ReplyPart]:
    message = value.get("message") or {}
    if thought := message.get("thinking") or value.get("thinking"):
        yield TextPart(thought, "thinking")
    if text := message.get("content") or value.get("response"):
        yield TextPart(text)
    for call in message.get("tool_calls") or ():
        yield ToolCallPart(-1, call["function"]["name"], _compact(call["function"].get("arguments") or {}))
    if value.get("done"):
        yield Finished(_reason(value.get("done_reason") or "stop"))


def _compact(arguments: Any) -> str:
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))
