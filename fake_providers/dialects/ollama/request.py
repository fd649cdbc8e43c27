"""Validates Ollama's requests, with the error texts of Ollama and of Go's JSON decoder."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.tokenizer import Vocabulary

_TOKENS_PER_MESSAGE: Final = 5  # what a chat template writes around a message
_TOKENS_PER_IMAGE: Final = 256  # https://ai.google.dev/gemma/docs/core/model_card_3
_DURATION: Final = re.compile(r"[-+]?(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+|0|-1")
_THINK: Final = ("high", "medium", "low")

_STRING: Final = "string"
_BOOL: Final = "bool"
_OPTIONS: Final = "map[string]interface {}"

# The fields of Ollama's request types that it decodes into a type of its own, with the name that Go gives the type.
_COMMON: Final = {"model": _STRING, "stream": _BOOL, "options": _OPTIONS, "logprobs": _BOOL, "top_logprobs": "int"}
FIELDS: Final[dict[str, dict[str, str]]] = {
    "ChatRequest": {**_COMMON, "messages": "[]api.Message", "tools": "api.Tools"},
    "GenerateRequest": {
        **_COMMON,
        **dict.fromkeys(("prompt", "suffix", "system", "template"), _STRING),
        "context": "[]int",
        "raw": _BOOL,
        "images": "[]api.ImageData",
    },
    "EmbedRequest": {"model": _STRING, "options": _OPTIONS, "truncate": _BOOL, "dimensions": "int"},
    "EmbeddingRequest": {"model": _STRING, "options": _OPTIONS, "prompt": _STRING},
    "ShowRequest": {"model": _STRING, "name": _STRING, "options": _OPTIONS, "verbose": _BOOL},
}
_MESSAGE: Final = {
    **dict.fromkeys(("role", "content", "thinking", "tool_name", "tool_call_id"), _STRING),
    "images": "[]api.ImageData",
    "tool_calls": "[]api.ToolCall",
}
_CALL: Final = {"id": _STRING, "function": "api.ToolCallFunction"}
_FUNCTION: Final = {"index": "int", "name": _STRING, "arguments": "api.ToolCallFunctionArguments"}
_TOOL: Final = {"type": _STRING, "function": "api.ToolFunction"}
_TOOL_FUNCTION: Final = {"name": _STRING, "description": _STRING, "parameters": "api.ToolFunctionParameters"}
_ITEMS: Final[dict[str, dict[str, str]]] = {"[]api.Message": _MESSAGE, "[]api.ToolCall": _CALL, "api.Tools": _TOOL}
_STRUCTS: Final[dict[str, dict[str, str]]] = {
    "api.ToolCallFunction": _FUNCTION,
    "api.ToolFunction": _TOOL_FUNCTION,
    "api.ToolCallFunctionArguments": {},
    "api.ToolFunctionParameters": {},
    _OPTIONS: {},
}

_TYPES: Final = {_STRING: str, _BOOL: bool, "int": int, **dict.fromkeys(_STRUCTS, dict)}  # all others: list

_INTEGERS: Final = (
    "num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "num_ctx", "num_batch", "num_gpu", "main_gpu",
    "num_thread",
)  # fmt: skip
_FLOATS: Final = (
    "top_p", "min_p", "typical_p", "temperature", "repeat_penalty", "presence_penalty", "frequency_penalty",
)  # fmt: skip
_OPTION_TYPES: Final = {
    **dict.fromkeys(_INTEGERS, "integer"),
    **dict.fromkeys(_FLOATS, "float32"),
    "use_mmap": "boolean",
    "stop": "array",
}


class Problem(NamedTuple):
    """The status of an error, and the text of Ollama's field `error`."""

    status: int
    text: str


def problem(struct: str, body: dict[str, Any]) -> Problem | None:
    """The first error in the body of a `struct`; None if it is valid. Does not look up the model."""
    checks = (_top_logprobs, _think, _keep_alive, _format, _raw)
    text = _fields(struct, body, FIELDS[struct]) or next(filter(None, (check(body) for check in checks)), None)
    if text is not None:
        return Problem(400, text)
    text = _options(body.get("options") or {})
    return Problem(500, text) if text is not None else None  # it reads them only when it has loaded the model


def last_user_text(messages: list[dict[str, Any]]) -> str:
    """The text of the last user message; empty if there is none."""
    for message in reversed(messages):
        if str(message.get("role")).lower() == "user":
            return message.get("content") or ""
    return ""


