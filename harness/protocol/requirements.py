"""The rows of the contract, read from `requirements.toml`, their one source."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("requirements.toml")


class Level(StrEnum):
    """MUST rows decide the verdict. SHOULD rows are reported, and fail only a strict run."""

    MUST = "MUST"
    SHOULD = "SHOULD"


class Profile(StrEnum):
    """A part of the contract that a server declares. `core` is always declared."""

    CORE = "core"
    SOCKETIO = "socketio"
    LIMITS = "limits"
    CHAT = "chat"
    AUTH = "auth"
    CORS = "cors"
    PERFORMANCE = "performance"


class Hurt(StrEnum):
    """What a violation does to the people who run or use the server, the worst first."""

    MONEY = "costs money"
    OTHERS = "shows the data of other people"
    TEXT = "loses replies or parts of them"
    FORM = "has the wrong form"


HURTS = tuple(Hurt)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row: `id` is permanent, `profiles` must all be declared for the row to apply.

    `why`: the reason for its form. `how`: how it is tested. `typical`: what servers that break it do. `excluded`:
    why no test judges it, else empty. `hurts`: what a violation does.
    """

    id: str
    level: Level
    profiles: tuple[Profile, ...]
    needs_provider: bool
    text: str
    why: str = ""
    how: str = ""
    typical: str = ""
    excluded: str = ""
    hurts: Hurt = Hurt.FORM

    @property
    def group(self) -> str:
        """The id's first part, `SSE` of `SSE-02`."""
        return self.id.partition("-")[0]

    @property
    def profile(self) -> Profile:
        """The row's own profile, the first of those it needs."""
        return self.profiles[0]


@dataclass(frozen=True, slots=True)
class Contract:
    """All rows in the contract's order, and the titles of their groups."""

    rows: dict[str, Requirement]
    titles: dict[str, str]

    def __getitem__(self, requirement_id: str) -> Requirement:
        return self.rows[requirement_id]

    def __contains__(self, requirement_id: str) -> bool:
        return requirement_id in self.rows

    def __iter__(self) -> Iterator[Requirement]:
        return iter(self.rows.values())

    def group(self, name: str) -> list[Requirement]:
        """The rows of one group, in order."""
        return [row for row in self if row.group == name]

    def named(self, word: str) -> list[Requirement]:
        """The row with this id, or the rows of this group; in capitals or not.

        Raises:
            LookupError: there is none; the text is one line with a suggestion.
        """
        name = word.upper()
        found = [self[name]] if name in self else self.group(name)
        if not found:
            near = get_close_matches(name, (*self.rows, *self.titles), n=1)
            hint = f"did you mean {near[0]}?" if near else f"groups: {', '.join(self.titles)}"
            raise LookupError(f"no row or group has the id {name}; {hint}")
        return found


@cache
def contract() -> Contract:
    """Read the contract.

    Raises:
        ValueError: an id stands twice, a row has an unknown key, level or profile, or [hurts] an unknown id.
    """
    with SOURCE.open("rb") as file:
        document = tomllib.load(file)
    hurts = {name: Hurt[what.upper()] for what, names in document["hurts"].items() for name in names}
    rows: dict[str, Requirement] = {}
    for entry in document["rows"]:
        row = _row(dict(entry), hurts)
        if row.id in rows:
            raise ValueError(f"{SOURCE.name}: two rows have the id {row.id}")
        rows[row.id] = row
    titles = dict(document["sections"])
    if unknown := hurts.keys() - rows.keys() - titles.keys():
        raise ValueError(f"{SOURCE.name}: [hurts] names {', '.join(sorted(unknown))}, which is no row and no group")
    return Contract(rows, titles)


def _row(entry: dict[str, object], hurts: dict[str, Hurt]) -> Requirement:
    profiles: tuple[Profile, ...] = (Profile(str(entry.pop("profile"))),)
    if also := entry.pop("also", None):
        profiles += (Profile(str(also)),)
    name = str(entry.pop("id"))
    row = Requirement(
        id=name,
        level=Level(str(entry.pop("level"))),
        profiles=profiles,
        needs_provider=bool(entry.pop("needs_provider", False)),
        text=str(entry.pop("text")),
        why=str(entry.pop("why", "")),
        how=str(entry.pop("how", "")),
        typical=str(entry.pop("typical", "")),
        excluded=str(entry.pop("excluded", "")),
        hurts=hurts.get(name) or hurts.get(name.partition("-")[0], Hurt.FORM),
    )
    if entry:
        raise ValueError(f"{SOURCE.name}: {row.id} has unknown keys: {', '.join(entry)}")
    return row
