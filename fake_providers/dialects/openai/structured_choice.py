"""What a request demands of its reply: JSON of a schema, or the call of a tool. Chat completions and responses.

Source: https://platform.openai.com/docs/api-reference/chat/create (response_format, tool_choice) and
https://platform.openai.com/docs/api-reference/responses/create (text.format, tool_choice).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.openai.strict_schema import SchemaPlace
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.structured.answers import call_script, json_reply_script, next_tool
from chatproof.fake_providers.structured.schema_nodes import SchemaProblem

_JSON_OBJECT: Final = {"type": "object"}
_NAMED: Final = ("function", "custom")


def chat_script(body: dict[str, Any]) -> Script | Problem | None:
    """The reply that a valid chat request demands; None if it may be any text; a Problem if no reply conforms."""
    functions = {
        tool["function"]["name"]: (f"tools[{index}].function.parameters", tool["function"].get("parameters"))
        for index, tool in enumerate(body.get("tools") or ())
        if tool.get("type") == "function"
    }
    choice = body.get("tool_choice")
    if (names := _required(choice, functions)) is not None:
        return _call(names, functions, _called_in_chat(body["messages"]), choice)
    wanted = body.get("response_format") or {}
    inner = wanted.get("json_schema") or {}
    place = SchemaPlace(f"response_format '{inner.get('name')}'", "response_format", None)
    return _formatted(wanted.get("type"), inner.get("schema"), place)


def response_script(body: dict[str, Any]) -> Script | Problem | None:
    """The same for a request for a response."""
    functions = {
        tool["name"]: (f"tools[{index}].parameters", tool.get("parameters"))
        for index, tool in enumerate(body.get("tools") or ())
        if tool.get("type") == "function"
    }
    choice = body.get("tool_choice")
    if (names := _required(choice, functions)) is not None:
        return _call(names, functions, _called_in_items(body.get("input"), names), choice)
    wanted = (body.get("text") or {}).get("format") or {}
    return _formatted(wanted.get("type"), wanted.get("schema"), _format_place(wanted))


def chat_problem(body: dict[str, Any]) -> Problem | None:
    """What OpenAI refuses in the schemas of a chat request in strict mode, and in its `tool_choice`."""
    for index, tool in enumerate(body.get("tools") or ()):
        function = tool.get("function") or {}
        if function.get("strict") is True:
            place = _function_place(function["name"], f"tools[{index}].function.parameters")
            if (wrong := place.strict_problem(function.get("parameters"))) is not None:
                return wrong
    wanted = (body.get("response_format") or {}).get("json_schema") or {}
    if wanted.get("strict") is True:
        place = SchemaPlace(f"response_format '{wanted['name']}'", "response_format", None)
        if (wrong := place.strict_problem(wanted.get("schema"))) is not None:
            return wrong
    return _unknown_tool(body.get("tool_choice"), body.get("tools") or ())


def response_problem(body: dict[str, Any]) -> Problem | None:
    """The same for a request for a response."""
    for index, tool in enumerate(body.get("tools") or ()):
        if tool["type"] == "function" and tool.get("strict") is True:
            place = _function_place(tool["name"], f"tools[{index}].parameters")
            if (wrong := place.strict_problem(tool.get("parameters"))) is not None:
                return wrong
    wanted = (body.get("text") or {}).get("format") or {}
    if wanted.get("strict") is True and "schema" in wanted:
        wrong = _format_place(wanted).strict_problem(wanted["schema"])
        if wrong is not None:
            return wrong
    choice, tools = body.get("tool_choice"), body.get("tools") or ()
    if choice == "required" and not tools:
        return Problem("Tool choice 'required' must be specified with 'tools' parameter.", "tool_choice", None)
    return _unknown_tool(choice, tools)


def _format_place(wanted: dict[str, Any]) -> SchemaPlace:
    """Where the schema of a response's `text.format` is."""
    return SchemaPlace(f"response_format '{wanted.get('name')}'", "text.format.schema", "invalid_json_schema")


def _function_place(name: str, param: str) -> SchemaPlace:
    return SchemaPlace(f"function '{name}'", param, "invalid_function_parameters")


def _unknown_tool(choice: Any, tools: Iterable[dict[str, Any]]) -> Problem | None:
    """The error of a `tool_choice` that names a function or a custom tool that is not offered."""
    if not isinstance(choice, dict):
        return None
    offered = {_name(tool) for tool in tools}
    for entry in _allowed(choice, "auto", "required") if choice.get("type") == "allowed_tools" else [choice]:
        if entry.get("type") in _NAMED and _name(entry) not in offered:
            text = f"Tool choice '{_name(entry)[:100]}' not found in 'tools' parameter."
            return Problem(text, "tool_choice", None)
    return None


def _required(choice: Any, functions: dict[str, Any]) -> list[str] | None:
    """The names of the functions of which one must be called; None if there is no such demand, or no function."""
    if choice == "required":
        return list(functions) or None
    if not isinstance(choice, dict):
        return None
    entries = [choice]
    if choice.get("type") == "allowed_tools":
        entries = _allowed(choice, "required")
    return [name for entry in entries if (name := _name(entry)) in functions] or None


def _allowed(choice: dict[str, Any], *modes: str) -> list[dict[str, Any]]:
    """The tools of an `allowed_tools` that has one of the modes; chat completions have them one level deeper."""
    inner = choice.get("allowed_tools", choice)
    if not isinstance(inner, dict) or inner.get("mode") not in modes or not isinstance(inner.get("tools"), list):
        return []
    return [tool for tool in inner["tools"] if isinstance(tool, dict)]


def _name(entry: dict[str, Any]) -> str:
    inner = entry.get(str(entry.get("type")))
    name = inner.get("name") if isinstance(inner, dict) else entry.get("name")
    return name if isinstance(name, str) else ""


def _call(names: list[str], functions: dict[str, Any], called: set[str], choice: Any) -> Script | Problem:
    name = next_tool(names, called)
    param, parameters = functions[name]
    # OpenAI ends a call of a named function with "stop": measured in vllm-project/vllm#25054.
    named = isinstance(choice, dict) and choice.get("type") == "function"
    return _made(lambda: call_script(name, parameters, "stop" if named else "tool_calls"), _function_place(name, param))


def _formatted(kind: Any, schema: Any, place: SchemaPlace) -> Script | Problem | None:
    if kind not in ("json_schema", "json_object"):
        return None
    wanted = schema if kind == "json_schema" and schema is not None else _JSON_OBJECT
    return _made(lambda: json_reply_script(wanted), place)


def _made(make: Callable[[], Script], place: SchemaPlace) -> Script | Problem:
    try:
        return make()
    except SchemaProblem as problem:
        return place.problem(problem.path, str(problem))


def _called_in_chat(messages: list[dict[str, Any]]) -> set[str]:
    """The functions that were called since the last user message."""
    called: set[str] = set()
    for message in reversed(messages):
        if message.get("role") == "user":
            break
        called |= {call["function"]["name"] for call in message.get("tool_calls") or () if "function" in call}
    return called


def _called_in_items(said: Any, names: list[str]) -> set[str]:
    """The same of a response's input. The output of a call that an earlier request has stands for all functions."""
    called: dict[str, str] = {}
    answered: set[str] = set()
    for item in reversed(said if isinstance(said, list) else []):
        if item.get("role") == "user":
            break
        if item.get("type") == "function_call":
            called[item["call_id"]] = item["name"]
        elif item.get("type") == "function_call_output":
            answered.add(item["call_id"])
    return set(called.values()) if answered <= called.keys() else set(names)
