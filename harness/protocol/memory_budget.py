"""How much memory transcripts may take: one reply alone, and all that a process keeps together.

A server may answer with anything, for ever, and may begin to do so at any time. The figures lie far above what an
honest server sends.
"""

from __future__ import annotations

import gc
import weakref
from dataclasses import dataclass, field
from typing import Final, Protocol

MB: Final = 1 << 20
LONGEST_LINE: Final = MB // 2  # bytes of a line, or of a Socket.IO packet; the longest honest ones have 20 KB
RAW_KEPT: Final = MB // 2  # bytes of a body that are kept as they came; of later reads only the beginning
ALL_TOGETHER: Final = 96 * MB
STOPPED: Final = "reading stopped"  # ends the text of what the client would not take any more


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """The most of one reply that is read: bytes, and lines or Socket.IO events."""

    body: int = 32 * MB
    lines: int = 50_000

    @classmethod
    def for_tokens(cls, tokens: int) -> SizeLimits:
        """Limits for a reply of which the number of tokens is known: each event may repeat the text so far."""
        return cls(4 * MB + tokens * 16_384, 10_000 + tokens * 20)


class Holder(Protocol):
    """Something that takes memory."""

    weight: int

    @property
    def limits(self) -> SizeLimits | None: ...

    def shed(self, why: str) -> None:
        """Keep no more than an excerpt, and lower `weight`."""


@dataclass(slots=True)
class MemoryBudget:
    """What transcripts take together, in bytes, estimated. Above `limit` the one that is largest for what was asked
    sheds what it holds, then the next, down to three quarters of the limit."""

    limit: int = ALL_TOGETHER
    total: int = 0
    _holders: dict[int, weakref.ref[Holder]] = field(default_factory=dict)

    def enter(self, holder: Holder) -> None:
        """Count a holder from now on. It must call `leave` when it is deleted."""
        self._holders[id(holder)] = weakref.ref(holder)

    def leave(self, holder: Holder) -> None:
        self._holders.pop(id(holder), None)
        self.total -= holder.weight

    def grow(self, size: int) -> None:
        """A holder has grown by `size` bytes, which its `weight` holds already."""
        self.total += size
        if self.total > self.limit:
            self._make_room()

    def _make_room(self) -> None:
        gc.collect()  # replies that nobody reads any more, and that only wait for this, take nothing from the others
        if self.total <= self.limit:
            return
        live = [one for reference in list(self._holders.values()) if (one := reference())]
        for one in sorted(live, key=_excess, reverse=True):
            before = one.weight
            one.shed(f"all replies together took more than {self.limit // MB} MB; {STOPPED}")
            self.total += one.weight - before
            if self.total <= self.limit * 3 // 4:  # so that this is not done anew for each read
                return


def _excess(holder: Holder) -> float:
    return holder.weight / (holder.limits or SizeLimits()).body


OF_THIS_PROCESS: Final = MemoryBudget()
