"""OpenAI's embeddings: unit vectors that depend on the text alone, and lie near each other where texts share words.

Source: https://platform.openai.com/docs/api-reference/embeddings, and what the official clients read.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import struct
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.dialects.base import Ask, Reply
from chatproof.fake_providers.dialects.openai import field_checks as fields
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.openai.reply import Whole, answer
from chatproof.fake_providers.dialects.schedule import play
from chatproof.fake_providers.scripting import tokenizer

KNOWN: Final = frozenset({"dimensions", "encoding_format", "input", "model", "user"})
"""The parameters of the endpoint, as the official client has them."""

_DIMENSIONS: Final = {"text-embedding-3-large": 3072}
_USUAL_DIMENSIONS: Final = 1536
_FIXED: Final = ("text-embedding-ada-002",)  # the model that has no `dimensions`
_MOST_INPUTS: Final = 2048
_MOST_TOKENS: Final = 8192
_FORMATS: Final = ("float", "base64")
_WORD: Final = re.compile(r"\w+")
_SPOTS: Final = 8  # entries of the vector that one word touches
_NOISE: Final = 0.02  # of a word's weight: what makes every vector dense, and texts of the same words differ

Text = str | tuple[int, ...]


class EmbeddingsRequest(NamedTuple):
    """What to embed, texts or token ids, and the encoding of the result."""

    inputs: tuple[Text, ...]
    dimensions: int | None
    base64: bool


def problem(body: dict[str, Any]) -> Problem | None:
    """The first error in the request's body; None if it is valid."""
    if (wrong := fields.wrong_model(body)) is not None:
        return wrong
    model, wanted = body["model"], body.get("dimensions")
    for name in body:
        if name not in KNOWN:
            return Problem(f"Unrecognized request argument supplied: {name[:64]}", None, None)
    if body.get("user") is not None and not isinstance(body["user"], str):
        return fields.wrong_type("user", "a string", body["user"])
    encoding = body.get("encoding_format")
    found = None if encoding is None else fields.one_of("encoding_format", encoding, _FORMATS)
    if found is None and wanted is not None:
        if model in _FIXED:
            found = Problem("This model does not support specifying dimensions.", "dimensions", None)
        else:
            found = fields.integer("dimensions", wanted, 1, _full(model))
    return found or _input(body.get("input"))


def read(body: dict[str, Any]) -> EmbeddingsRequest:
    """What a valid body asks for."""
    given = body["input"]
    if isinstance(given, str) or isinstance(given[0], int):
        given = [given]
    inputs = tuple(one if isinstance(one, str) else tuple(one) for one in given)
    return EmbeddingsRequest(inputs, body.get("dimensions"), body.get("encoding_format") == "base64")


def last_text(wanted: EmbeddingsRequest) -> str:
    """The last input; empty if it is token ids."""
    last = wanted.inputs[-1]
    return last if isinstance(last, str) else ""


def prompt_tokens(wanted: EmbeddingsRequest) -> int:
    return sum(_size(one) for one in wanted.inputs)


def render(ask: Ask) -> Reply:
    """The reply to a valid request. A script decides only when it comes and how it fails."""
    line = play(ask.script, Whole(), key=ask.key)
    return answer(ask, line, lambda: _body(ask), bytes)


def vector(text: Text, model: str, dimensions: int | None = None) -> list[float]:
    """The text's unit vector. With fewer dimensions: the beginning of the full one, scaled to length 1."""
    words = _WORD.findall(text.casefold()) if isinstance(text, str) else [str(token) for token in text]
    size = _full(model)
    whole = json.dumps([model, text]).encode()
    noise = struct.unpack(f"<{size}h", hashlib.shake_256(whole).digest(2 * size))
    values = [one * (_NOISE / 32_768) for one in noise]
    for word in words:
        spots = struct.unpack(f"<{_SPOTS}I", hashlib.shake_256(f"{model}\n{word}".encode()).digest(4 * _SPOTS))
        for spot in spots:
            values[(spot >> 1) % size] += 1.0 if spot & 1 else -1.0
    values = values[:dimensions]
    # A single value could be 0 by chance, which has no direction.
    length = math.sqrt(math.fsum(one * one for one in values)) or 1.0
    return [one / length for one in values] if any(values) else [1.0, *values[1:]]


def _body(ask: Ask) -> bytes:
    wanted = ask.extra
    assert isinstance(wanted, EmbeddingsRequest)
    data = ",".join(
        f'{{"object":"embedding","index":{index},"embedding":{_written(ask, wanted, text)}}}'
        for index, text in enumerate(wanted.inputs)
    )
    usage = f'{{"prompt_tokens":{ask.prompt_tokens},"total_tokens":{ask.prompt_tokens}}}'
    return f'{{"object":"list","data":[{data}],"model":{json.dumps(ask.model)},"usage":{usage}}}'.encode()


def _written(ask: Ask, wanted: EmbeddingsRequest, text: Text) -> str:
    values = vector(text, ask.model, wanted.dimensions)
    packed = struct.pack(f"<{len(values)}f", *values)
    if wanted.base64:
        return f'"{base64.b64encode(packed).decode()}"'
    # Nine digits are what a 32-bit float needs to come back as itself.
    single = struct.unpack(f"<{len(values)}f", packed)
    return f"[{','.join([f'{one:.9g}' for one in single])}]"


def _full(model: str) -> int:
    return _DIMENSIONS.get(model, _USUAL_DIMENSIONS)


def _size(one: Text) -> int:
    return tokenizer.count(one) if isinstance(one, str) else len(one)


def _input(given: Any) -> Problem | None:
    if given is None:
        return fields.missing("input")
    if not isinstance(given, str | list):
        return fields.wrong_type(
            "input", "one of a string, array of strings, array of integers or array of arrays", given
        )
    if not given:
        return _bad_input("'$.input' is empty.", "input")
    if isinstance(given, str):
        return _too_long(given)
    if all(_is_token(one) for one in given):
        return _too_long(tuple(given))
    if len(given) > _MOST_INPUTS:
        return _bad_input(f"'$.input' has {len(given)} inputs, more than {_MOST_INPUTS}.", "input")
    for index, one in enumerate(given):
        place = f"input[{index}]"
        if isinstance(one, list) and one and all(_is_token(token) for token in one):
            one = tuple(one)
        elif not isinstance(one, str) or isinstance(one, str) is not isinstance(given[0], str):
            return fields.wrong_type(place, "a string" if isinstance(given[0], str) else "an array of integers", one)
        if not one:
            return _bad_input(f"'$.{place}' is empty.", place)
        if (found := _too_long(one)) is not None:
            return found
    return None


def _is_token(one: Any) -> bool:
    return isinstance(one, int) and not isinstance(one, bool) and one >= 0


def _too_long(one: Text) -> Problem | None:
    size = _size(one)
    if size <= _MOST_TOKENS:
        return None
    text = f"This model's maximum context length is {_MOST_TOKENS} tokens, however you requested {size} tokens"
    return Problem(f"{text} ({size} in your prompt; 0 for the completion). Please reduce your prompt.", "input", None)


def _bad_input(reason: str, param: str) -> Problem:
    return Problem(f"{reason} Please check the API reference.", param, "invalid_value")
