"""A strict reader for TOML tables: every error names the file, the place and what would be valid."""

from __future__ import annotations

from collections.abc import Sequence
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

    def text(self, key: str, default: str | None = None, choices: Sequence[str] = ()) -> str | None:
        if (value := self.take(key)) is None:
            return default
        if not isinstance(value, str) or not value:
            raise self.error(f"{key} must be a non-empty text, not {_shown(value)}")
        if choices and value not in choices:
            near = get_close_matches(value, choices, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise self.error(f"{key} = {_shown(value)} is not known.{hint} Known: {', '.join(choices)}.")
        return value

    def number(self, key: str, low: float, high: float) -> float | None:
        if (value := self.take(key)) is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self.error(f"{key} must be a number from {low:g} to {high:g}, not {_shown(value)}")
        return float(value)

    def integer(self, key: str, low: int, high: int) -> int | None:
        if (value := self.take(key)) is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(f"{key} must be a whole number from {low} to {high}, not {_shown(value)}")
        return value

    def flag(self, key: str) -> bool:
        """True or false; false where it is missing."""
        return self.choice(key) is True

    def choice(self, key: str) -> bool | None:
        """True, false, or None where it is missing."""
        if (value := self.take(key)) is None:
            return None
        if not isinstance(value, bool):
            raise self.error(f"{key} must be true or false, not {_shown(value)}")
        return value

    def texts(self, key: str) -> tuple[str, ...] | None:
        if (value := self.take(key)) is None:
            return None
        if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
            raise self.error(f"{key} must be a list of non-empty texts, not {_shown(value)}")
        return tuple(value)

    def offsets(self, key: str) -> tuple[int, ...]:
        if (value := self.take(key)) is None:
            return ()
        whole = isinstance(value, list) and all(type(v) is int and v > 0 for v in value)
        if not whole or list(value) != sorted(set(value)):
            raise self.error(f"{key} must be a list of rising whole numbers above 0, not {_shown(value)}")
        return tuple(value)

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


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:80]}…"
