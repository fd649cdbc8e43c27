"""The JSON that a server sends, and the kinds of events that a client tells apart."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeGuard

JsonObject = Mapping[str, Any]

FEW = 40  # values of an object of which only the texts weigh

_SURROGATE = re.compile("[\ud800-\udfff]")


class Kind(StrEnum):
    """What an event means to a client. `OTHER` is legal: a client that does not know it passes over it."""

    TOKEN = "token"
    COMPLETION = "completion"
    ERROR = "error"
    OTHER = "other"


class JsonFault(StrEnum):
    """What is wrong with a text that should be one strict JSON object."""

    NOT_JSON = "is not JSON"
    NOT_STRICT = "holds NaN or Infinity, which JSON does not have"
    SURROGATE = "holds a lone surrogate, which is not a character"
    ENCODED_TWICE = "is a JSON string with the object inside it: encoded twice"
    NOT_OBJECT = "is JSON, but not an object"


class _NotStrict(Exception):
    """The text holds NaN or Infinity."""


def _refuse(name: str) -> None:
    raise _NotStrict


_STRICT = json.JSONDecoder(parse_constant=_refuse)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded text: the object if there is one, all faults, and the bytes of memory that it takes."""

    body: dict[str, Any] | None
    faults: tuple[JsonFault, ...] = ()
    weight: int = 0


def decode_object(text: str) -> Decoded:
    """Decode a text that should be one JSON object. Never raises; the faults say what is wrong."""
    faults: list[JsonFault] = []
    try:
        value = _load(text, faults)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = _load(value, faults)
            faults.append(JsonFault.ENCODED_TWICE)
    except (ValueError, RecursionError):
        return Decoded(None, (JsonFault.NOT_JSON,))
    if not isinstance(value, dict):
        return Decoded(None, (*faults, JsonFault.NOT_OBJECT))
    is_plain = "\\" not in text and text.isascii()
    if not is_plain and _has_surrogate(value):
        faults.append(JsonFault.SURROGATE)
    is_small = text.count("{") + text.count("[") + text.count(",") <= FEW
    return Decoded(value, tuple(faults), len(text) * (1 if is_plain else 4) if is_small else weight_of(value))


def _load(text: str, faults: list[JsonFault]) -> Any:
    """Decode JSON, in the usual case with a decoder that is made once."""
    try:
        return _STRICT.decode(text)
    except _NotStrict:
        faults.append(JsonFault.NOT_STRICT)
        return json.loads(text)


def _has_surrogate(value: object) -> bool:
    return any(isinstance(one, str) and _SURROGATE.search(one) for one in _parts(value))


def weight_of(value: object) -> int:
    """The bytes of memory that a JSON value takes, as if nothing in it were there twice."""
    return sum(map(sys.getsizeof, _parts(value)))


def _parts(value: object) -> Iterator[object]:
    """A JSON value and all that is in it. Not by recursion: it may be nested as deeply as the JSON decoder allows."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        yield one
        if isinstance(one, dict):
            waiting += one.keys()
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is a JSON number that a float can hold; `true` and `false` are not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False


def is_integer(value: object) -> TypeGuard[int | float]:
    """Whether it is a whole JSON number. JSON has one kind of number: `3.0` is the integer 3."""
    return is_number(value) and value == int(value)


def is_text(value: object) -> TypeGuard[str]:
    """Whether it is a string with more than white space in it."""
    return isinstance(value, str) and value.strip() != ""
