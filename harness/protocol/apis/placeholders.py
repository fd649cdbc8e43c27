"""Placeholders such as `{message}` in the texts of a path, a header or a body, which are filled in for each ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

LEFT_OUT: Final = object()  # the value of a placeholder whose key is left out where the placeholder is all of its text
# `{{message}}` is no placeholder: it stands for `{message}` as a text
_PLACE: Final = re.compile(r"\{\{(?P<plain>[a-z_]+)\}\}|\{(?P<name>[a-z_]+)\}")


def named_in(value: Any) -> Iterator[str]:
    """The names of all placeholders in a JSON value, those of its keys too."""
    if isinstance(value, str):
        yield from filter(None, (match["name"] for match in _PLACE.finditer(value)))
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from named_in(key)
            yield from named_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from named_in(one)


def filled(value: Any, values: Mapping[str, Any]) -> Any:
    """A JSON value with the placeholders of its texts filled in.

    A text that is one placeholder and nothing else becomes the placeholder's value, whatever its type. A placeholder
    that has no value stays as it is.
    """
    if isinstance(value, Mapping):
        found = ((filled_text(key, values), filled(one, values)) for key, one in value.items())
        return {key: one for key, one in found if one is not LEFT_OUT}
    if isinstance(value, list | tuple):
        return [found for one in value if (found := filled(one, values)) is not LEFT_OUT]
    if not isinstance(value, str):
        return value
    whole = _PLACE.fullmatch(value)
    if whole and whole["name"] in values:
        return values[whole["name"]]
    return filled_text(value, values)


def filled_text(text: str, values: Mapping[str, Any], written: Callable[[str], str] = str) -> str:
    """As `filled`, for a text. `written`: how a value is written into it."""

    def instead(match: re.Match[str]) -> str:
        if match["plain"]:
            return f"{{{match['plain']}}}"
        found = values.get(match["name"], match[0])
        return "" if found is LEFT_OUT else written(str(found)) if match["name"] in values else match[0]

    return _PLACE.sub(instead, text)


def filled_path(path: str, values: Mapping[str, Any]) -> str:
    """As `filled`, for a path: what is filled in is percent-encoded."""
    return filled_text(path, values, lambda value: quote(value, safe="", errors="surrogatepass"))
