"""How many tokens a prompt has, as OpenAI documents it: messages, names, tools, calls and images.

Sources: OpenAI's cookbook, "How to count tokens with Tiktoken" (messages, names, tools: 129, 124, 105 and 101 tokens in
its examples), and https://platform.openai.com/docs/guides/images-vision (images). It documents no number for the calls
in a history: their names and arguments count as text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

from chatproof.fake_providers.dialects.image_size import size_of_url
from chatproof.fake_providers.models.catalogue import model_of
from chatproof.fake_providers.scripting.tokenizer import Vocabulary, count

_PER_MESSAGE: Final = 4  # three, and its role, which is one token in both vocabularies
_PER_NAME: Final = 1
_REPLY: Final = 3  # the beginning of the answer
_PER_FUNCTION: Final[dict[Vocabulary, int]] = {"o200k": 7, "cl100k": 10}
_PER_PROPERTIES = _PER_PROPERTY = _PER_CHOICE = 3
_CHOICES: Final = -3
_FUNCTIONS: Final = 12

# Images that are cut into tiles: tokens for the image, and for each tile of 512 pixels. The first that fits by name.
_TILES: Final = (
    ("gpt-4o-mini", 2_833, 5_667),
    ("gpt-4", 85, 170),
    ("chatgpt-4o", 85, 170),
    ("o1", 75, 150),
    ("o3", 75, 150),
    ("computer-use", 65, 129),
    ("", 70, 140),  # gpt-5
)
# Images that are cut into patches of 32 pixels, 1,536 at most: tokens for each patch.
_PATCHES: Final = (
    ("gpt-4.1-mini", 1.62),
    ("gpt-4.1-nano", 2.46),
    ("gpt-5-mini", 1.62),
    ("gpt-5-nano", 2.46),
    ("o4-mini", 1.72),
)
_PATCH: Final = 32
_UNKNOWN: Final = (1_024, 1_024)
_MOST_PATCHES: Final = 1_536


def bounded_count(data: bytes, count: Callable[[], int]) -> Callable[[int], int]:
    """Counts the tokens of the prompt in a request's body, unless the body is so short that there cannot be too many.
    Images count for more than their bytes.
    """

    def counted(most: int) -> int:
        is_short = len(data) <= most and b"image" not in data
        return len(data) if is_short else count()

    return counted


def chat_tokens(body: dict[str, Any]) -> int:
    """The prompt tokens of a valid chat request."""
    model = body["model"]
    vocabulary = model_of("openai", model).tokenizer
    return _messages(body["messages"], model, vocabulary) + _tools(body, vocabulary)


def local_chat_tokens(body: dict[str, Any]) -> int:
    """The same for a local server's model."""
    vocabulary = model_of("local", body["model"]).tokenizer
    return _messages(body["messages"], "", vocabulary) + _tools(body, vocabulary)


def response_tokens(body: dict[str, Any]) -> int:
    """The input tokens of a valid request for a response. Instructions are a message, a text is the user's message."""
    model = body["model"]
    vocabulary = model_of("openai", model).tokenizer
    said = body.get("input") or []
    items: list[dict[str, Any]] = [{"content": said}] if isinstance(said, str) else list(said)
    if body.get("instructions"):
        items.append({"content": body["instructions"]})
    return _messages(items, model, vocabulary) + _tools(body, vocabulary)


def _messages(said: Iterable[dict[str, Any]], model: str, vocabulary: Vocabulary) -> int:
    total = _REPLY
    for message in said:
        total += _PER_MESSAGE
        content = message.get("content")
        if isinstance(content, str):
            total += count(content, vocabulary)
        elif content:
            total += sum(_part(part, model, vocabulary) for part in content)
        if len(message) > 2 or not content:
            total += _rest(message, model, vocabulary)
    return total


