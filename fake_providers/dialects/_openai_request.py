"""What OpenAI's API refuses in a chat request, and in which words."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from fake_providers import tokens

_ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
_TOKENS_PER_MESSAGE: Final = 3  # OpenAI's cookbook: each message, and the reply's beginning, cost three
_RANGES: Final = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
_COUNTS: Final = ("max_tokens", "max_completion_tokens")


class Problem(NamedTuple):
    """A refusal: what OpenAI's error object says."""

    message: str
    param: str
    code: str | None


def problem(body: dict[str, Any]) -> Problem | None:
    """The first thing wrong with the request's body, None if it is fine."""
    model = body.get("model")
    if model is None or model == "":
        return Problem("you must provide a model parameter", "model", None)
    if not isinstance(model, str):
        return _wrong_type("model", "a string", model)
    return _messages(body) or _stream(body) or _parameters(body)


def last_user_text(messages: list[dict[str, Any]]) -> str:
    """The text of the last user message, its text parts joined by newlines; empty where there is none."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return _text(message.get("content"))
    return ""


def prompt_tokens(messages: list[dict[str, Any]]) -> int:
    """What the messages cost, by the vocabulary at hand: plausible and repeatable, not OpenAI's bill."""
    said = sum(tokens.count(_text(message.get("content"))) for message in messages)
    return said + _TOKENS_PER_MESSAGE * (len(messages) + 1)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(part["text"] for part in content if part["type"] in ("text", "input_text"))


def _messages(body: dict[str, Any]) -> Problem | None:
    messages = body.get("messages")
    if messages is None:
        return Problem("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if not isinstance(messages, list):
        return _wrong_type("messages", "an array of objects", messages)
    if not messages:
        empty = "Expected an array with minimum length 1, but got an empty array instead."
        return Problem(f"Invalid 'messages': empty array. {empty}", "messages", "empty_array")
    for index, message in enumerate(messages):
        found = _message(f"messages[{index}]", message)
        if found is not None:
            return found
    return None


def _message(where: str, message: Any) -> Problem | None:
    if not isinstance(message, dict):
        return _wrong_type(where, "an object", message)
    role = message.get("role")
    if role is None:
        param = f"{where}.role"
        return Problem(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    if role not in _ROLES:
        known = ", ".join(f"'{name}'" for name in _ROLES[:-1]) + f", and '{_ROLES[-1]}'"
        return Problem(f"Invalid value: '{role}'. Supported values are: {known}.", f"{where}.role", "invalid_value")
    return _content(f"{where}.content", role, message)


def _content(where: str, role: str, message: dict[str, Any]) -> Problem | None:
    content = message.get("content")
    if isinstance(content, str):
        return None
    if content is None:
        if role == "assistant" and any(message.get(key) for key in ("tool_calls", "function_call", "refusal")):
            return None
        return Problem("Invalid value for 'content': expected a string, got null.", where, None)
    if not isinstance(content, list):
        return _wrong_type(where, "one of a string or array of objects", content)
    for index, part in enumerate(content):
        if not isinstance(part, dict):
            return _wrong_type(f"{where}[{index}]", "an object", part)
        kind = part.get("type")
        if not isinstance(kind, str):
            return _wrong_type(f"{where}[{index}].type", "a string", kind)
        if kind in ("text", "input_text") and not isinstance(part.get("text"), str):
            return _wrong_type(f"{where}[{index}].text", "a string", part.get("text"))
    return None


def _stream(body: dict[str, Any]) -> Problem | None:
    stream, options = body.get("stream"), body.get("stream_options")
    if stream is not None and not isinstance(stream, bool):
        return _wrong_type("stream", "a boolean", stream)
    if options is None:
        return None
    if not isinstance(options, dict):
        return _wrong_type("stream_options", "an object", options)
    if not stream:
        text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        return Problem(text, "stream_options", None)
    wanted = options.get("include_usage")
    if wanted is not None and not isinstance(wanted, bool):
        return _wrong_type("stream_options.include_usage", "a boolean", wanted)
    return None


def _parameters(body: dict[str, Any]) -> Problem | None:
    for name, (low, high) in _RANGES.items():
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            return _wrong_type(name, "a decimal", value)
        if not low <= value <= high:
            side, code = ("below minimum", "decimal_below_min_value")
            bound = f">= {low}"
            if value > high:
                side, code, bound = "above maximum", "decimal_above_max_value", f"<= {high}"
            text = f"Invalid '{name}': decimal {side} value. Expected a value {bound}, but got {value} instead."
            return Problem(text, name, code)
    for name in _COUNTS:
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            return _wrong_type(name, "an integer", value)
        if value < 1:
            text = f"Invalid '{name}': integer below minimum value. Expected a value >= 1, but got {value} instead."
            return Problem(text, name, "integer_below_min_value")
    if body.get("n") not in (None, 1):
        return Problem("The fake provider gives one choice only: leave 'n' out or at 1.", "n", "invalid_value")
    return None


def _wrong_type(param: str, expected: str, value: Any) -> Problem:
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a decimal", list: "an array"}
    got = "null" if value is None else names.get(type(value), "an object")
    text = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    return Problem(text, param, "invalid_type")
