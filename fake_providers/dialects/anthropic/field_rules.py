"""The rules for the fields of a request, and the texts with which Anthropic's API refuses a value.

The texts are pydantic's, with the value's path in front, as issues quote them: `max_tokens: Field required`,
`messages.0.role: Input should be 'user' or 'assistant'`, `foo: Extra inputs are not permitted`. The first error is
the answer. Null counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, NoReturn

Check = Callable[[str, Any], None]
"""Raises InvalidRequest for a value that the API refuses. The text is the value's path."""

_SHOWN: Final = 64


class InvalidRequest(ValueError):
    """The API refuses the request with 400. The text is the error's message."""


class Shape(NamedTuple):
    """The fields that an object may have, and the names of those that it must have."""

    fields: Mapping[str, Check]
    required: tuple[str, ...] = ()


def refuse(where: str, text: str) -> NoReturn:
    raise InvalidRequest(f"{where}: {text}")


def anything(where: str, value: Any) -> None:
    """Takes every value."""


def text(where: str, value: Any) -> None:
    if not isinstance(value, str):
        refuse(where, "Input should be a valid string")


def flag(where: str, value: Any) -> None:
    if not isinstance(value, bool):
        refuse(where, "Input should be a valid boolean")


def dictionary(where: str, value: Any) -> None:
    if not isinstance(value, dict):
        refuse(where, "Input should be a valid dictionary")


def filled(where: str, value: Any) -> None:
    """A text of at least one character."""
    text(where, value)
    if not value:
        refuse(where, "String should have at least 1 character")


def matching(pattern: str) -> Check:
    compiled = re.compile(pattern)

    def check(where: str, value: Any) -> None:
        text(where, value)
        if not compiled.search(value):
            refuse(where, f"String should match pattern '{pattern}'")

    return check


def words(*known: str) -> Check:
    """One of the known words."""

    def check(where: str, value: Any) -> None:
        if value not in known:
            quoted = [f"'{word}'" for word in known]
            listed = " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
            refuse(where, f"Input should be {listed}")

    return check


def integer(least: int) -> Check:
    return _number((int,), "integer", least, None)


def decimal(least: float, most: float) -> Check:
    return _number((int, float), "number", least, most)


def _number(kinds: tuple[type[int | float], ...], called: str, least: float, most: float | None) -> Check:
    def check(where: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, kinds):
            refuse(where, f"Input should be a valid {called}")
        if value < least:
            refuse(where, f"Input should be greater than or equal to {least}")
        if most is not None and value > most:
            refuse(where, f"Input should be less than or equal to {most}")

    return check


def listed(check_one: Check) -> Check:
    def check(where: str, value: Any) -> None:
        if not isinstance(value, list):
            refuse(where, "Input should be a valid list")
        for index, one in enumerate(value):
            check_one(f"{where}.{index}", one)

    return check


def text_or(check_list: Check) -> Check:
    """A text, or what the other rule takes."""

    def check(where: str, value: Any) -> None:
        if not isinstance(value, str):
            check_list(where, value)

    return check


def fits(shape: Shape, where: str, value: Mapping[str, Any]) -> None:
    """Raises InvalidRequest where an object has not that shape. `where`: its path, empty for the whole body."""
    path = f"{where}." if where else ""
    for name in shape.required:
        if value.get(name) is None:
            refuse(path + name, "Field required")
    for name, one in value.items():
        check = shape.fields.get(name)
        if check is None:
            refuse(path + name[:_SHOWN], "Extra inputs are not permitted")
        if one is not None:
            check(path + name, one)


def shaped(shape: Shape) -> Check:
    def check(where: str, value: Any) -> None:
        if not isinstance(value, dict):
            refuse(where, "Input should be a valid dictionary or object to extract fields from")
        fits(shape, where, value)

    return check


def tagged(shapes: Mapping[str, Shape], usual: str = "") -> Check:
    """An object whose `type` decides its shape. `usual`: the type where none is given."""

    def check(where: str, value: Any) -> None:
        if not isinstance(value, dict):
            refuse(where, "Input should be a valid dictionary or object to extract fields from")
        tag = value.get("type") or usual
        if not tag:
            refuse(f"{where}.type", "Field required")
        if not isinstance(tag, str) or tag not in shapes:
            known = ", ".join(f"'{one}'" for one in shapes)
            found = f"Input tag '{str(tag)[:_SHOWN]}' found using 'type' does not match any of the expected tags"
            refuse(where, f"{found}: {known}")
        fields, required = shapes[tag]
        fits(Shape({"type": anything, **fields}, required), f"{where}.{tag}", value)

    return check
