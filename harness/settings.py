"""What a run was asked to do, checked before anything is started."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from harness.errors import ChatproofError
from harness.net import Target
from harness.protocol.requirements import Contract, Profile

DECLARABLE = (Profile.CORE, Profile.SOCKETIO, Profile.LIMITS, Profile.CHAT)


@dataclass(frozen=True, slots=True)
class Settings:
    """A run's settings. Durations in seconds; `only` holds row ids, empty for all."""

    base_url: str | None
    start: str | None
    provider_url: str | None
    profiles: frozenset[Profile]
    only: frozenset[str]
    strict: bool
    slow: bool
    report_json: Path | None
    silence: float
    start_timeout: float
    provider_timeout: float | None

    @classmethod
    def read(cls, options: Mapping[str, Any], contract: Contract) -> Settings:
        """Read the options.

        Raises:
            ChatproofError: one of them makes no sense; the text names it.
        """
        base_url, start = options.get("base_url"), options.get("start")
        if not base_url and not start:
            raise ChatproofError("which server? Give --base-url URL, or --start COMMAND to have it started")
        if base_url:
            Target.parse(base_url)
        if options.get("provider_url"):
            Target.parse(options["provider_url"])
        for name in ("silence", "start_timeout", "provider_timeout"):
            if options[name] is not None and not options[name] > 0:
                raise ChatproofError(f"--{name.replace('_', '-')}: {options[name]:g} is not above 0")
        report = options.get("report_json")
        return cls(
            base_url=base_url,
            start=start,
            provider_url=options.get("provider_url"),
            profiles=_profiles(options.get("profile")),
            only=_only(options.get("only"), contract),
            strict=bool(options.get("strict")),
            slow=bool(options.get("slow")),
            report_json=Path(report) if report else None,
            silence=options["silence"],
            start_timeout=options["start_timeout"],
            provider_timeout=options["provider_timeout"],
        )

    @property
    def has_provider(self) -> bool:
        """Whether the fakes are behind the server."""
        return bool(self.start or self.provider_url)

    def selected(self, contract: Contract) -> list[str]:
        """The ids of the rows that the report shows."""
        return [row.id for row in contract if not self.only or row.id in self.only]


def _words(values: Iterable[str] | None) -> list[str]:
    return [word for value in values or () for word in re.split(r"[,\s]+", value) if word]


def _profiles(values: Iterable[str] | None) -> frozenset[Profile]:
    words = _words(values)
    known = [profile.value for profile in DECLARABLE]
    for word in words:
        if word not in known:
            raise ChatproofError(f"--profile: {word!r} has no checks in this version; known: {', '.join(known)}")
    return frozenset({Profile.CORE, *map(Profile, words)}) if words else frozenset(DECLARABLE)


def _only(values: Iterable[str] | None, contract: Contract) -> frozenset[str]:
    ids: set[str] = set()
    for word in map(str.upper, _words(values)):
        found = [word] if word in contract else [row.id for row in contract.group(word)]
        if not found:
            near = get_close_matches(word, contract.rows, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; groups: {', '.join(contract.titles)}"
            raise ChatproofError(f"--only: no row has the id {word}{hint}")
        ids.update(found)
    return frozenset(ids)
