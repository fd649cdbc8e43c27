"""The JSON that a server sends, and the kinds of events that a client tells apart."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeGuard

JsonObject = Mapping[str, Any]

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
    """A decoded text: the object if there is one, and all faults."""

    body: dict[str, Any] | None
    faults: tuple[JsonFault, ...] = ()


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
    if ("\\" in text or not text.isascii()) and _has_surrogate(value):
        faults.append(JsonFault.SURROGATE)
    return Decoded(value, tuple(faults))


def _load(text: str, faults: list[JsonFault]) -> Any:
    """Decode JSON, in the usual case with a decoder that is made once."""
    try:
        return _STRICT.decode(text)
    except _NotStrict:
        faults.append(JsonFault.NOT_STRICT)
        return json.loads(text)


def _has_surrogate(value: object) -> bool:
    waiting = [value]  # not by recursion: a server may nest values as deeply as the JSON decoder allows
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if _SURROGATE.search(one):
                return True
        elif isinstance(one, dict):
            waiting += one.keys()
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return False


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
