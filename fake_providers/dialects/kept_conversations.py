"""Conversations that are kept in parts: each reply goes on from the one before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.dialects.base import Archive, Kept

_LONGEST: Final = 200
"""The parts of a conversation that are looked at."""

Item = dict[str, Any]


class KeptPart(NamedTuple):
    """What a request sent, what it was answered, and the id of the reply before it."""

    heard: list[Item]
    said: list[Item]
    previous: str | None


def conversation(name: str | None, archive: Archive, read: Callable[[Kept], KeptPart]) -> list[Item]:
    """All that was said up to this reply, itself included, the oldest first: as far as it is kept. `read` is called
    once for each part.
    """
    parts: list[KeptPart] = []
    while name and len(parts) < _LONGEST and (kept := archive.find(name)) is not None:
        parts.append(part_of(kept, read))
        name = parts[-1].previous
    return [item for part in reversed(parts) for item in (*part.heard, *part.said)]


def part_of(kept: Kept, read: Callable[[Kept], KeptPart]) -> KeptPart:
    """One part, read when it is first asked for."""
    if kept.read is None:
        kept.read = read(kept)
    part: KeptPart = kept.read
    return part
