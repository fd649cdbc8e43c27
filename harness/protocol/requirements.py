"""The rows of the contract, read from `requirements.toml`, their one source."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from chatproof.harness.protocol.apis.api import Api, Framing, History

SOURCE = Path(__file__).with_name("requirements.toml")
OWN_API = "chat-stream"  # the API document's own
# of a row that holds for every api, for every other one, or for every other one that has Socket.IO
NOT_NAMES = ALL_APIS, OTHER_APIS, SOCKET_APIS = "all", "others", "sockets"


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
    RESUME = "resume"


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
    why no test judges it, else empty. `hurts`: what a violation does. `black_box`: of a row that needs the provider,
    what is judged without it; empty: nothing. `asks_for_answer`: no answer at all violates the row; in other rows it
    is no finding, and the row is not testable. `since`: the contract's revision that brought it. `any_provider`: of a
    row that needs the provider, that one provider is enough, since its dialect changes nothing. `apis`: the names of
    those that it holds for, `all`, `others` for all but the API document's own, or `sockets` for those of them that
    have Socket.IO. `framing`: that of the streams that it is about; None: any. `of_history`: it is about conversations
    of several turns. `of_json`: it is about JSON in events. `unless`: a profile whose servers are judged by other rows
    in its place.
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
    black_box: str = ""
    asks_for_answer: bool = False
    since: int = 1
    any_provider: bool = False
    apis: tuple[str, ...] = (OWN_API,)
    framing: Framing | None = None
    of_history: bool = False
    of_json: bool = False
    unless: Profile | None = None

    def holds_for(self, api: Api) -> bool:
        """Whether a server that speaks an api is judged by it."""
        if self.framing not in (None, api.framing) or (self.of_json and api.reads_raw):
            return False
        if self.of_history and api.history is History.NOBODY:
            return False
        if api.name in self.apis or ALL_APIS in self.apis:
            return True
        return api.name != OWN_API and (OTHER_APIS in self.apis or (SOCKET_APIS in self.apis and api.has_sockets))

    @property
    def told_apis(self) -> str:
        """The apis that it holds for, in words."""
        if ALL_APIS in self.apis:
            named = "every api"
        elif OTHER_APIS in self.apis:
            named = f"every api but {OWN_API}"
        else:
            words = {SOCKET_APIS: "others that have Socket.IO"}
            named = " and ".join(words.get(name, name) for name in self.apis)
        return f"{named} ({self.framing} only)" if self.framing else named

    @property
    def is_black_box(self) -> bool:
        """Whether it is judged without the fake providers, if only by half."""
        return not self.needs_provider or self.black_box != ""

    @property
    def is_judged_with_each(self) -> bool:
        """Whether it is judged once for each provider."""
        return self.needs_provider and not self.any_provider

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

    @property
    def revision(self) -> int:
        """The newest revision of the contract."""
        return max(row.since for row in self)

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
        ValueError: an id stands twice, or a row has an unknown key, level or profile.
    """
    document = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    sections = document["sections"]
    rows = {name: _row(name, sections[name.partition("-")[0]], row) for name, row in document["rows"].items()}
    return Contract(rows, {name: section["title"] for name, section in sections.items()})


def _row(name: str, section: Mapping[str, Any], own: Mapping[str, Any]) -> Requirement:
    values = {"level": Level.MUST, "needs_provider": False, "hurts": "form", **section, **own}
    del values["title"]  # the section's
    level, profiles = Level(values.pop("level")), [values.pop(key) for key in ("profile", "also") if key in values]
    values["hurts"] = Hurt[values["hurts"].upper()]
    if isinstance(apis := values.get("apis", (OWN_API,)), str):
        apis = (apis,)
    values["apis"] = tuple(apis)
    values["framing"] = Framing(values["framing"]) if "framing" in values else None
    values["unless"] = Profile(values["unless"]) if "unless" in values else None
    if unknown := values.keys() - {one.name for one in fields(Requirement)}:
        raise ValueError(f"{SOURCE.name}: {name} has unknown keys: {', '.join(sorted(unknown))}")
    return Requirement(name, level, tuple(map(Profile, profiles)), **values)
