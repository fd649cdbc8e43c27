"""Validates requests to Gemini beyond their schema; reads the prompt and counts its tokens."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import groupby
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Thinking
from chatproof.fake_providers.dialects.image_size import size_of
from chatproof.fake_providers.scripting import tokenizer

_ROLES: Final = ("user", "model", "function", "tool")
_RANGES: Final[dict[str, tuple[float, float]]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "candidate_count": (1, 8),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "logprobs": (0, 20),
}
# https://ai.google.dev/gemini-api/docs/image-understanding: 258 tokens for each tile; pixels of a small image's side,
# and of a tile's
_MEDIA_TOKENS: Final = 258
_SMALL: Final = 384
_LEAST_TILE: Final = 256
_MOST_TILE: Final = 768


def generation_problem(request: dict[str, Any]) -> str | None:
    """The API's error text for this request; None if it is valid."""
    return _required(request) or _turns(request["contents"]) or _tools(request)


def contents_problem(request: dict[str, Any], kind: str) -> str | None:
    """The same for the contents alone, as `kind` names the request."""
    if not request.get("contents"):
        return f"* {kind}.contents: contents is not specified\n"
    return _lines(_contents(request["contents"], f"{kind}.contents"))


def user_text(contents: list[dict[str, Any]]) -> str:
    """The text parts of the last content that a user wrote, one line each."""
    for content in reversed(contents):
        if content.get("role", "user") == "user":
            texts = [part["text"] for part in content.get("parts", []) if "text" in part]
            if texts:
                return "\n".join(texts)
    return ""


def text_of(content: dict[str, Any]) -> str:
    return "\n".join(part["text"] for part in content.get("parts", []) if "text" in part)


def thinking(config: dict[str, Any]) -> Thinking:
    """Whether the model thinks, and shows its thoughts, by the request's generation config."""
    wanted = config.get("thinking_config", {})
    if wanted.get("thinking_budget") == 0:
        return "none"
    return "shown" if wanted.get("include_thoughts") else "hidden"


def prompt_tokens(request: dict[str, Any]) -> tuple[tuple[str, int], ...]:
    """How many tokens of each modality the prompt has, text first; modalities without tokens are left out."""
    counted: dict[str, int] = {"TEXT": 0}
    for part in _parts(request):
        if (media := part.get("inline_data") or part.get("file_data")) is not None:
            kind = media.get("mime_type", "").partition("/")[0].upper()
            modality = kind if kind in ("IMAGE", "AUDIO", "VIDEO") else "DOCUMENT"
            tiles = _tiles(media.get("data", b"")) if modality == "IMAGE" else 1
            counted[modality] = counted.get(modality, 0) + _MEDIA_TOKENS * tiles
        for name in ("function_call", "function_response"):
            if name in part:
                counted["TEXT"] += _tokens(str(part[name].get("name", "")))
                counted["TEXT"] += _tokens(_json(part[name].get("args") or part[name].get("response")))
        counted["TEXT"] += _tokens(part.get("text", ""))
    counted["TEXT"] += _tokens(_json(request.get("tools")))
    return tuple((modality, number) for modality, number in counted.items() if number)


def _tokens(text: str) -> int:
    return tokenizer.count(text, "cl100k")


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""
    except RecursionError:
        return ""


def _tiles(image: bytes) -> int:
    """How many tiles an image is cut into: one up to 384 by 384 pixels, or where its size is not known."""
    if (size := size_of(image)) is None or max(size) <= _SMALL:
        return 1
    width, height = size
    side = min(max(min(width, height) // 1.5, _LEAST_TILE), _MOST_TILE)
    return math.ceil(width / side) * math.ceil(height / side)


def _parts(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    system = request.get("system_instruction")
    for content in ([system] if system else []) + request.get("contents", []):
        yield from content.get("parts", [])


def _required(request: dict[str, Any]) -> str | None:
    if not request.get("contents"):
        return "* GenerateContentRequest.contents: contents is not specified\n"
    lines = list(_contents(request["contents"], "GenerateContentRequest.contents"))
    config = request.get("generation_config", {})
    where = "GenerateContentRequest.generation_config"
    for name, (low, high) in _RANGES.items():
        if name in config and not low <= config[name] <= high:
            lines.append(f"{where}.{name}: {name} must be in the range [{low:.1f}, {high:.1f}].")
    lines += [
        f"{where}.{name}: {name} must be positive."
        for name in ("max_output_tokens", "top_k")
        if name in config and config[name] < 1
    ]
    return _lines(lines)


def _contents(contents: list[dict[str, Any]], where: str) -> Iterator[str]:
    for index, content in enumerate(contents):
        if not content.get("parts"):
            yield f"{where}[{index}].parts: contents.parts must not be empty."
        for number, part in enumerate(content.get("parts", [])):
            if not part.keys() - {"thought", "thought_signature", "part_metadata", "video_metadata"}:
                place = f"{where}[{index}].parts[{number}].data"
                yield f"{place}: required oneof field 'data' must have one initialized field"


def _lines(lines: Iterator[str] | list[str]) -> str | None:
    return "".join(f"* {line}\n" for line in lines) or None


def _turns(contents: list[dict[str, Any]]) -> str | None:
    if any(content.get("role", "user") not in _ROLES for content in contents):
        return "Please use a valid role: user, model."
    if len(contents) == 1 and contents[0].get("role") == "model":
        return "Please ensure that single turn requests end with a user role or the role field is empty."
    called = 0
    # Contents of one role in a row are one turn: google-genai sends each chunk of a stream back as its own content.
    for _, turn in groupby(contents, key=lambda content: content.get("role", "user")):
        parts = [part for content in turn for part in content["parts"]]
        answered = _count(parts, "function_response")
        if answered and not called:
            return "Please ensure that function response turn comes immediately after a function call turn."
        if answered and answered != called:
            return (
                "Please ensure that the number of function response parts is equal to the number of function call"
                " parts of the function call turn."
            )
        called = _count(parts, "function_call")
    return None


def _count(parts: list[dict[str, Any]], kind: str) -> int:
    return sum(kind in part for part in parts)


def _tools(request: dict[str, Any]) -> str | None:
    declared = [
        (f"tools[{i}].function_declarations[{j}]", function)
        for i, tool in enumerate(request.get("tools", []))
        for j, function in enumerate(tool.get("function_declarations", []))
    ]
    lines = [
        f"GenerateContentRequest.{where}.name: Invalid function name. Must start with a letter or an underscore."
        for where, function in declared
        if not (function.get("name", "")[:1].isalpha() or function.get("name", "").startswith("_"))
    ]
    config = request.get("tool_config", {}).get("function_calling_config", {})
    known = {function.get("name") for _, function in declared}
    lines += [
        f"GenerateContentRequest.tool_config.function_calling_config.allowed_function_names: unknown function {name!r}."
        for name in config.get("allowed_function_names", [])
        if name not in known
    ]
    return _lines(lines)
