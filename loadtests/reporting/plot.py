"""Line charts with axes, a legend and a caption, from the shared SVG helpers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

from chatproof.harness.report.svg import LinearScale, element, picture, points, ticks, words

Point = tuple[float, float]
Written = Callable[[float], str]
"""Writes a value on an axis."""

LEFT, RIGHT, TOP, BOTTOM = 62, 14, 10, 34  # px


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
    """A chart's area with its two scales. `x_ticks`: places with labels (default: round numbers)."""

    x_range: Point
    y_range: Point
    x_label: str = ""
    y_written: Written = str
    x_ticks: Sequence[tuple[float, str]] = ()
    width: int = 680
    height: int = 250
    parts: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        """Where a value lies, in px."""
        return LinearScale(*self.x_range, LEFT, self.width - RIGHT).at(value)

    def y(self, value: float) -> float:
        """Where a value lies, in px."""
        return LinearScale(*self.y_range, self.height - BOTTOM, TOP).at(value)

    def axes(self) -> None:
        right, floor = self.width - RIGHT, self.height - BOTTOM
        for value in ticks(*self.y_range, 5):
            at = self.y(value)
            self.parts.append(element("line", kind="grid", x1=LEFT, x2=right, y1=at, y2=at))
            self.parts.append(words(LEFT - 8, at + 4, self.y_written(value), anchor="end"))
        for value, label in self.x_ticks or [(value, f"{value:g}") for value in ticks(*self.x_range, 8)]:
            at = self.x(value)
            self.parts.append(element("line", kind="grid", x1=at, x2=at, y1=TOP, y2=floor))
            self.parts.append(words(at, floor + 15, label, anchor="middle"))
        self.parts.append(words(right, self.height - 4, self.x_label, kind="label", anchor="end"))

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

    def svg(self, title: str) -> str:
        return picture(self.width, self.height, title, self.parts)


def chart(
    title: str,
    curves: Sequence[Curve],
    *,
    x_label: str,
    y_written: Written,
    x_ticks: Sequence[tuple[float, str]] = (),
    x_from: float | None = None,
    note: str = "",
) -> str:
    """A figure with title, legend and plot; one sentence where there is nothing to draw."""
    drawn = [curve for curve in curves if curve.points]
    if not drawn:
        return figure(title, '<p class="none">Nothing to draw.</p>', note)
    xs = [x for curve in drawn for x, _ in curve.points]
    top = max(y + (curve.band or 0) for curve in drawn for _, y in curve.points)
    across = (min(xs) if x_from is None else x_from, max(xs))
    plot = Plot(across, (0.0, top * 1.06 or 1.0), x_label, y_written, x_ticks)
    plot.axes()
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