def _rest(message: dict[str, Any], model: str, vocabulary: Vocabulary) -> int:
    """What else a message says: a name, a refusal, calls; an item of a response: a call, or its output."""
    total = 0
    if isinstance(name := message.get("name"), str):
        total += count(name, vocabulary) + _PER_NAME
    for key in ("refusal", "arguments", "output", "input"):
        value = message.get(key)
        if isinstance(value, str):
            total += count(value, vocabulary)
        elif isinstance(value, list):
            total += sum(_part(part, model, vocabulary) for part in value if isinstance(part, dict))
    calls = [*(message.get("tool_calls") or ()), {"function": message.get("function_call") or {}}]
    for call in calls:
        called = call.get(call.get("type", "function")) or {}
        texts = (called.get(key) for key in ("name", "arguments", "input"))
        total += sum(count(text, vocabulary) for text in texts if isinstance(text, str))
    return total


def _part(part: dict[str, Any], model: str, vocabulary: Vocabulary) -> int:
    kind = part.get("type")
    if kind in ("image_url", "input_image"):
        image = part.get("image_url")
        given = image if isinstance(image, dict) else {"url": image, "detail": part.get("detail")}
        return image_tokens(model, given.get("url"), given.get("detail"))
    text = part.get("text") or part.get("refusal")
    return count(text, vocabulary) if isinstance(text, str) else 0


def image_tokens(model: str, url: Any, detail: Any) -> int:
    """The tokens of an image: `url` holds it as `data:`, or else it counts as 1,024 by 1,024 pixels."""
    width, height = (size_of_url(url) if isinstance(url, str) else None) or _UNKNOWN
    for prefix, factor in _PATCHES:
        if model.startswith(prefix):
            return math.ceil(_patches(width, height) * factor)
    base, tile = next((base, tile) for prefix, base, tile in _TILES if model.startswith(prefix))
    if detail == "low":
        return base
    scale = min(1.0, 2_048 / max(width, height))
    scale *= min(1.0, 768 / (min(width, height) * scale))
    return base + tile * _cells(width * scale, 512) * _cells(height * scale, 512)


def _patches(width: int, height: int) -> int:
    if (number := _cells(width, _PATCH) * _cells(height, _PATCH)) <= _MOST_PATCHES:
        return number
    scale = math.sqrt(_PATCH**2 * _MOST_PATCHES / (width * height))
    across, down = width * scale / _PATCH, height * scale / _PATCH
    scale *= min(math.floor(across) / across, math.floor(down) / down)
    return _cells(width * scale, _PATCH) * _cells(height * scale, _PATCH)


def _cells(length: float, size: int) -> int:
    return max(1, math.ceil(round(length / size, 6)))


def _tools(body: dict[str, Any], vocabulary: Vocabulary) -> int:
    tools = body.get("tools") or body.get("functions")
    if not tools:
        return 0
    try:
        return _functions(json.dumps(tools), vocabulary)
    except RecursionError:
        return 0


@lru_cache(maxsize=256)
def _functions(tools: str, vocabulary: Vocabulary) -> int:
    total = _FUNCTIONS
    for tool in json.loads(tools):
        function = tool.get("function") or tool.get("custom") or tool
        description = str(function.get("description") or "").removesuffix(".")
        total += _PER_FUNCTION[vocabulary] + count(f"{function.get('name', '')}:{description}", vocabulary)
        total += _properties(function.get("parameters"), vocabulary)
    return total


def _properties(schema: Any, vocabulary: Vocabulary) -> int:
    """The properties of an object's schema, with those of the objects in it."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not properties:
        return 0
    total = _PER_PROPERTIES
    for name, value in properties.items():
        total += _PER_PROPERTY
        if not isinstance(value, dict):
            continue
        if isinstance(value.get("enum"), list):
            total += _CHOICES + sum(_PER_CHOICE + count(str(item), vocabulary) for item in value["enum"])
        description = str(value.get("description") or "").removesuffix(".")
        total += count(f"{name}:{value.get('type', '')}:{description}", vocabulary)
        total += _properties(value, vocabulary) + _properties(value.get("items"), vocabulary)
    return total
