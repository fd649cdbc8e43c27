"""How many situations a run tried, and which it left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chatproof.harness.protocol.excerpts import counted

FEW = 3  # situations that one reason names


@dataclass(slots=True)
class SituationTally:
    """Of one covering array: `of` says which; `asks`: situations that were tried, the repeated ones included;
    `pairs`, `tried`: pairs of odd values, and those of them that met in a reply that could be judged. `dropped`: what
    was left out, and why. `none`: why there was no array at all, or nothing.
    """

    of: str
    asks: int = 0
    pairs: int = 0
    tried: int = 0
    dropped: dict[str, str] = field(default_factory=dict)
    none: str = ""

    def told(self) -> str:
        """All of it in one line."""
        if self.none:
            return f"situations {self.of}: none, {self.none}"
        line = f"situations {self.of}: {counted(self.asks, 'ask')}"
        if self.pairs:
            line += f", {self.tried} of {self.pairs} pairs"
        reasons: dict[str, list[str]] = {}
        for what, why in self.dropped.items():
            reasons.setdefault(why, []).append(what)
        left_out = "; ".join(f"{_few(names)} ({why})" for why, names in reasons.items())
        return f"{line}; left out: {left_out}" if left_out else line

    def to_json(self) -> dict[str, Any]:
        """For the JSON report."""
        told = {"of": self.of, "asks": self.asks, "pairs": self.pairs, "pairs_tried": self.tried}
        return {**told, "dropped": self.dropped, "none": self.none or None}


def _few(names: list[str]) -> str:
    return "; ".join(names) if len(names) <= FEW else f"{len(names)} situations"
