"""A block of a reply whose events hold all text so far: what each of them adds, and what it takes back."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field


@dataclass(slots=True)
class SnapshotBlock:
    """The text so far, and its pieces, each with the place of the message that brought it."""

    text: str = ""
    pieces: list[tuple[int, str]] = field(default_factory=list)

    def take(self, text: str, place: int) -> tuple[str, list[tuple[int, str]]]:
        """Take the next snapshot. What a client shows in the end is the last one, so one that does not begin with the
        one before it takes back what stood there.

        Args:
            place: that of the message which the snapshot becomes.

        Returns:
            What it adds, and the earlier pieces that are shorter now, with their places.
        """
        kept, changed = self._common(text), []
        surplus = len(self.text) - kept
        while surplus > 0:
            where, piece = self.pieces.pop()
            left = piece[: max(0, len(piece) - surplus)]
            surplus -= len(piece) - len(left)
            changed.append((where, left))
            if left:
                self.pieces.append((where, left))
        self.text = text
        if added := text[kept:]:
            self.pieces.append((place, added))
        return added, changed

    def _common(self, text: str) -> int:
        """How many characters it begins with that are the same."""
        if text.startswith(self.text):
            return len(self.text)
        most = min(len(self.text), len(text))
        return bisect_left(range(1, most + 1), True, key=lambda size: self.text[:size] != text[:size])
