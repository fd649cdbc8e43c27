"""Validates requests for an interaction, and finds out what they demand of the reply.

Source: https://ai.google.dev/api/interactions-api, and the types of google-genai.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from chatproof.fake_providers.dialects.gemini_interactions.interaction_steps import Step, wrong_input
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.structured.answers import call_script, json_reply_script, next_tool, shown_path
from chatproof.fake_providers.structured.schema_nodes import SchemaProblem

_FIELDS: Final[Mapping[str, type | tuple[type, ...]]] = {
    "model": str,
    "agent": str,
    "agent_config": dict,
    "background": bool,
    "cached_content": str,
    "continuation_token": str,
    "environment": (dict, str),
    "generation_config": dict,
    "input": (str, dict, list),
    "labels": dict,
    "previous_interaction_id": str,
    "response_format": (dict, list),
    "response_mime_type": str,
    "response_modalities": list,
    "safety_settings": list,
    "service_tier": str,
    "store": bool,
    "stream": bool,
    "system_instruction": str,
    "tools": list,
    "webhook_config": dict,
}
_CONFIG: Final[Mapping[str, type | tuple[type, ...]]] = {
    "image_config": dict,
    "max_output_tokens": int,
    "seed": int,
    "speech_config": (dict, list),
    "stop_sequences": list,
    "temperature": (int, float),
    "thinking_level": str,
    "thinking_summaries": str,
    "tool_choice": (str, dict),
    "top_p": (int, float),
    "transcription_config": dict,
    "video_config": dict,
}
_WORDS: Final = {
    "thinking_level": ("minimal", "low", "medium", "high", "xhigh"),
    "thinking_summaries": ("auto", "none"),
    "tool_choice": ("auto", "any", "none", "validated"),
}
_TOOLS: Final = (
    "function", "code_execution", "computer_use", "file_search", "google_maps", "google_search", "mcp_server",
    "retrieval", "tool_search", "url_context",
)  # fmt: skip
_MAX_DEPTH: Final = 100
_NO_AGENTS: Final = (
    "The fake provider plays models, not agents: leave 'agent' out and name a 'model', such as gemini-3.8-flash."
)
_ECHOED: Final = (
    "previous_interaction_id", "system_instruction", "tools", "generation_config", "response_format",
    "response_mime_type", "response_modalities", "labels", "safety_settings",
)  # fmt: skip


class InteractionRefused(ValueError):
    """The text of the API's error for a schema that has no instance."""


def problem(body: dict[str, Any]) -> str | None:
    """The text of the first error in the request's body; None if it is valid."""
    if _is_deeper(body, _MAX_DEPTH):
        return "Message too deep. Max recursion depth reached."
    if (wrong := _wrong_fields(body, _FIELDS, "")) is not None:
        return wrong
    if body.get("agent") is not None:
        return _NO_AGENTS
    if not body.get("model"):
        return "Missing required parameter: 'model'."
    if body.get("input") is None and body.get("continuation_token") is None:
        return "Missing required parameter: 'input'."
    if body.get("background") and body.get("store") is False:
        return "'background' requires 'store' to be true."
    if body.get("input") is not None and (wrong := wrong_input(body["input"])) is not None:
        return wrong
    return _wrong_config(body.get("generation_config") or {}) or _wrong_tools(body.get("tools") or [])


def echo(body: dict[str, Any]) -> str:
    """What an interaction repeats of a valid request, as JSON. ValueError if a number is infinite, as 1e999 is."""
    echoed = {name: body[name] for name in _ECHOED if body.get(name) is not None}
    return json.dumps(echoed, ensure_ascii=False, allow_nan=False)


def demanded_script(body: dict[str, Any], steps: list[Step]) -> Script | None:
    """The reply that a valid request demands; None if it may be any text. InteractionRefused."""
    functions = {
        tool["name"]: (f"tools[{index}].parameters", tool.get("parameters"))
        for index, tool in enumerate(body.get("tools") or [])
        if tool["type"] == "function"
    }
    choice = (body.get("generation_config") or {}).get("tool_choice")
    allowed = choice.get("allowed_tools") or {} if isinstance(choice, dict) else {"mode": choice}
    if allowed.get("mode") == "any":
        names = [name for name in allowed.get("tools") or functions if name in functions]
        if names:
            name = next_tool(names, _called(steps))
            where, parameters = functions[name]
            return _made(lambda: call_script(name, parameters), where)
    wanted = body.get("response_format")
    formats = wanted if isinstance(wanted, list) else [wanted] if wanted is not None else []
    for one in formats:
        if not isinstance(one, dict) or one.get("mime_type") == "text/plain":
            continue
        if one.get("type") in ("image", "audio", "video"):
            raise InteractionRefused(f"The fake provider makes texts, no {one['type']}: change 'response_format'.")
        # a format of texts has the schema inside; without a format's fields, it is a schema itself
        return _saying(one.get("schema") if one.get("type") == "text" else one)
    return _saying(None) if body.get("response_mime_type") == "application/json" else None


def _is_deeper(value: Any, most: int) -> bool:
    """Whether objects and arrays are nested in more than that many levels."""
    level = [value]
    for _ in range(most):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        level = [one for values in inner for one in values]
        if not level:
            return False
    return any(isinstance(one, dict | list) for one in level)


def _wrong_fields(values: Mapping[str, Any], known: Mapping[str, type | tuple[type, ...]], where: str) -> str | None:
    for name, value in values.items():
        place = f"{where}{name}"[:200]
        if name not in known:
            return f"Unknown parameter '{place}'."
        kinds = known[name]
        if value is None:
            continue
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            return f"Invalid value at '{place}'."
    return None


def _wrong_config(config: dict[str, Any]) -> str | None:
    if (wrong := _wrong_fields(config, _CONFIG, "generation_config.")) is not None:
        return wrong
    for name, words in _WORDS.items():
        value = config.get(name)
        if isinstance(value, str) and value not in words:
            return f"Invalid value at 'generation_config.{name}': {value[:60]!r}. Known: {', '.join(words)}."
    most = config.get("max_output_tokens")
    if most is not None and most < 1:
        return "Invalid value at 'generation_config.max_output_tokens': it must be positive."
    if not all(isinstance(one, str) for one in config.get("stop_sequences") or ()):
        return "Invalid value at 'generation_config.stop_sequences'."
    return None


def _wrong_tools(tools: list[Any]) -> str | None:
    for index, tool in enumerate(tools):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind not in _TOOLS:
            return f"Invalid value at 'tools[{index}].type': {str(kind)[:60]!r}. Known: {', '.join(_TOOLS)}."
        if kind == "function" and not isinstance(tool.get("name"), str):
            return f"Invalid value at 'tools[{index}].name': it is missing."
    return None


def _called(steps: list[Step]) -> set[str]:
    """The functions that were called since the user last said something."""
    called: set[str] = set()
    for step in reversed(steps):
        if step["type"] == "user_input":
            break
        if step["type"] == "function_call":
            called.add(step["name"])
    return called


def _saying(schema: Any) -> Script:
    return _made(lambda: json_reply_script(schema or {"type": "object"}), "response_format")


def _made(make: Callable[[], Script], where: str) -> Script:
    try:
        return make()
    except SchemaProblem as found:
        raise InteractionRefused(f"Invalid value at '{where}', {list(shown_path(found.path))}: {found}.") from None
