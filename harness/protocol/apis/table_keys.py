"""A table of TOML, read key by key, so that what is wrong in it is told by the key's name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from chatproof.harness.protocol.apis.event_rule import Scalar
from chatproof.harness.protocol.apis.json_pointer import Pointer

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


class TableError(ValueError):
    """A key of the table is wrong; the text is one line that begins with the key's full name."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"{key}: {what}")


@dataclass(slots=True)
class Keys:
    """A table, its full name, and the keys that it may have. `beside`: what these depend on, for the message.

    Raises TableError for an unknown key; its methods do where a value is not of the kind that is asked for.
    """

    values: Mapping[str, Any]
    name: str
    known: tuple[str, ...]
    beside: str = ""

    def __post_init__(self) -> None:
        if unknown := [key for key in self.values if key not in self.known]:
            near = get_close_matches(unknown[0], self.known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known{self.beside}: {', '.join(self.known)}"
            raise TableError(self.full(unknown[0]), f"unknown key; {hint}")

    def full(self, key: str) -> str:
        """A key's full name."""
        return f"{self.name}.{key if _BARE.fullmatch(key) else repr(key)}"

    def text(self, key: str) -> str | None:
        """A text that is not empty, or None."""
        found = self.values.get(key)
        if found is not None and (not isinstance(found, str) or not found):
            raise TableError(self.full(key), f"is not a text: {found!r}")
        return found

    def word(self, key: str, words: Collection[str]) -> str | None:
        """One of some words, or None."""
        found = self.text(key)
        if found is not None and found not in words:
            near = get_close_matches(found, list(map(str, words)), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(words)}"
            raise TableError(self.full(key), f"{found!r} is not known; {hint}")
        return found

    def switch(self, key: str) -> bool:
        """True or false; false where it is left out."""
        found = self.values.get(key, False)
        if not isinstance(found, bool):
            raise TableError(self.full(key), f"is not true or false: {found!r}")
        return found

    def scalar(self, key: str) -> Scalar | None:
        """A text, a number, true or false; or None."""
        found = self.values.get(key)
        if not isinstance(found, str | int | float | None):
            raise TableError(self.full(key), f"is not a text, a number, true or false: {found!r}")
        return found

    def pointer(self, key: str) -> Pointer | None:
        """A JSON pointer, or None. The empty text is one: the whole value."""
        found = self.values.get(key)
        if found is None:
            return None
        if not isinstance(found, str):
            raise TableError(self.full(key), f"is not a text: {found!r}")
        try:
            return Pointer.parse(found)
        except ValueError as problem:
            raise TableError(self.full(key), str(problem)) from problem

    def table(self, key: str) -> Mapping[str, Any] | None:
        """A table that may have any keys, or None."""
        found = self.values.get(key)
        if found is not None and not isinstance(found, dict):
            raise TableError(self.full(key), f"is not a table: {found!r}")
        return found

    def texts(self, key: str) -> Mapping[str, str]:
        """A table of texts; empty where it is left out."""
        found = self.table(key) or {}
        for name, value in found.items():
            if not isinstance(value, str):
                raise TableError(Keys({}, self.full(key), ()).full(name), f"is not a text: {value!r}")
        return found

    def tables(self, key: str, known: tuple[str, ...]) -> list[Keys]:
        """A table, or a list of tables, that may have some keys; none where it is left out."""
        found = self.values.get(key)
        if found is None:
            return []
        if isinstance(found, dict):
            return [Keys(found, self.full(key), known)]
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise TableError(self.full(key), f"is neither a table nor a list of tables: {found!r}")
        return [Keys(one, f"{self.full(key)}[{number}]", known) for number, one in enumerate(found)]

    def one_table(self, key: str, known: tuple[str, ...]) -> Keys | None:
        """A table that may have some keys, or None."""
        if isinstance(self.values.get(key), list):
            raise TableError(self.full(key), "is one table, not a list of them")
        return next(iter(self.tables(key, known)), None)
