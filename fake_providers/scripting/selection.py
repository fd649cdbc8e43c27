"""Chooses the script of a request by the text of its last user message."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from chatproof.fake_providers.scripting.dialogue import NOBODY, Dialogue
from chatproof.fake_providers.scripting.script import Say, Script
from chatproof.fake_providers.scripting.toml_table import did_you_mean

_SCENARIO: Final = re.compile(r"\b(?i:scenario)\s+([a-z0-9-]{1,200})")
_CASE: Final = re.compile(r"\b(?i:case)\s+([a-z0-9-]{1,200})")
_SAID: Final = ("messages", "contents", "input", "prompt")
"""The keys under which the dialects hold what was said."""


UNKNOWN_SCENARIO: Final = "x-fake-unknown-scenario"
"""The header of every reply to a request that names an unknown script."""


class UnknownScenario(LookupError):
    """The request names an unknown script. The text is one line for the client."""

    def __init__(self, line: str, name: str) -> None:
        super().__init__(line)
        self.name = name

    @property
    def header(self) -> tuple[str, str]:
        """The header of every reply to such a request, whatever the provider's error body looks like."""
        return (UNKNOWN_SCENARIO, self.name)


def scenario_of(text: str) -> str | None:
    """The name after the last `scenario` in the text."""
    return _last(_SCENARIO, text)


def case_of(text: str) -> str | None:
    """The id after the last `case` in the text."""
    return _last(_CASE, text)


def case_in(body: Any) -> str | None:
    """The case id in the last user message of a request to any dialect, which may be wrong in any way."""
    turns = reversed(said_in(body))
    users = (one for one in turns if not isinstance(one, dict) or one.get("role", "user") == "user")
    return case_of("\n".join(_strings(next(users, None))))


def said_in(body: Any) -> list[Any]:
    """The turns in a request to any dialect, as they are; a text alone is one turn."""
    said = next((body[name] for name in _SAID if name in body), None) if isinstance(body, dict) else None
    return said if isinstance(said, list) else [said]


def _strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value, in order. Without recursion, since it may be nested deeply."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict | list):
            left += reversed(list(one.values()) if isinstance(one, dict) else one)


def choose(
    text: str, scripts: Mapping[str, Script], *, model: str = "", provider: str = "", dialogue: Dialogue = NOBODY
) -> Script:
    """The script that the text names, else the first whose [match] fits, else a short reply derived from the text.

    `provider`: the dialect's NAME. `dialogue`: what else the request says. UnknownScenario if the text names an
    unknown script.
    """
    if (name := scenario_of(text)) is None:
        for script in scripts.values():
            if script.match is not None and script.match.fits(text, model, provider, dialogue):
                return script
        return _unscripted(text)
    if name in scripts:
        return scripts[name]
    hint = did_you_mean(name, scripts)
    raise UnknownScenario(f"Unknown scenario '{name}'.{hint} Known: {', '.join(sorted(scripts))}.", name)


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.findall(text)
    return str(found[-1]) if found else None


@lru_cache(maxsize=256)
def _unscripted(text: str) -> Script:
    """A reply with the text's length and digest: tests see what arrived, and the text is not echoed."""
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    reply = f"The fake provider read {len(text)} characters with the digest {digest}."
    return Script("", "The reply to a request that names no script.", (Say(text=reply),))
