"""Line charts with axes, a legend and a caption, from the shared SVG helpers.

A chart is as readable on a phone, where the style sheet writes larger letters into the smaller picture: places are kept
free for those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from chatproof.harness.report.svg import LinearScale, element, picture, points, ticks, words

Point = tuple[float, float]

WIDTH, HEIGHT = 480, 254  # px
RIGHT, TOP, BOTTOM = 16, 28, 48  # px
LETTER: Final = 9.6  # px: the width of a digit at the 15 px that the style sheet writes on a phone
_SECONDS_FROM: Final = 2.0  # seconds: an axis that ends below is written in milliseconds


@dataclass(frozen=True, slots=True)
class AxisUnit:
    """The unit in which all numbers of an axis are written. `size`: what 1 of it is in the values' own unit."""

    name: str = ""
    size: float = 1.0

    def written(self, value: float) -> str:
        return f"{round(value / self.size, 6):,.10g}"


COUNT: Final = AxisUnit()


def time_unit(top: float) -> AxisUnit:
    """The unit of an axis of seconds that ends at `top`."""
    return AxisUnit("s") if top >= _SECONDS_FROM else AxisUnit("ms", 1e-3)


@dataclass(frozen=True, slots=True)
class Curve:
    """One line, or dots. `kind`: a class of the style sheet. `band`: how wrong its y may be, drawn around it."""

    name: str
    kind: str
    points: Sequence[Point]
    dots: bool = False
    area: bool = False
    band: float | None = None


@dataclass(slots=True)
class Plot:
    """A chart's area with its two scales. `left`: px left of it. `letter`: the width of a digit, in px."""

    x_range: Point
    y_range: Point = (0.0, 1.0)
    left: float = RIGHT
    width: int = WIDTH
    height: int = HEIGHT
    letter: float = LETTER
    parts: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        """Where a value lies, in px."""
        return LinearScale(*self.x_range, self.left, self.width - RIGHT).at(value)

    def y(self, value: float) -> float:
        """Where a value lies, in px."""
        return LinearScale(*self.y_range, self.height - BOTTOM, TOP).at(value)

    def x_axis(self, label: str, marks: Sequence[tuple[float, str]] = (), top: float = TOP) -> None:
        """`marks`: places with their labels (default: round numbers); a label that has no room is left out."""
        floor, free = self.height - BOTTOM, 0.0
        for value, text in marks or [(value, f"{value:,g}") for value in ticks(*self.x_range, 6)]:
            at, half = self.x(value), self.letter * len(text) / 2
            self.parts.append(element("line", kind="grid", x1=at, x2=at, y1=top, y2=floor))
            middle = min(max(at, half), self.width - half)
            if middle - half >= free:
                self.parts.append(words(middle, floor + 21, text, anchor="middle"))
                free = middle + half + self.letter / 2
        self.parts.append(words(self.width - 2, self.height - 7, label, kind="label", anchor="end"))

    def y_axis(self, unit: AxisUnit) -> None:
        """Round numbers, with their unit once above them. `left` grows so that the numbers have room."""
        marks = [(value, unit.written(value)) for value in ticks(*self.y_range, 5)]
        self.left = 14 + self.letter * max(len(text) for _, text in (*marks, (0.0, unit.name)))
        for value, text in marks:
            at = self.y(value)
            self.parts.append(element("line", kind="grid", x1=self.left, x2=self.width - RIGHT, y1=at, y2=at))
            self.parts.append(words(self.left - 8, at + 4, text, anchor="end"))
        if unit.name:
            self.parts.append(words(self.left - 8, 13, unit.name, anchor="end"))

    def draw(self, curve: Curve) -> None:
        places = [(self.x(x), self.y(y)) for x, y in curve.points]
        if curve.dots:
            self.parts += [element("circle", kind=f"dot {curve.kind}", cx=x, cy=y, r=2.6) for x, y in places]
            return
        if not places:
            return
        if curve.area:
            floor = self.y(self.y_range[0])
            under = [(places[0][0], floor), *places, (places[-1][0], floor)]
            self.parts.append(element("polygon", kind=f"area {curve.kind}", points=points(under)))
        if curve.band:
            above = [(self.x(x), self.y(min(y + curve.band, self.y_range[1]))) for x, y in curve.points]
            below = [(self.x(x), self.y(max(y - curve.band, 0))) for x, y in reversed(curve.points)]
            self.parts.append(element("polygon", kind=f"band {curve.kind}", points=points([*above, *below])))
        self.parts.append(element("polyline", kind=f"line {curve.kind}", points=points(places)))

    def svg(self, title: str, kind: str = "") -> str:
        return picture(self.width, self.height, title, self.parts, kind=kind)


def chart(
    title: str,
    curves: Sequence[Curve],
    *,
    x_label: str,
    is_time: bool = False,
    x_ticks: Sequence[tuple[float, str]] = (),
    x_from: float | None = None,
    note: str = "",
) -> str:
    """A figure with title, legend and plot; one sentence where there is nothing to draw.

    Args:
        is_time: the values are seconds.
    """
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return figure(title, '<p class="none">Nothing to draw.</p>', note)
    xs = [x for curve in drawn for x, _ in curve.points]
    top = max(y + (curve.band or 0) for curve in drawn for _, y in curve.points) * 1.06 or 1.0
    plot = Plot((min(xs) if x_from is None else x_from, max(xs)), (0.0, top))
    plot.y_axis(time_unit(top) if is_time else COUNT)
    plot.x_axis(x_label, x_ticks)
    for curve in drawn:
        plot.draw(curve)
    key = legend([(curve.name, curve.kind) for curve in drawn]) if len(drawn) > 1 else ""
    return figure(title, key + plot.svg(title), note)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """The names of the curves with their colours (classes)."""
    keys = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for name, kind in entries)
    return f'<div class="legend">{keys}</div>'


def figure(title: str, content: str, note: str = "") -> str:
    """The frame around every chart: title, content, caption."""
    said = f"<figcaption>{escape(note)}</figcaption>" if note else ""
    return f"<figure><h3>{escape(title)}</h3>{content}{said}</figure>"
