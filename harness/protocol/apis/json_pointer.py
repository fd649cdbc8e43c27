"""JSON pointers (RFC 6901): `/choices/0/delta/content` names one place in a JSON value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Self

ABSENT: Final = object()  # what a pointer gives where there is nothing; JSON's null is a value

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_BAD_ESCAPE: Final = re.compile(r"~(?![01])")


@dataclass(frozen=True, slots=True)
class Pointer:
    """The keys and indices on the way, from the outside inwards; none for the whole value."""

    text: str
    steps: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a pointer. Raises ValueError: the text says what is wrong and what to write."""
        if text and not text.startswith("/"):
            raise ValueError(f"{text!r} is no JSON pointer: it begins with a slash, as in {_guess(text)!r}")
        if _BAD_ESCAPE.search(text):
            raise ValueError(f"{text!r} is no JSON pointer: a tilde in a key is written ~0, a slash ~1")
        steps = (step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])
        return cls(text, tuple(steps))

    @classmethod
    def to(cls, *steps: str | int) -> Self:
        """The pointer to a place, from the keys and indices on the way."""
        names = tuple(map(str, steps))
        return cls("".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names), names)

    def find(self, value: Any) -> Any:
        """What stands there in a JSON value, or `ABSENT`."""
        for step in self.steps:
            if isinstance(value, dict) and step in value:
                value = value[step]
            elif isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
                value = value[int(step)]
            else:
                return ABSENT
        return value


def _guess(text: str) -> str:
    """What somebody meant who wrote a path in another language, such as `$.choices[0].delta`."""
    keys = re.split(r"[.\[\]]+", text.removeprefix("$").strip("."))
    return "/" + "/".join(filter(None, keys))
