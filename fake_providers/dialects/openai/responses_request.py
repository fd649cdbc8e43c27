"""Validates requests for a response as OpenAI's API does, and builds what the response repeats of them."""

from __future__ import annotations

from typing import Any, Final

from chatproof.fake_providers.dialects.base import Thinking
from chatproof.fake_providers.dialects.openai import field_checks as fields
from chatproof.fake_providers.dialects.openai.completions_request import (
    EFFORTS,
    FORMATS,
    tier,
    tool_choice,
    tool_function,
)
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.openai.response_items import input_items, item_text
from chatproof.fake_providers.dialects.openai.structured_choice import response_problem

KNOWN: Final = frozenset({
    "access_programs", "background", "background_options", "context_management", "conversation", "image", "include",
    "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model", "moderation",
    "parallel_tool_calls", "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "reasoning", "safety_identifier", "service_tier", "store", "stream", "stream_options",
    "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
})  # fmt: skip
"""The parameters of the endpoint, as the official client has them."""

WORDS: Final = {
    "service_tier": ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast"),
    "truncation": ("auto", "disabled"),
    "prompt_cache_retention": ("in_memory", "24h"),
}
_RULES: Final = fields.Rules(
    decimals={"temperature": (0, 2), "top_p": (0, 1)},
    integers={"max_output_tokens": (16, None), "max_tool_calls": (1, None), "top_logprobs": (0, 20)},
    words=WORDS,
    kinds={
        **dict.fromkeys(("background", "parallel_tool_calls", "store"), fields.FLAG),
        **dict.fromkeys(("instructions", "prompt_cache_key", "safety_identifier", "user"), fields.TEXT),
        **dict.fromkeys(("metadata", "reasoning", "text", "prompt"), fields.OBJECT),
        **dict.fromkeys(("include", "tools"), fields.ARRAY),
    },
)
TOOL_KINDS: Final = (
    "code_interpreter", "programmatic_tool_calling", "function", "namespace", "tool_search", "file_search",
    "web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11", "image_generation",
    "mcp", "custom", "computer", "computer_use_preview", "local_shell", "shell", "apply_patch",
)  # fmt: skip
"""The types of tools, as the official client has them."""
ENCRYPTED: Final = "reasoning.encrypted_content"
"""What a request includes to get the model's reasoning in a form that it can send back."""

INCLUDABLE: Final = (
    "file_search_call.results", "web_search_call.results", "web_search_call.action.sources",
    "message.input_image.image_url", "computer_call_output.output.image_url", "code_interpreter_call.outputs",
    ENCRYPTED, "message.output_text.logprobs",
)  # fmt: skip
"""What a request can include, as the official client has it."""

SUMMARIES: Final = ("auto", "concise", "detailed")
_ELSEWHERE: Final = ("previous_response_id", "prompt", "conversation")


def problem(body: dict[str, Any]) -> Problem | None:
    """The first error in the request's body; None if it is valid."""
    model = body.get("model")
    if model is None or model == "":
        return fields.missing("model")
    if not isinstance(model, str):
        return fields.wrong_type("model", "a string", model)
    for name in body:
        if name not in KNOWN:
            return Problem(f"Unknown parameter: '{name[:64]}'.", name[:64], "unknown_parameter")
    return (
        _RULES.broken(body)
        or _previous(body)
        or _reasoning(body.get("reasoning") or {})
        or _include(body.get("include") or [])
        or input_items(body.get("input"), earlier=any(body.get(name) is not None for name in _ELSEWHERE))
        or fields.stream(body, ("include_obfuscation",))
        or _tools(body)
        or _format(body)
        or response_problem(body)
    )


def thinking(body: dict[str, Any]) -> Thinking:
    """Thoughts are shown as a summary, which must be asked for. The API never sends them as they are."""
    wanted = body.get("reasoning") or {}
    if wanted.get("effort") == "none":
        return "none"
    return "shown" if wanted.get("summary") or wanted.get("generate_summary") else "hidden"


