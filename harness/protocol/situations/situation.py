"""One situation: a value for each axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from chatproof.harness.protocol.situations.axes import AXES

PLAINLY = "plain"
"""What `--situation` says for no situation but plain ones."""
_BY_NAME = {axis.name: axis for axis in AXES}


@dataclass(frozen=True, slots=True)
class Situation:
    """`odd`: the axes that do not have their plain value, with that value, in the order of `AXES`."""

    odd: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Situation:
        """A situation from values by axis; those that are missing are plain."""
        named = ((axis.name, values.get(axis.name, axis.plain)) for axis in AXES)
        return cls(tuple((name, value) for name, value in named if value != _BY_NAME[name].plain))

    @classmethod
    def parse(cls, text: str) -> Situation:
        """Read `place=second, wire=crlf`. Raises ValueError: one line that says what is wrong."""
        values: dict[str, str] = {}
        for part in filter(None, (word.strip() for word in text.split(","))):
            name, _, value = (word.strip() for word in part.partition("="))
            if name not in _BY_NAME:
                raise ValueError(f"there is no axis {name!r}{_hint(name, _BY_NAME)}")
            if value not in _BY_NAME[name].names:
                raise ValueError(f"{name} has no value {value!r}{_hint(value, _BY_NAME[name].names)}")
            values[name] = value
        return cls.of(values)

    def __getitem__(self, axis: str) -> str:
        return dict(self.odd).get(axis, _BY_NAME[axis].plain)

    def __str__(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.odd) or PLAINLY

    def but(self, axis: str, value: str) -> Situation:
        """The same with another value of one axis."""
        return Situation.of({**dict(self.odd), axis: value})

    def with_all(self, other: Situation) -> Situation:
        """The same with all odd values of another one."""
        return Situation.of({**dict(self.odd), **dict(other.odd)})

    def without(self, left: Iterable[tuple[str, str]], base: Situation) -> Situation:
        """The same with some values set back to those of `base`."""
        found = self
        for axis, value in left:
            if found[axis] == value:
                found = found.but(axis, base[axis])
        return found

    def beside(self, base: Situation) -> list[tuple[str, str]]:
        """Its odd values that `base` does not have."""
        return [one for one in self.odd if one not in base.odd]

    def holds(self, other: Situation) -> bool:
        """Whether it has all odd values of another one."""
        return set(other.odd) <= set(self.odd)

    @property
    def pairs(self) -> set[tuple[tuple[str, str], tuple[str, str]]]:
        """The pairs of odd values that it tries."""
        return {(one, two) for number, one in enumerate(self.odd) for two in self.odd[number + 1 :]}


def _hint(word: str, known: Iterable[str]) -> str:
    near: Sequence[str] = get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
