"""Validates a chat's messages as OpenAI's API does, and finds the last user message."""

from __future__ import annotations

from typing import Any, Final

from chatproof.fake_providers.dialects.openai.field_checks import Problem, missing, wrong_type, wrong_value

_ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
# a content part's type: the key that holds it
_PARTS: Final = {
    "text": "text",
    "image_url": "image_url",
    "input_audio": "input_audio",
    "refusal": "refusal",
    "file": "file",
}
_CALL_KINDS: Final = ("function", "custom")


def messages(body: dict[str, Any]) -> Problem | None:
    """The first error in the request's messages; None if they are valid."""
    said = body.get("messages")
    if said is None:
        return missing("messages")
    if not isinstance(said, list):
        return wrong_type("messages", "an array of objects", said)
    if not said:
        empty = "Expected an array with minimum length 1, but got an empty array instead."
        return Problem(f"Invalid 'messages': empty array. {empty}", "messages", "empty_array")
    for index, message in enumerate(said):
        found = _message(f"messages[{index}]", message)
        if found is not None:
            return found
    return _calls_are_answered(said)


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


def _message(where: str, message: Any) -> Problem | None:
    if not isinstance(message, dict):
        return wrong_type(where, "an object", message)
    role = message.get("role")
    if role is None:
        return missing(f"{where}.role")
    if role not in _ROLES:
        return wrong_value(f"{where}.role", role, _ROLES)
    if role == "tool":
        call = message.get("tool_call_id")
        if call is None:
            return missing(f"{where}.tool_call_id")
        if not isinstance(call, str):
            return wrong_type(f"{where}.tool_call_id", "a string", call)
    if role == "assistant" and message.get("tool_calls") is not None:
        found = _tool_calls(f"{where}.tool_calls", message["tool_calls"])
        if found is not None:
            return found
    return _content(f"{where}.content", role, message)


def _content(where: str, role: str, message: dict[str, Any]) -> Problem | None:
    content = message.get("content")
    if isinstance(content, str):
        return None
    if content is None:
        if role == "assistant" and any(message.get(key) for key in ("tool_calls", "function_call", "refusal", "audio")):
            return None
        return Problem("Invalid value for 'content': expected a string, got null.", where, None)
    if not isinstance(content, list):
        return wrong_type(where, "one of a string or array of objects", content)
    for index, part in enumerate(content):
        if not isinstance(part, dict):
            return wrong_type(f"{where}[{index}]", "an object", part)
        kind = part.get("type")
        if not isinstance(kind, str):
            return wrong_type(f"{where}[{index}].type", "a string", kind)
        if kind not in _PARTS:
            return wrong_value(f"{where}[{index}].type", kind, tuple(_PARTS))
        held = part.get(_PARTS[kind])
        expected, words = (str, "a string") if kind in ("text", "refusal") else (dict, "an object")
        if held is None:
            return missing(f"{where}[{index}].{_PARTS[kind]}")
        if not isinstance(held, expected):
            return wrong_type(f"{where}[{index}].{_PARTS[kind]}", words, held)
    return None


def _tool_calls(where: str, calls: Any) -> Problem | None:
    if not isinstance(calls, list):
        return wrong_type(where, "an array of objects", calls)
    if not calls:
        empty = "Expected an array with minimum length 1, but got an empty array instead."
        return Problem(f"Invalid '{where}': empty array. {empty}", where, "empty_array")
    for index, call in enumerate(calls):
        found = _tool_call(f"{where}[{index}]", call)
        if found is not None:
            return found
    return None


def _tool_call(where: str, call: Any) -> Problem | None:
    if not isinstance(call, dict):
        return wrong_type(where, "an object", call)
    kind = call.get("type")
    for key, value in (("id", call.get("id")), ("type", kind)):
        if value is None:
            return missing(f"{where}.{key}")
        if not isinstance(value, str):
            return wrong_type(f"{where}.{key}", "a string", value)
    if kind not in _CALL_KINDS:
        return wrong_value(f"{where}.type", kind, _CALL_KINDS)
    inner = call.get(kind)
    if inner is None:
        return missing(f"{where}.{kind}")
    if not isinstance(inner, dict):
        return wrong_type(f"{where}.{kind}", "an object", inner)
    for key in ("name", "arguments" if kind == "function" else "input"):
        value = inner.get(key)
        if value is None:
            return missing(f"{where}.{kind}.{key}")
        if not isinstance(value, str):
            return wrong_type(f"{where}.{kind}.{key}", "a string", value)
    return None


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
