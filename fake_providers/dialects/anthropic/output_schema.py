"""What a request demands of its reply: JSON of a schema, or the call of a tool; and the schemas that are refused.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs (JSON Schema limitations), and
https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use (tool_choice).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chatproof.fake_providers.dialects.anthropic.conversation_turns import turns_of
from chatproof.fake_providers.dialects.anthropic.field_rules import InvalidRequest
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.structured.answers import call_script, json_reply_script, next_tool, shown_path
from chatproof.fake_providers.structured.schema_nodes import SchemaProblem

_UNSUPPORTED: Final = {
    **dict.fromkeys(
        ("integer", "number"), ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
    ),
    "string": ("minLength", "maxLength"),
    "array": ("maxItems", "uniqueItems"),
}
_MOST_NODES: Final = 10_000


def strict_problem(schema: Any) -> str | None:
    """What strict mode refuses in a schema; None if it takes it."""
    left = [schema]
    for _ in range(_MOST_NODES):
        if not left:
            return None
        part = left.pop()
        if not isinstance(part, dict):
            continue
        kinds = part.get("type")
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind == "object" and part.get("additionalProperties") is not False:
                return "For 'object' type, 'additionalProperties' must be explicitly set to false"
            found = [word for word in _UNSUPPORTED.get(kind, ()) if word in part] if isinstance(kind, str) else []
            if found:
                return f"For '{kind}' type, {_quoted(found)} not supported"
        inner = [part.get(name) for name in ("properties", "$defs", "definitions")]
        left += [one for group in inner if isinstance(group, dict) for one in group.values()]
        left += [one for name in ("anyOf", "allOf") for one in _listed(part.get(name))] + _listed(part.get("items"))
    return "Schema is too complex."


def demanded_script(body: dict[str, Any], wanted: dict[str, Any] | None) -> Script | None:
    """The reply that a valid request demands; None if it may be any text. InvalidRequest if no reply conforms.

    `wanted`: the format that the request asks for.
    """
    choice = body.get("tool_choice") or {}
    if choice.get("type") in ("any", "tool"):
        tools = {tool["name"]: number for number, tool in enumerate(body["tools"]) if "input_schema" in tool}
        names = [choice["name"]] if choice["type"] == "tool" else list(tools)
        name = next_tool(names, _called(body)) if names else ""
        if name in tools:
            schema = body["tools"][tools[name]]["input_schema"]
            return _made(lambda: call_script(name, schema), f"tools.{tools[name]}.custom.input_schema")
    return _made(lambda: json_reply_script(wanted["schema"]), "output_config.format.schema") if wanted else None


def _made(make: Callable[[], Script], where: str) -> Script:
    try:
        return make()
    except SchemaProblem as problem:
        place = ".".join([where, *shown_path(problem.path)])
        raise InvalidRequest(f"{place}: {problem}.") from None


def _called(body: dict[str, Any]) -> set[str]:
    """The tools that were called since the user last said something."""
    called: set[str] = set()
    for turn in reversed(turns_of(body["messages"])):
        if turn.role == "user" and any(block["type"] != "tool_result" for block in turn.blocks):
            break
        called |= {block["name"] for block in turn.of("tool_use")}
    return called


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _quoted(words: list[str]) -> str:
    return f"properties {', '.join(words)} are" if len(words) > 1 else f"property '{words[0]}' is"
