"""Validates chat requests, with the error texts of OpenAI's API."""

from __future__ import annotations

import re
from typing import Any, Final

from chatproof.fake_providers.dialects.openai import field_checks as fields
from chatproof.fake_providers.dialects.openai.chat_messages import messages, texts_of
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.openai.structured_choice import chat_problem
from chatproof.fake_providers.models.catalogue import STRICT

KNOWN: Final = frozenset({
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens",
    "max_tokens", "messages", "metadata", "modalities", "model", "moderation", "n", "parallel_tool_calls",
    "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream",
    "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity",
    "web_search_options",
})  # fmt: skip
"""The parameters of the endpoint, as the official client has them."""

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
WORDS: Final = {
    "reasoning_effort": EFFORTS,
    "service_tier": ("auto", "default", "flex", "scale", "priority", "fast"),
    "verbosity": ("low", "medium", "high"),
    "prompt_cache_retention": ("in_memory", "24h"),
}
_RULES: Final = fields.Rules(
    decimals={
        "temperature": (0, 2),
        "top_p": (0, 1),
        "presence_penalty": (-2, 2),
        "frequency_penalty": (-2, 2),
    },
    integers={
        "max_tokens": (1, None),
        "max_completion_tokens": (1, None),
        "n": (1, 128),
        "top_logprobs": (0, 20),
        "seed": (-(2**63), 2**63 - 1),
    },
    words=WORDS,
    kinds={
        **dict.fromkeys(("logprobs", "store", "parallel_tool_calls"), fields.FLAG),
        **dict.fromkeys(("user", "safety_identifier", "prompt_cache_key"), fields.TEXT),
        **dict.fromkeys(("logit_bias", "metadata", "audio", "prediction", "web_search_options"), fields.OBJECT),
        **dict.fromkeys(("modalities", "functions"), fields.ARRAY),
    },
)
_STREAM_FLAGS: Final = ("include_usage", "include_obfuscation")
FORMATS: Final = ("json_object", "json_schema", "text")
"""The types that a reply's format may have."""
_TOOL_KINDS: Final = ("function", "custom")
_TOOL_CHOICES: Final = ("none", "auto", "required")
_MOST_STOPS: Final = 4
_MODALITIES: Final = ("text", "audio")
_TIERS: Final = {"fast": "priority"} | {name: name for name in ("flex", "scale", "priority", "ultrafast")}
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def problem(body: dict[str, Any], *, strict: bool = True) -> Problem | None:
    """The first error in the request's body; None if it is valid.

    `strict`: parameters that OpenAI does not know are wrong; servers that only speak its language ignore them.
    """
    return (
        fields.wrong_model(body)
        or (_unknown(body) if strict else None)
        or messages(body)
        or fields.stream(body, _STREAM_FLAGS if strict else (*_STREAM_FLAGS, "continuous_usage_stats"), strict=strict)
        or _RULES.broken(body)
        or _combined(body)
        or _modalities(body)
        or stop_problem(body.get("stop"))
        or _tools(body)
        or _format(body, strict)
        or (chat_problem(body) if strict else None)
    )


def stops(body: dict[str, Any]) -> tuple[str, ...]:
    """The stop strings of a valid body."""
    stop = body.get("stop") or ()
    return (stop,) if isinstance(stop, str) else tuple(filter(None, stop))


def logprobs(body: dict[str, Any]) -> int | None:
    """How many candidates a valid body wants for each token; None: no log probabilities."""
    return (body.get("top_logprobs") or 0) if body.get("logprobs") is True else None


def tier(body: dict[str, Any]) -> str:
    """The service tier that answers a valid request. The API answers "auto" with "default", where nothing is booked."""
    return _TIERS.get(body.get("service_tier") or "", "default")


def _unknown(body: dict[str, Any]) -> Problem | None:
    if body.keys() <= KNOWN:
        return None
    unknown = [name[:64] for name in body if name not in KNOWN]
    some = "arguments" if len(unknown) > 1 else "argument"
    text = f"Unrecognized request {some} supplied: {', '.join(sorted(unknown)[:20])}"
    if STRICT.find("openai", body["model"]) is None:
        text += ". (OpenAI answers here. A local server does at /vllm/v1, /llamacpp/v1, /lmstudio/v1 and /ollama/v1.)"
    return Problem(text, None, None)


