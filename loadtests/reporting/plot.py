"""Charts as SVG text. Colours are classes, so that the page's theme sets them; all words are escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

Point = tuple[float, float]
Words = Callable[[float], str]

LEFT, RIGHT, TOP, BOTTOM = 62, 14, 10, 34
_STEPS: Final = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Line:
    """One line, or dots. `kind`: a class of the style sheet. `band`: how wrong its y may be, drawn around it."""

    name: str
    kind: str
    points: Sequence[Point]
    dots: bool = False
    area: bool = False
    band: float | None = None


@dataclass(slots=True)
class Frame:
    """A chart's field and its two scales. `x_ticks`: places and words; without, round numbers of `x_words`."""

    x_range: Point
    y_range: Point
    x_label: str = ""
    y_words: Words = str
    x_words: Words = str
    x_ticks: Sequence[tuple[float, str]] = ()
    width: int = 680
    height: int = 250
    parts: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        """Where a value lies, in pixels."""
        low, high = self.x_range
        return LEFT + (value - low) / ((high - low) or 1) * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Where a value lies, in pixels."""
        low, high = self.y_range
        return self.height - BOTTOM - (value - low) / ((high - low) or 1) * (self.height - TOP - BOTTOM)

    def axes(self) -> None:
        """Grid lines with their words."""
        for value in ticks(*self.y_range, 5):
            at = self.y(value)
            self.parts.append(f'<line class="grid" x1="{LEFT}" x2="{self.width - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
            self.parts.append(
                f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{escape(self.y_words(value))}</text>'
            )
        marks = self.x_ticks or [(value, self.x_words(value)) for value in ticks(*self.x_range, 8)]
        for value, words in marks:
            at = self.x(value)
            self.parts.append(
                f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{self.height - BOTTOM}"/>'
                f'<text x="{at:.1f}" y="{self.height - BOTTOM + 15}" text-anchor="middle">{escape(words)}</text>'
            )
        self.parts.append(
            f'<text class="label" x="{self.width - RIGHT}" y="{self.height - 4}" text-anchor="end">'
            f"{escape(self.x_label)}</text>"
        )

    def draw(self, line: Line) -> None:
        """Put a line into the field."""
        places = [(self.x(x), self.y(y)) for x, y in line.points]
        if line.dots:
            self.parts += [f'<circle class="dot {line.kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in places]
            return
        if not places:
            return
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        if line.area:
            floor = self.y(self.y_range[0])
            self.parts.append(
                f'<polygon class="area {line.kind}" points="{places[0][0]:.1f},{floor:.1f} {path} '
                f'{places[-1][0]:.1f},{floor:.1f}"/>'
            )
        if line.band:
            above = [f"{self.x(x):.1f},{self.y(min(y + line.band, self.y_range[1])):.1f}" for x, y in line.points]
            below = [f"{self.x(x):.1f},{self.y(max(y - line.band, 0)):.1f}" for x, y in reversed(line.points)]
            self.parts.append(f'<polygon class="band {line.kind}" points="{" ".join(above + below)}"/>')
        self.parts.append(f'<polyline class="line {line.kind}" points="{path}"/>')

    def svg(self, title: str) -> str:
        """The whole."""
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(title)}">'
            f"{''.join(self.parts)}</svg>"
        )


def chart(
    title: str,
    lines: Sequence[Line],
    *,
    x_label: str,
    y_words: Words,
    x_words: Words = lambda value: f"{value:g}",
    x_ticks: Sequence[tuple[float, str]] = (),
    x_from: float | None = None,
    note: str = "",
) -> str:
    """A figure with title, legend and field; one sentence where there is nothing to draw."""
    drawn = [line for line in lines if line.points]
    if not drawn:
        return figure(title, '<p class="none">Nothing to draw.</p>', note)
    xs = [x for line in drawn for x, _ in line.points]
    top = max(y + (line.band or 0) for line in drawn for _, y in line.points)
    frame = Frame(
        (min(xs) if x_from is None else x_from, max(xs)), (0.0, top * 1.06 or 1.0), x_label, y_words, x_words, x_ticks
    )
    frame.axes()
    for line in drawn:
        frame.draw(line)
    key = legend([(line.name, line.kind) for line in drawn]) if len(drawn) > 1 else ""
    return figure(title, key + frame.svg(title), note)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """Names with their colours."""
    keys = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for name, kind in entries)
    return f'<div class="legend">{keys}</div>'


def figure(title: str, content: str, note: str = "") -> str:
    """What all charts stand in."""
    said = f"<figcaption>{escape(note)}</figcaption>" if note else ""
    return f"<figure><h3>{escape(title)}</h3>{content}{said}</figure>"


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two values, about so many."""
    span = high - low
    if span <= 0:
        return [low]
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in _STEPS if power * factor >= raw - 1e-12)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]
