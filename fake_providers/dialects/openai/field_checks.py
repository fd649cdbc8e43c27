"""The error texts of OpenAI's API for invalid values; all endpoints share them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*:.", re.IGNORECASE)
_NAMES: Final = {str: "a string", bool: "a boolean", int: "an integer", float: "a decimal", list: "an array"}


class Problem(NamedTuple):
    """The fields of OpenAI's error object."""

    message: str
    param: str | None
    code: str | None


def wrong_type(param: str, expected: str, value: Any) -> Problem:
    got = "null" if value is None else _NAMES.get(type(value), "an object")
    text = f"Invalid type for '{param}': expected {expected}, but got {got} instead."
    return Problem(text, param, "invalid_type")


def missing(param: str) -> Problem:
    return Problem(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")


def wrong_value(param: str, value: Any, known: Sequence[str]) -> Problem:
    """The value is not one of those that the API allows there."""
    text = f"Invalid value: '{str(value)[:64]}'. Supported values are: {listed_words(known)}."
    return Problem(text, param, "invalid_value")


def listed_words(known: Sequence[str]) -> str:
    """The words as the API lists them: 'a', 'b', and 'c'."""
    words = [f"'{word}'" for word in known]
    if len(words) < 2:
        return words[0]
    return ", ".join(words[:-1]) + (f", and {words[-1]}" if len(words) > 2 else f" and {words[-1]}")


FLAG: Final = (bool, "a boolean")
TEXT: Final = (str, "a string")
OBJECT: Final = (dict, "an object")
ARRAY: Final = (list, "an array")
Kind = tuple[type, str]
"""A type, and its name in OpenAI's words."""


def wrong_url(param: str, value: str) -> Problem | None:
    """What is wrong with the address of an image. It is not fetched, so only its form is judged."""
    if _URL.match(value):
        return None
    expected = "Expected a valid URL, but got a value with an invalid format."
    return Problem(f"Invalid '{param}'. {expected}", param, "invalid_value")


def empty_array(param: str) -> Problem:
    empty = "Expected an array with minimum length 1, but got an empty array instead."
    return Problem(f"Invalid '{param}': empty array. {empty}", param, "empty_array")


def required(where: str, values: Mapping[str, Any], *names: str, kind: Kind = TEXT) -> Problem | None:
    """What is wrong with values that must be there and of that kind. `where`: the path of the object that has them."""
    for name in names:
        param, value = f"{where}.{name}", values.get(name)
        if value is None:
            return missing(param)
        if not isinstance(value, kind[0]):
            return wrong_type(param, kind[1], value)
    return None


def required_word(where: str, values: Mapping[str, Any], name: str, known: Sequence[str]) -> Problem | None:
    """What is wrong with a value that must be there and be one of the known words."""
    param, value = f"{where}.{name}", values.get(name)
    if value is None:
        return missing(param)
    return None if value in known else wrong_value(param, value, known)


def first_wrong(where: str, items: Iterable[Any], check: Callable[[str, Any], Problem | None]) -> Problem | None:
    """The first thing wrong with items that must be objects. `check` gets the path of an item, and the item."""
    for index, item in enumerate(items):
        place = f"{where}[{index}]"
        problem = check(place, item) if isinstance(item, dict) else wrong_type(place, "an object", item)
        if problem is not None:
            return problem
    return None


def wrong_model(body: Mapping[str, Any]) -> Problem | None:
    """What is wrong with the model of a request that has only a name for it."""
    if (model := body.get("model")) in (None, ""):
        return Problem("you must provide a model parameter", "model", None)
    return None if isinstance(model, str) else wrong_type("model", "a string", model)


def one_of(param: str, value: Any, known: Sequence[str]) -> Problem | None:
    if not isinstance(value, str):
        return wrong_type(param, f"one of {' or '.join(repr(word) for word in known)}", value)
    return None if value in known else wrong_value(param, value, known)


def _decimal(param: str, value: Any, low: float, high: float) -> Problem | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return wrong_type(param, "a decimal", value)
    return _bounds(param, value, low, high, "decimal")


def integer(param: str, value: Any, low: int, high: int | None = None) -> Problem | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return wrong_type(param, "an integer", value)
    return _bounds(param, value, low, high, "integer")


def _bounds(param: str, value: float, low: float, high: float | None, kind: str) -> Problem | None:
    if value < low:
        side, code, bound = "below minimum", "below_min", f">= {low}"
    elif high is not None and value > high:
        side, code, bound = "above maximum", "above_max", f"<= {high}"
    else:
        return None
    text = f"Invalid '{param}': {kind} {side} value. Expected a value {bound}, but got {str(value)[:40]} instead."
    return Problem(text, param, f"{kind}_{code}_value")


class Rules:
    """The values that an endpoint's parameters may have. Null counts as absent everywhere.

    decimals, integers: (least, most); words: the known ones; kinds: FLAG, TEXT, OBJECT or ARRAY.
    """

    def __init__(
        self,
        decimals: Mapping[str, tuple[float, float]],
        integers: Mapping[str, tuple[int, int | None]],
        words: Mapping[str, Sequence[str]],
        kinds: Mapping[str, Kind],
    ) -> None:
        self._rules: dict[str, Callable[[str, Any], Problem | None]] = {
            **{name: partial(_decimal, low=low, high=high) for name, (low, high) in decimals.items()},
            **{name: partial(integer, low=least, high=most) for name, (least, most) in integers.items()},
            **{name: partial(one_of, known=known) for name, known in words.items()},
            **{name: partial(_kind, kind=kind, called=called) for name, (kind, called) in kinds.items()},
        }

    def broken(self, body: Mapping[str, Any]) -> Problem | None:
        """The first rule that the body breaks, in the body's order: most requests have few of the parameters."""
        for name, value in body.items():
            rule = self._rules.get(name)
            if rule is not None and value is not None and (found := rule(name, value)) is not None:
                return found
        return None


def _kind(param: str, value: Any, kind: type, called: str) -> Problem | None:
    return None if isinstance(value, kind) else wrong_type(param, called, value)


def stream(body: Mapping[str, Any], flags: Collection[str], *, strict: bool = True) -> Problem | None:
    """`stream`, and `stream_options` with the `flags` that the endpoint knows; `strict`: it takes no others."""
    wanted, options = body.get("stream"), body.get("stream_options")
    if wanted is not None and not isinstance(wanted, bool):
        return wrong_type("stream", "a boolean", wanted)
    if options is None:
        return None
    if not isinstance(options, dict):
        return wrong_type("stream_options", "an object", options)
    if not wanted:
        text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        return Problem(text, "stream_options", None)
    for name, value in options.items():
        if name not in flags and not strict:
            continue
        if name not in flags:
            param = f"stream_options.{name}"
            return Problem(f"Unknown parameter: '{param}'.", param, "unknown_parameter")
        if value is not None and not isinstance(value, bool):
            return wrong_type(f"stream_options.{name}", "a boolean", value)
    return None