def _combined(body: dict[str, Any]) -> Problem | None:
    """An error in parameters that are valid alone, but not together."""
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        text = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        return Problem(text, "max_tokens", "invalid_parameter_combination")
    if body.get("top_logprobs") is not None and body.get("logprobs") is not True:
        text = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
        return Problem(text, "top_logprobs", None)
    return None


def _modalities(body: dict[str, Any]) -> Problem | None:
    wanted = body.get("modalities") or ()
    for index, one in enumerate(wanted):
        if one not in _MODALITIES:
            return fields.wrong_value(f"modalities[{index}]", one, _MODALITIES)
    if "audio" in wanted:
        return Problem("The fake provider makes no audio: leave it out of 'modalities'.", "modalities", None)
    return None


def stop_problem(stop: Any) -> Problem | None:
    """What is wrong with a request's `stop`; nothing if it is None."""
    if stop is None or isinstance(stop, str):
        return None
    if not isinstance(stop, list):
        return fields.wrong_type("stop", "one of a string or array of strings", stop)
    if len(stop) > _MOST_STOPS:
        most = f"Expected an array with maximum length {_MOST_STOPS}, but got an array with length {len(stop)} instead."
        return Problem(f"Invalid 'stop': array too long. {most}", "stop", "array_above_max_length")
    for index, one in enumerate(stop):
        if not isinstance(one, str):
            return fields.wrong_type(f"stop[{index}]", "a string", one)
    return None


def _tools(body: dict[str, Any]) -> Problem | None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if tools is not None and not isinstance(tools, list):
        return fields.wrong_type("tools", "an array of objects", tools)
    if tools is not None and not tools:
        return fields.empty_array("tools")
    if (found := fields.first_wrong("tools", tools or (), _tool)) is not None:
        return found
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not tools:
            return Problem(f"'{name}' is only allowed when 'tools' are specified.", name, None)
    return tool_choice(choice)


def tool_choice(choice: Any) -> Problem | None:
    """What is wrong with a request's `tool_choice`; nothing if it is None."""
    if isinstance(choice, str) and choice not in _TOOL_CHOICES:
        return fields.wrong_value("tool_choice", choice, _TOOL_CHOICES)
    if choice is not None and not isinstance(choice, str | dict):
        return fields.wrong_type("tool_choice", "one of a string or object", choice)
    return None


def _tool(where: str, tool: dict[str, Any]) -> Problem | None:
    kind = str(tool.get("type"))
    return (
        fields.required_word(where, tool, "type", _TOOL_KINDS)
        or fields.required(where, tool, kind, kind=fields.OBJECT)
        or tool_function(f"{where}.{kind}", tool[kind])
    )


def tool_function(where: str, function: dict[str, Any]) -> Problem | None:
    """The first error in a function's name and parameters."""
    if (wrong := fields.required(where, function, "name")) is not None:
        return wrong
    parameters = function.get("parameters")
    if not _TOOL_NAME.fullmatch(function["name"]):
        expected = "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$' of at most 64 characters."
        return Problem(f"Invalid '{where}.name': {expected}", f"{where}.name", "invalid_value")
    if parameters is not None and not isinstance(parameters, dict):
        return fields.wrong_type(f"{where}.parameters", "an object", parameters)
    return None


def _format(body: dict[str, Any], strict: bool) -> Problem | None:
    if (wanted := body.get("response_format")) is None:
        return None
    if not isinstance(wanted, dict):
        return fields.wrong_type("response_format", "an object", wanted)
    if (wrong := fields.required_word("response_format", wanted, "type", FORMATS)) is not None:
        return wrong
    kind = wanted["type"]
    if kind == "json_schema":
        if (wrong := fields.required("response_format", wanted, kind, kind=fields.OBJECT)) is not None:
            return wrong
        return None if isinstance(wanted[kind].get("name"), str) else fields.missing("response_format.json_schema.name")
    said = " ".join(texts_of(message.get("content")) for message in body["messages"])
    if strict and kind == "json_object" and "json" not in said.lower():
        text = "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
        return Problem(text, "messages", None)
    return None
