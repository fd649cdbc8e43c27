"""What a client sent, so that the same can be sent again by hand. Clients record it; nothing here sends.

Times are seconds of the client's monotonic clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

OWN_NAME = re.compile(r"[0-9a-f]{6}-\d+x", re.IGNORECASE)
"""What the suite puts into the names of cases and sessions, for one ask alone: requests that share one belong together.
Some servers change the case of its letters."""


@dataclass(slots=True)
class SentRequest:
    """An HTTP request. `left_after`: when the client hung up, on purpose or because it had waited long enough, in
    seconds since the ask; None if it did not. `in_packets`: the body went out in several."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    left_after: float | None = None
    version: str = "1.1"
    in_packets: bool = False

    @property
    def words(self) -> str:
        """Where names may stand: the URL and the body."""
        return f"{self.url} {self.body[:_LOOKED_AT].decode('utf-8', 'replace')}"


@dataclass(frozen=True, slots=True)
class Emit:
    """A Socket.IO event that was sent."""

    at: float
    name: str
    args: tuple[Any, ...]


@dataclass(slots=True)
class SentEvents:
    """All that was emitted on one socket, in order. `root`: the path in front of `/socket.io/`. `left_after`: when
    the client left on purpose, in seconds since the last of them; None if it did not."""

    origin: str
    root: str
    transport: str
    emits: tuple[Emit, ...] = ()
    left_after: float | None = None

    @property
    def words(self) -> str:
        """Where names may stand: all arguments."""
        return repr([one.args for one in self.emits])[:_LOOKED_AT]


_LOOKED_AT = 8_000  # bytes
Sent = SentRequest | SentEvents


def that_belong_to(last: Sent, earlier: Iterable[Sent]) -> Sequence[Sent]:
    """What must be sent again to repeat `last`: what was sent before it with one of its names, then itself.

    Of one socket the latest entry holds all of its emits, and the others are left out.
    """
    names = set(OWN_NAME.findall(last.words))
    found: list[Sent] = []
    for one in earlier:
        if one is last:
            break
        if names & set(OWN_NAME.findall(one.words)):
            found.append(one)
    found.append(last)
    return [one for number, one in enumerate(found) if not any(_holds(two, one) for two in found[number + 1 :])]


def _holds(one: Sent, other: Sent) -> bool:
    """Whether both are of one socket, and `one` goes on where `other` stops."""
    if not isinstance(one, SentEvents) or not isinstance(other, SentEvents):
        return False
    return one.emits[: len(other.emits)] == other.emits and bool(other.emits)
