"""OpenAI's embeddings: validates the requests, and writes the vectors as floats or base64.

Source: https://platform.openai.com/docs/api-reference/embeddings, and what the official clients read.
"""

from __future__ import annotations

import base64
import json
import struct
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.dialects.base import Ask, Reply
from chatproof.fake_providers.dialects.openai import field_checks as fields
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.openai.reply import Whole, answer
from chatproof.fake_providers.dialects.schedule import play
from chatproof.fake_providers.dialects.vectors import Text, vector
from chatproof.fake_providers.models.catalogue import Model
from chatproof.fake_providers.scripting import tokenizer

KNOWN: Final = frozenset({"dimensions", "encoding_format", "input", "model", "user"})
"""The parameters of the endpoint, as the official client has them."""

_MOST_INPUTS: Final = 2048
_FORMATS: Final = ("float", "base64")


class EmbeddingsRequest(NamedTuple):
    """What to embed, texts or token ids, with which model, and the encoding of the result."""

    model: Model
    inputs: tuple[Text, ...]
    dimensions: int | None
    base64: bool


def problem(body: dict[str, Any], model: Model) -> Problem | None:
    """The first error in the request's body, which has a model; None if it is valid."""
    wanted = body.get("dimensions")
    for name in body:
        if name not in KNOWN:
            return Problem(f"Unrecognized request argument supplied: {name[:64]}", None, None)
    if body.get("user") is not None and not isinstance(body["user"], str):
        return fields.wrong_type("user", "a string", body["user"])
    encoding = body.get("encoding_format")
    found = None if encoding is None else fields.one_of("encoding_format", encoding, _FORMATS)
    if found is None and wanted is not None:
        if model.fixed_width:
            found = Problem("This model does not support specifying dimensions.", "dimensions", None)
        else:
            found = fields.integer("dimensions", wanted, 1, model.width)
    return found or _input(body.get("input"))


def read(body: dict[str, Any], model: Model) -> EmbeddingsRequest:
    """What a valid body asks for."""
    given = body["input"]
    if isinstance(given, str) or isinstance(given[0], int):
        given = [given]
    inputs = tuple(one if isinstance(one, str) else tuple(one) for one in given)
    return EmbeddingsRequest(model, inputs, body.get("dimensions"), body.get("encoding_format") == "base64")


def too_long(wanted: EmbeddingsRequest, longest: int | None) -> Problem | None:
    """The error where an input has more than that many tokens."""
    size = next((size for size in map(_size, wanted.inputs) if size > longest), None) if longest is not None else None
    if size is None:
        return None
    text = f"This model's maximum context length is {longest} tokens, however you requested {size} tokens"
    return Problem(f"{text} ({size} in your prompt; 0 for the completion). Please reduce your prompt.", "input", None)


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
    values = vector(text, wanted.model, wanted.dimensions)
    packed = struct.pack(f"<{len(values)}f", *values)
    if wanted.base64:
        return f'"{base64.b64encode(packed).decode()}"'
    # Nine digits are what a 32-bit float needs to come back as itself.
    single = struct.unpack(f"<{len(values)}f", packed)
    return f"[{','.join([f'{one:.9g}' for one in single])}]"


def _size(one: Text) -> int:
    return tokenizer.count(one, "cl100k") if isinstance(one, str) else len(one)


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
        return None
    if all(_is_token(one) for one in given):
        return None
    if len(given) > _MOST_INPUTS:
        return _bad_input(f"'$.input' has {len(given)} inputs, more than {_MOST_INPUTS}.", "input")
    for index, one in enumerate(given):
        place = f"input[{index}]"
        ids = isinstance(one, list) and bool(one) and all(_is_token(token) for token in one)
        if not ids and (not isinstance(one, str) or isinstance(one, str) is not isinstance(given[0], str)):
            return fields.wrong_type(place, "a string" if isinstance(given[0], str) else "an array of integers", one)
        if not one:
            return _bad_input(f"'$.{place}' is empty.", place)
    return None


def _is_token(one: Any) -> bool:
    return isinstance(one, int) and not isinstance(one, bool) and one >= 0


def _bad_input(reason: str, param: str) -> Problem:
    return Problem(f"{reason} Please check the API reference.", param, "invalid_value")
