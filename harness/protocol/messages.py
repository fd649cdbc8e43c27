"""The objects that a server sends: tokens, completions and errors, and the JSON they come in."""

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
    """What an object means to a client. `OTHER` is legal: a client that does not know it passes over it."""

    TOKEN = "token"
    COMPLETION = "completion"
    ERROR = "error"
    OTHER = "other"


def classify(body: JsonObject) -> Kind:
    """Say what an SSE event's object is.

    `error: null`, `error: ""` and `done: false` count as absent. An object that has both a text and
    `done: true` is a token: the API document's client looks at `token` first and never sees its `done`.
    """
    if body.get("error") not in (None, ""):
        return Kind.ERROR
    if body.get("done") is True:
        return Kind.TOKEN if body.get("token") else Kind.COMPLETION
    return Kind.TOKEN if "token" in body else Kind.OTHER


@dataclass(frozen=True, slots=True)
class Message:
    """One event as a client understands it.

    `began` and `at` are the arrival times (seconds, monotonic) of its first and its last byte.
    """

    kind: Kind
    body: JsonObject
    began: float
    at: float
    name: str = "message"

    @property
    def token(self) -> str:
        """The token's text, or nothing where it is not a string."""
        token = self.body.get("token")
        return token if self.kind is Kind.TOKEN and isinstance(token, str) else ""


class JsonFault(StrEnum):
    """What keeps a text from being strict JSON that is sent once."""

    NOT_JSON = "is not JSON"
    NOT_STRICT = "holds NaN or Infinity, which JSON does not have"
    SURROGATE = "holds a lone surrogate, which is no character"
    ENCODED_TWICE = "is a JSON string with the object inside it: encoded twice"
    NOT_OBJECT = "is JSON, but not an object"


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded text: the object, as far as there is one, and everything wrong with it."""

    body: dict[str, Any] | None
    faults: tuple[JsonFault, ...] = ()


def decode_object(text: str) -> Decoded:
    """Decode a text that ought to be one JSON object. Never raises: the faults tell."""
    faults: list[JsonFault] = []

    def constant(name: str) -> float:
        if JsonFault.NOT_STRICT not in faults:
            faults.append(JsonFault.NOT_STRICT)
        return float(name)

    try:
        value = json.loads(text, parse_constant=constant)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = json.loads(value, parse_constant=constant)
            faults.append(JsonFault.ENCODED_TWICE)
    except (ValueError, RecursionError):
        return Decoded(None, (JsonFault.NOT_JSON,))
    if not isinstance(value, dict):
        return Decoded(None, (*faults, JsonFault.NOT_OBJECT))
    if _has_surrogate(value):
        faults.append(JsonFault.SURROGATE)
    return Decoded(value, tuple(faults))


def _has_surrogate(value: object) -> bool:
    if isinstance(value, str):
        return _SURROGATE.search(value) is not None
    if isinstance(value, dict):
        return any(_has_surrogate(key) or _has_surrogate(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_surrogate(item) for item in value)


def is_number(value: object) -> TypeGuard[int | float]:
    """A finite JSON number; `true` and `false` are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_integer(value: object) -> TypeGuard[int | float]:
    """A whole JSON number. JSON has one kind of number: `3.0` is the integer 3."""
    return is_number(value) and value == int(value)


def is_text(value: object) -> bool:
    """A string with something in it."""
    return isinstance(value, str) and value.strip() != ""
