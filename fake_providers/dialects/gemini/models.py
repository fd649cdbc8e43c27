"""The models that the fake Gemini lists, and embeddings that depend only on their text.

Source: https://ai.google.dev/api/models and https://ai.google.dev/api/embeddings.
"""

from __future__ import annotations

import hashlib
import math
import struct
from functools import lru_cache
from typing import Any, Final

DIMENSIONS: Final = 3_072
"""The default length of an embedding."""

_GENERATES: Final = ["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"]
_EMBEDS: Final = ["embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent"]
_DEFAULT_PAGE: Final = 50
_MAX_PAGE: Final = 1_000


def _generator(name: str, title: str, version: str, outputs: int) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": version,
        "displayName": title,
        "description": f"{title}, as the fake provider plays it.",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": outputs,
        "supportedGenerationMethods": _GENERATES,
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
    }


_MODELS: Final = (
    _generator("gemini-2.5-flash", "Gemini 2.5 Flash", "001", 65_536),
    _generator("gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite", "001", 65_536),
    _generator("gemini-2.5-pro", "Gemini 2.5 Pro", "2.5", 65_536),
    _generator("gemini-2.0-flash", "Gemini 2.0 Flash", "2.0", 8_192),
    {
        "name": "models/gemini-embedding-001",
        "version": "001",
        "displayName": "Gemini Embedding 001",
        "description": "Embeddings, as the fake provider makes them: from the text's digest.",
        "inputTokenLimit": 2_048,
        "outputTokenLimit": 1,
        "supportedGenerationMethods": _EMBEDS,
    },
)


def model(name: str) -> dict[str, Any] | None:
    """The model with that name, which is without "models/"."""
    return next((found for found in _MODELS if found["name"] == f"models/{name}"), None)


def page(size: str, token: str) -> dict[str, Any] | None:
    """One page of the list; None if the page size or the page token, as the query gave them, is invalid."""
    if not (size or "0").isdecimal() or not (token or "0").isdecimal():
        return None
    start, length = int(token or 0), min(int(size or 0) or _DEFAULT_PAGE, _MAX_PAGE)
    answer: dict[str, Any] = {"models": list(_MODELS[start : start + length])}
    if start + length < len(_MODELS):
        answer["nextPageToken"] = str(start + length)
    return answer


@lru_cache(maxsize=64)
def embedding(text: str, dimensions: int) -> tuple[float, ...]:
    """A vector of length 1: equal texts get equal vectors, different texts nearly orthogonal ones."""
    digest = hashlib.shake_256(text.encode()).digest(2 * dimensions)
    numbers = struct.unpack(f"<{dimensions}h", digest)
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return tuple(round(number / length, 9) for number in numbers)