def echo(body: dict[str, Any]) -> dict[str, Any]:
    """What every response object repeats of its request, with defaults filled in."""
    reasoning = {"effort": None, "summary": None, **(body.get("reasoning") or {})}
    text = {"format": {"type": "text"}, "verbosity": "medium", **(body.get("text") or {})}
    return {
        "background": body.get("background") is True,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "metadata": body.get("metadata") or {},
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": reasoning,
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": tier(body),
        "store": body.get("store") is not False,
        "temperature": _or(body.get("temperature"), 1.0),
        "text": text,
        "tool_choice": _or(body.get("tool_choice"), "auto"),
        "tools": [_tool_echo(tool) for tool in body.get("tools") or ()],
        "top_logprobs": _or(body.get("top_logprobs"), 0),
        "top_p": _or(body.get("top_p"), 1.0),
        "truncation": body.get("truncation") or "disabled",
        "user": body.get("user"),
    }


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _tool_echo(tool: dict[str, Any]) -> dict[str, Any]:
    if tool["type"] != "function":
        return tool
    defaults = {"type": "function", "description": None, "name": "", "parameters": None, "strict": True}
    return {**defaults, **{key: value for key, value in tool.items() if value is not None}}


def _previous(body: dict[str, Any]) -> Problem | None:
    previous = body.get("previous_response_id")
    if previous is not None and not isinstance(previous, str):
        return fields.wrong_type("previous_response_id", "a string", previous)
    if previous is not None and not previous.startswith("resp"):
        text = f"Invalid 'previous_response_id': '{previous[:64]}'. Expected an ID that begins with 'resp'."
        return Problem(text, "previous_response_id", "invalid_value")
    if body.get("background") and body.get("store") is False:
        text = "Background mode requires 'store' to be true."
        return Problem(text, "background", "invalid_parameter_combination")
    return None


def _include(wanted: list[Any]) -> Problem | None:
    problems = (fields.one_of(f"include[{index}]", one, INCLUDABLE) for index, one in enumerate(wanted))
    return next(filter(None, problems), None)


def _reasoning(wanted: dict[str, Any]) -> Problem | None:
    known = {"effort": EFFORTS, "summary": SUMMARIES, "generate_summary": SUMMARIES}
    for name, words in known.items():
        if wanted.get(name) is not None and (wrong := fields.one_of(f"reasoning.{name}", wanted[name], words)):
            return wrong
    return None


def logprobs(body: dict[str, Any]) -> int | None:
    """How many candidates a valid body wants for each token; None: no log probabilities."""
    wanted = "message.output_text.logprobs" in (body.get("include") or ())
    return (body.get("top_logprobs") or 0) if wanted else None


def _tools(body: dict[str, Any]) -> Problem | None:
    return fields.first_wrong("tools", body.get("tools") or (), _tool) or tool_choice(body.get("tool_choice"))


def _tool(where: str, tool: dict[str, Any]) -> Problem | None:
    return fields.required_word(where, tool, "type", TOOL_KINDS) or (
        tool_function(where, tool) if tool["type"] == "function" else None
    )


def _format(body: dict[str, Any]) -> Problem | None:
    wanted = (body.get("text") or {}).get("format")
    if wanted is None:
        return None
    if not isinstance(wanted, dict):
        return fields.wrong_type("text.format", "an object", wanted)
    if (wrong := fields.required_word("text.format", wanted, "type", FORMATS)) is not None:
        return wrong
    if wanted["type"] == "json_schema":
        return fields.required("text.format", wanted, "name") or fields.required(
            "text.format", wanted, "schema", kind=fields.OBJECT
        )
    said = body.get("input")
    texts = [said] if isinstance(said, str) else [item_text(item) for item in said or ()]
    if wanted["type"] == "json_object" and "json" not in " ".join([*texts, body.get("instructions") or ""]).lower():
        text = (
            "Response input messages must contain the word 'json' in some form to use 'text.format' of type"
            " 'json_object'."
        )
        return Problem(text, "input", None)
    return None
