"""Room for texts in a picture: a text goes where it covers no other one and does not run off the edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from chatproof.harness.report.svg import words

LETTER = 7.4  # px of one at 11 px, bold, in a wide font: which one a browser has is not known
APART = 6.0  # px between two texts


@dataclass(slots=True)
class LabelRow:
    """Texts at one height of a picture, from `left` px to `right` px."""

    left: float
    right: float
    y: float
    _taken: list[tuple[float, float]] = field(default_factory=list)

    def place(self, x: float, text: str, kind: str, gap: float = 4.0) -> str:
        """The text behind `x`, or before it, or as near as it fits; nothing where there is no room."""
        size = LETTER * len(text)
        for start in (x + gap, x - gap - size, min(max(self.left, x - size / 2), self.right - size)):
            if start >= self.left and start + size <= self.right and self._is_free(start, start + size):
                self._taken.append((start, start + size))
                at, anchor = (x - gap, "end") if start == x - gap - size else (start, "start")
                return words(at, self.y, text, kind=kind, anchor=anchor)
        return ""

    def _is_free(self, start: float, end: float) -> bool:
        return all(end + APART <= other or after + APART <= start for other, after in self._taken)


@dataclass(slots=True)
class LabelRows:
    """As many rows of texts as are needed, one above the other, up to `most`. `y`: of the lowest one."""

    left: float
    right: float
    y: float
    height: float
    most: int
    rows: list[LabelRow] = field(default_factory=list)

    def place(self, x: float, text: str, kind: str) -> str:
        """The text in the lowest row that has room; nothing where none has."""
        return next((label for row in self._rows() if (label := row.place(x, text, kind))), "")

    def _rows(self) -> Iterator[LabelRow]:
        yield from self.rows
        while len(self.rows) < self.most:
            self.rows.append(LabelRow(self.left, self.right, self.y - self.height * len(self.rows)))
            yield self.rows[-1]

    @property
    def above(self) -> float:
        """How far the rows rise above the lowest one, in px."""
        return self.height * max(0, len(self.rows) - 1)
