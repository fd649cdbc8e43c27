"""SVG as text: elements, linear scales and round numbers for axes. For the suite's pictures and the load tests' charts.

Colours are classes (`kind`): the page's style sheet sets them. Attribute values and words are escaped here, so that
nothing a server said becomes markup; whoever passes a server's words redacts them first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final

Place = tuple[float, float]
"""x and y in px."""
_FACTORS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class LinearScale:
    """From values (`low` to `high`) to px (`start` to `stop`, which may run backwards)."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        """Where a value lies, in px; beyond the ends where the value is."""
        return self.start + (value - self.low) / ((self.high - self.low) or 1) * (self.stop - self.start)


def element(name: str, *inside: str, kind: str = "", tip: str = "", **attributes: object) -> str:
    """One element. `inside`: markup. `tip`: what is shown where the pointer rests. Numbers are px, to a tenth.

    An attribute's underscores are written as hyphens: `text_anchor="end"`.
    """
    given = {"class": kind, **attributes} if kind else attributes
    written = "".join(f' {key.replace("_", "-")}="{_value(value)}"' for key, value in given.items())
    content = (f"<title>{escape(tip)}</title>" if tip else "") + "".join(inside)
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def words(x: float, y: float, text: str, *, kind: str = "", anchor: str = "") -> str:
    """A text. `anchor`: which part of it stands at the place: `start`, `middle` or `end` (SVG's `text-anchor`)."""
    given = {"text_anchor": anchor} if anchor else {}
    return element("text", escape(text), kind=kind, x=x, y=y, **given)


def points(places: Iterable[Place]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def picture(
    width: float, height: float, label: str, parts: Iterable[str], *, kind: str = "", **attributes: object
) -> str:
    """A whole picture that grows with its page. `label` says what it shows to those who cannot see it."""
    box = f"0 0 {_value(width)} {_value(height)}"
    return element("svg", *parts, kind=kind, tip="", viewBox=box, role="img", aria_label=label, **attributes)


def round_step(span: float, about: int) -> float:
    """The round number (1, 2, 2.5 or 5 times a power of ten) that divides `span` into `about` parts, or fewer."""
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in _FACTORS if power * factor >= rough - 1e-12)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two values, about as many as wanted; `low` alone where there is no room."""
    if high <= low:
        return [low]
    step = round_step(high - low, about)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return escape(str(value), quote=True)
