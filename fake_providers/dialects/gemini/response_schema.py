"""What a Gemini request demands of its reply: JSON of a schema, one word of an enum, or the call of a function.

Source: https://ai.google.dev/api/generate-content (responseSchema, responseJsonSchema, FunctionCallingConfig) and
https://ai.google.dev/gemini-api/docs/structured-output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.structured.answers import (
    call_script,
    json_reply_script,
    next_tool,
    shown_path,
    word_reply_script,
)
from chatproof.fake_providers.structured.schema_nodes import SchemaProblem

_JSON: Final = "application/json"
_ENUM: Final = "text/x.enum"
_MODES: Final = ("ANY", 2)  # Protocol Buffers read an enumeration's number too
_WORDS: Final = {  # what JSON Schema calls the fields of Schema
    "any_of": "anyOf",
    "max_items": "maxItems",
    "min_items": "minItems",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "min_length": "minLength",
    "max_length": "maxLength",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
    "defs": "$defs",
    "ref": "$ref",
}
_FIELDS: Final = {word: field for field, word in _WORDS.items()}


class SchemaRefused(ValueError):
    """The text of the API's error for a schema that has no instance."""


def demanded_script(request: dict[str, Any]) -> Script | None:
    """The reply that a valid request demands; None if it may be any text. SchemaRefused.

    `request`: as the reader gives it, with names in snake_case.
    """
    calling = request.get("tool_config", {}).get("function_calling_config", {})
    if calling.get("mode") in _MODES:
        declared = {
            function["name"]: (f"tools[{index}].function_declarations[{number}]", function)
            for index, tool in enumerate(request.get("tools", []))
            for number, function in enumerate(tool.get("function_declarations", []))
        }
        names = calling.get("allowed_function_names") or list(declared)
        if names:
            where, function = declared[next_tool(names, _called(request["contents"]))]
            field, schema = _schema(function, "parameters", "parameters_json_schema")
            return _made(lambda: call_script(function["name"], schema), f"{where}.{field}")
    config = request.get("generation_config", {})
    mime_type = config.get("response_mime_type")
    if mime_type not in (_JSON, _ENUM):
        return None
    field, schema = _schema(config, "response_schema", "response_json_schema")
    make = word_reply_script if mime_type == _ENUM else json_reply_script
    return _made(lambda: make(schema or {"type": "object"}), f"generation_config.{field}")


def _schema(message: dict[str, Any], own: str, other: str) -> tuple[str, Any]:
    """The field that holds the schema, and the schema as JSON Schema: Google's own message, or one as it is."""
    if message.get(other) is not None:
        return other, message[other]
    return own, _as_json_schema(message.get(own))


def _as_json_schema(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    read = {_WORDS.get(name, name): value for name, value in schema.items()}
    if isinstance(inner := read.get("properties"), dict):
        read["properties"] = {name: _as_json_schema(one) for name, one in inner.items()}
    for name in ("items", "additionalProperties"):
        if name in read:
            read[name] = _as_json_schema(read[name])
    if isinstance(inner := read.get("anyOf"), list):
        read["anyOf"] = [_as_json_schema(one) for one in inner]
    if isinstance(inner := read.get("$defs"), dict):
        read["$defs"] = {name: _as_json_schema(one) for name, one in inner.items()}
    if isinstance(inner := read.get("$ref"), str):
        read["$ref"] = inner.replace("#/defs/", "#/$defs/", 1)
    return read


def _made(make: Callable[[], Script], field: str) -> Script:
    try:
        return make()
    except SchemaProblem as problem:
        where = f"GenerateContentRequest.{field}{_place(problem.path)}"
        raise SchemaRefused(f"* {where}: {problem}.\n") from None


def _place(path: tuple[str, ...]) -> str:
    """The path as Google writes one: .properties[city].items"""
    text, keyed = "", False
    for key in shown_path(path):
        named = keyed or key.isdecimal()
        text += f"[{key}]" if named else f".{_FIELDS.get(key, key)}"
        keyed = not named and key in ("properties", "$defs", "patternProperties")
    return text


def _called(contents: list[dict[str, Any]]) -> set[str]:
    """The functions that were called since the user last said something."""
    called: set[str] = set()
    for content in reversed(contents):
        parts = content.get("parts", [])
        if content.get("role", "user") == "user" and any("text" in part for part in parts):
            break
        called |= {part["function_call"].get("name", "") for part in parts if "function_call" in part}
    return called
