"""A script's [match]: which requests get it without naming it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Final

from chatproof.fake_providers.scripting.dialogue import NOBODY, Dialogue
from chatproof.fake_providers.scripting.toml_table import Table

_MAX_TURN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests get a script without naming it. All fields that are given must fit."""

    message: re.Pattern[str] | None = None
    """Searched in the last user message."""
    model: str | None = None
    """A glob for the model's name; upper and lower case differ."""
    provider: str | None = None
    system: re.Pattern[str] | None = None
    """Searched in the instructions: system and developer messages, `instructions`, `systemInstruction`."""
    tool: str | None = None
    """The name of a tool that the request offers."""
    after_tool: bool | str | None = None
    """Whether the request ends with a tool's result; or the name of a tool whose result ends it."""
    turn: int | None = None
    """The number of the user's messages."""

    def fits(self, text: str, model: str, provider: str, dialogue: Dialogue = NOBODY) -> bool:
        if self.provider is not None and self.provider != provider:
            return False
        if self.model is not None and not fnmatchcase(model, self.model):
            return False
        if self.message is not None and self.message.search(text) is None:
            return False
        if self.after_tool is not None and not _answered(self.after_tool, dialogue.results):
            return False
        if self.turn is not None and self.turn != dialogue.turn:
            return False
        if self.tool is not None and self.tool not in dialogue.tools:
            return False
        return self.system is None or self.system.search(dialogue.system) is not None


def take_match(table: Table) -> Match | None:
    """The [match] of a script; None where it has none. ScriptError."""
    if table.peek("match") is None:
        table.take("match")  # only to be known
        return None
    inner = table.table("match")
    match = Match(
        message=_pattern(inner, "message"),
        model=inner.text("model"),
        provider=inner.text("provider"),
        system=_pattern(inner, "system"),
        tool=inner.text("tool"),
        after_tool=_after_tool(inner),
        turn=inner.integer("turn", 1, _MAX_TURN),
    )
    inner.done()
    if match == Match():
        keys = ", ".join(field.name for field in fields(Match))
        raise inner.error(f"say which requests, with at least one of {keys}")
    return match


def _answered(wanted: bool | str, results: tuple[str, ...]) -> bool:
    return wanted in results if isinstance(wanted, str) else wanted == bool(results)


def _pattern(table: Table, key: str) -> re.Pattern[str] | None:
    if (text := table.text(key)) is None:
        return None
    try:
        return re.compile(text)
    except (re.error, RecursionError, OverflowError) as problem:
        raise table.error(f"{key} is not a regular expression: {problem}") from problem


def _after_tool(table: Table) -> bool | str | None:
    value: bool | str | None = table.take("after_tool")
    if value is None or isinstance(value, bool) or (isinstance(value, str) and value):
        return value
    raise table.error(f"after_tool must be true, false or the name of a tool, not {value!r:.80}")
