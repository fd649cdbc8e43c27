"""A strict reader for TOML tables: every error names the file, the place and what would be valid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any


class ScriptError(ValueError):
    """An invalid script. The text is one line that names the file, the key and the fix."""


class Table:
    """Takes keys out of a TOML table one by one; `done` raises for keys that nobody took."""

    def __init__(self, where: str, values: dict[str, Any]) -> None:
        self._where = where
        self._values = dict(values)
        self._known: list[str] = []

    def error(self, problem: str) -> ScriptError:
        return ScriptError(f"{self._where}: {problem}")

    def keys(self) -> set[str]:
        return set(self._values)

    def peek(self, key: str) -> Any:
        """The value, left in its place."""
        return self._values.get(key)

    def take(self, key: str) -> Any:
        """Remove and return the value. None if the key is missing, since TOML has no null."""
        self._known.append(key)
        return self._values.pop(key, None)

    def _checked(self, key: str, fits: Callable[[Any], bool], wanted: str) -> Any:
        """The value, taken; None if the key is missing. ScriptError where it does not fit."""
        value = self.take(key)
        if value is not None and not fits(value):
            raise self.error(f"{key} must be {wanted}, not {_shown(value)}")
        return value

    def text(
        self, key: str, default: str | None = None, choices: Sequence[str] = (), *, empty: bool = False
    ) -> str | None:
        wanted = "a text" if empty else "a non-empty text"
        value = self._checked(key, lambda given: isinstance(given, str) and (empty or given != ""), wanted)
        if value is None:
            return default
        if choices and value not in choices:
            hint = did_you_mean(value, choices)
            raise self.error(f"{key} = {_shown(value)} is not known.{hint} Known: {', '.join(choices)}.")
        return str(value)

    def number(self, key: str, low: float, high: float) -> float | None:
        wanted = f"a number from {low:g} to {high:g}"
        value = self._checked(key, lambda given: type(given) in (int, float) and low <= given <= high, wanted)
        return None if value is None else float(value)

    def integer(self, key: str, low: int, high: int) -> int | None:
        wanted = f"a whole number from {low} to {high}"
        value: int | None = self._checked(key, lambda given: type(given) is int and low <= given <= high, wanted)
        return value

    def flag(self, key: str) -> bool:
        """True or false; false where it is missing."""
        return self.choice(key) is True

    def choice(self, key: str) -> bool | None:
        """True, false, or None where it is missing."""
        value: bool | None = self._checked(key, lambda given: isinstance(given, bool), "true or false")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        value = self._checked(key, _are_texts, "a list of non-empty texts")
        return None if value is None else tuple(value)

    def offsets(self, key: str) -> tuple[int, ...]:
        return tuple(self._checked(key, _are_offsets, "a list of rising whole numbers above 0") or ())

    def table(self, key: str) -> Table:
        """The table under `key`, whose errors name that place; an empty table if it is missing."""
        value = self.take(key)
        if value is not None and not isinstance(value, dict):
            raise self.error(f"{key} must be a table: [{key}]")
        return Table(f"{self._where}, [{key}]", value or {})

    def done(self) -> None:
        for key in self._values:
            near = get_close_matches(key, self._known, n=1, cutoff=0.4)
            hint = f" The nearest known key is {near[0]!r}." if near else ""
            raise self.error(f"unknown key {key!r}.{hint} Known here: {', '.join(sorted(self._known))}.")


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """ " Did you mean 'hello'?", with the known name that is nearest; empty if none is near."""
    near = get_close_matches(given, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _are_texts(given: Any) -> bool:
    return isinstance(given, list) and given != [] and all(isinstance(one, str) and one for one in given)


def _are_offsets(given: Any) -> bool:
    whole = isinstance(given, list) and all(type(one) is int and one > 0 for one in given)
    return whole and given == sorted(set(given))


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:80]}…"