def prompt_tokens(texts: list[str], vocabulary: Vocabulary, body: dict[str, Any] | None = None) -> int:
    """The number of tokens in the texts, and in the images, calls and tools of a chat's or a prompt's valid `body`."""
    total = sum(tokenizer.count(text, vocabulary) + _TOKENS_PER_MESSAGE for text in texts)
    for message in [*(body.get("messages") or ()), body] if body else ():
        total += _TOKENS_PER_IMAGE * len(message.get("images") or ())
        for written in (message.get("tool_calls"), message.get("tools")):  # templates write them as JSON
            total += tokenizer.count(json.dumps(written, ensure_ascii=False), vocabulary) if written else 0
    return total


def max_tokens(body: dict[str, Any]) -> int | None:
    """The most tokens of the reply; None: no limit, which Ollama reads from a num_predict below 1."""
    wanted = (body.get("options") or {}).get("num_predict")
    if wanted is None or wanted in (math.inf, -math.inf):  # 1e999 is JSON
        return None
    return int(wanted) if int(wanted) > 0 else None


def _fields(where: str, values: dict[str, Any], types: dict[str, str]) -> str | None:
    for name, kind in types.items():
        if (value := values.get(name)) is None:
            continue
        if (found := _value(f"{where}.{name}", value, kind)) is not None:
            return found
    return None


def _value(where: str, value: Any, kind: str) -> str | None:
    if not _fits(value, kind):
        if kind == "int" and isinstance(value, float):
            return f"json: cannot unmarshal number {value} into Go struct field {where} of type int"
        return f"json: cannot unmarshal {_json_kind(value)} into Go struct field {where} of type {kind}"
    if kind in _STRUCTS:
        return _fields(where, value, _STRUCTS[kind])
    if kind == "[]api.ImageData":
        return next(filter(None, (_image(where, item) for item in value)), None)
    if kind == "[]int":
        return next(filter(None, (_value(where, item, "int") for item in value)), None)
    if kind in _ITEMS:
        for item in value:
            if not isinstance(item, dict):
                element = {"[]api.Message": "api.Message", "[]api.ToolCall": "api.ToolCall"}.get(kind, "api.Tool")
                return f"json: cannot unmarshal {_json_kind(item)} into Go struct field {where} of type {element}"
            if (found := _fields(where, item, _ITEMS[kind])) is not None:
                return found
    return None


def _fits(value: Any, kind: str) -> bool:
    return type(value) is _TYPES.get(kind, list)


def _image(where: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return f"json: cannot unmarshal {_json_kind(value)} into Go struct field {where} of type []uint8"
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return "illegal base64 data at input byte 0"
    return None


def _top_logprobs(body: dict[str, Any]) -> str | None:
    return None if 0 <= (body.get("top_logprobs") or 0) <= 20 else "top_logprobs must be between 0 and 20"


def _think(body: dict[str, Any]) -> str | None:
    value = body.get("think")
    if value is None or isinstance(value, bool) or value in _THINK:
        return None
    if isinstance(value, str):
        return f'invalid think value: "{value[:100]}" (must be "high", "medium", "low", true, or false)'
    return 'think must be a boolean or string ("high", "medium", "low", true, or false)'


def _raw(body: dict[str, Any]) -> str | None:
    others = any(body.get(name) for name in ("template", "system", "context"))
    return "raw mode does not support template, system, or context" if body.get("raw") and others else None


def _keep_alive(body: dict[str, Any]) -> str | None:
    value = body.get("keep_alive")
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return None
    if not isinstance(value, str):
        return f"Unsupported type: '{_json_kind(value)}'"
    return None if _DURATION.fullmatch(value) else f'time: invalid duration "{value[:100]}"'


def _format(body: dict[str, Any]) -> str | None:
    value = body.get("format")
    if value in (None, "", "json") or isinstance(value, dict):
        return None
    return f'invalid format: {value!r}; expected "json" or a valid JSON Schema object'


def _options(options: dict[str, Any]) -> str | None:
    for name, value in options.items():
        kind = _OPTION_TYPES.get(name)
        if kind is None or value is None:
            continue  # Ollama warns in its log and goes on
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = {"array": isinstance(value, list), "boolean": isinstance(value, bool)}.get(kind, number)
        if not fits:
            return f'option "{name}" must be of type {kind}'
        if kind == "array" and not all(isinstance(item, str) for item in value):
            return f'option "{name}" must be of an array of strings'
    return None


def _json_kind(value: Any) -> str:
    names = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")
