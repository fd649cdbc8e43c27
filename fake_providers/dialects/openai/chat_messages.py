"""Validates a chat's messages as OpenAI's API does, and finds the last user message."""

from __future__ import annotations

from typing import Any, Final

from chatproof.fake_providers.dialects.openai import field_checks as fields
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.scripting.dialogue import Dialogue

_ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
_PARTS: Final = ("text", "image_url", "input_audio", "refusal", "file")
"""The types of a content part, each of which is also the key that holds it."""
_CALL_KINDS: Final = ("function", "custom")
_INSTRUCTIONS: Final = ("system", "developer")


class ChatDialogue(Dialogue):
    """What a valid chat request says."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    @property
    def system(self) -> str:
        said = self._body["messages"]
        return "\n".join(texts_of(one.get("content")) for one in said if one["role"] in _INSTRUCTIONS)

    @property
    def tools(self) -> list[str]:
        offered = [tool[tool["type"]]["name"] for tool in self._body.get("tools") or ()]
        return offered + [str(one.get("name")) for one in self._body.get("functions") or () if isinstance(one, dict)]

    @property
    def turn(self) -> int:
        return sum(message["role"] == "user" for message in self._body["messages"])

    @property
    def results(self) -> tuple[str, ...]:
        names: list[str] = []
        for message in reversed(self._body["messages"]):
            if message["role"] in ("tool", "function"):
                names.append(self._called(message))
            elif message["role"] not in _INSTRUCTIONS:
                break
        return tuple(names)

    def _called(self, result: dict[str, Any]) -> str:
        """The name of the tool that gave the result: only the call has it."""
        for message in reversed(self._body["messages"]):
            for call in message.get("tool_calls") or ():
                if call["id"] == result.get("tool_call_id"):
                    return str(call[call["type"]]["name"])
        return str(result.get("name") or "")


def messages(body: dict[str, Any]) -> Problem | None:
    """The first error in the request's messages; None if they are valid."""
    if (said := body.get("messages")) is None:
        return fields.missing("messages")
    if not isinstance(said, list):
        return fields.wrong_type("messages", "an array of objects", said)
    if not said:
        return fields.empty_array("messages")
    return fields.first_wrong("messages", said, _message) or _calls_are_answered(said)


def last_user_text(said: list[dict[str, Any]]) -> str:
    """The text of the last user message, its text parts joined by newlines; empty if there is none."""
    for message in reversed(said):
        if message.get("role") == "user":
            return texts_of(message.get("content"))
    return ""


def texts_of(content: Any) -> str:
    """A content's text, of valid messages."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def _message(where: str, message: dict[str, Any]) -> Problem | None:
    role, wrong = message.get("role"), fields.required_word(where, message, "role", _ROLES)
    if role == "tool":
        wrong = fields.required(where, message, "tool_call_id")
    if role == "assistant" and message.get("tool_calls") is not None:
        wrong = _tool_calls(f"{where}.tool_calls", message["tool_calls"])
    return wrong or _content(f"{where}.content", str(role), message)


def _content(where: str, role: str, message: dict[str, Any]) -> Problem | None:
    content = message.get("content")
    if isinstance(content, str):
        return None
    if content is None:
        if role == "assistant" and any(message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio")):
            return None
        return Problem("Invalid value for 'content': expected a string, got null.", where, None)
    if not isinstance(content, list):
        return fields.wrong_type(where, "one of a string or array of objects", content)
    return fields.first_wrong(where, content, _part)


def _part(where: str, part: dict[str, Any]) -> Problem | None:
    if not isinstance(kind := part.get("type"), str):
        return fields.wrong_type(f"{where}.type", "a string", kind)
    if kind not in _PARTS:
        return fields.wrong_value(f"{where}.type", kind, _PARTS)
    if kind in ("text", "refusal"):
        return fields.required(where, part, kind)
    return fields.required(where, part, kind, kind=fields.OBJECT) or _medium(f"{where}.{kind}", kind, part[kind])


def _medium(where: str, kind: str, medium: dict[str, Any]) -> Problem | None:
    """What is wrong with an image, a sound or a file."""
    if kind == "file":
        found = any(isinstance(medium.get(name), str) for name in ("file_id", "file_data"))
        return None if found else fields.missing(f"{where}.file_id")
    if kind == "input_audio":
        return fields.required(where, medium, "data", "format")
    return fields.required(where, medium, "url") or fields.wrong_url(f"{where}.url", medium["url"])


def _tool_calls(where: str, calls: Any) -> Problem | None:
    if not isinstance(calls, list):
        return fields.wrong_type(where, "an array of objects", calls)
    return fields.first_wrong(where, calls, _tool_call) if calls else fields.empty_array(where)


def _tool_call(where: str, call: dict[str, Any]) -> Problem | None:
    kind = str(call.get("type"))
    return (
        fields.required(where, call, "id", "type")
        or fields.required_word(where, call, "type", _CALL_KINDS)
        or fields.required(where, call, kind, kind=fields.OBJECT)
        or fields.required(f"{where}.{kind}", call[kind], "name", "arguments" if kind == "function" else "input")
    )


def _calls_are_answered(said: list[dict[str, Any]]) -> Problem | None:
    """Every call is answered by the tool messages that follow it, and every tool message answers a call."""
    open_calls: list[str] = []
    callable_: set[str] = set()
    for index, message in enumerate(said):
        role, param = message["role"], f"messages.[{index}].role"
        if role == "tool":
            if message["tool_call_id"] not in callable_:
                text = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                return Problem(f"Invalid parameter: {text}", param, None)
            open_calls = [call for call in open_calls if call != message["tool_call_id"]]
            continue
        if open_calls:
            return _unanswered(open_calls, param)
        calls = message.get("tool_calls") or () if role == "assistant" else ()
        open_calls = [call["id"] for call in calls]
        callable_ = set(open_calls)
    return _unanswered(open_calls, f"messages.[{len(said)}].role") if open_calls else None


def _unanswered(calls: list[str], param: str) -> Problem:
    text = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
        f" The following tool_call_ids did not have response messages: {', '.join(calls[:20])}"
    )
    return Problem(text, param, None)
