"""Numbers and texts that meet a node's demands, the shortest first."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator
from fractions import Fraction
from itertools import count, islice, product
from typing import Any, Final

from chatproof.fake_providers.structured.conformity import finds, number
from chatproof.fake_providers.structured.regex_text import PatternProblem, read_pattern
from chatproof.fake_providers.structured.schema_nodes import Node, SchemaProblem

_MOST_DIGITS: Final = 15  # behind the point; a float has no more
_MOST_ALIKE: Final = 40  # numbers with as many digits, before those with one more
_MAX_LENGTH: Final = 100_000
_UUID: Final = "00000000-0000-{}000-8000-000000000000"

# Source: JSON Schema's formats, and those that pydantic and zod write.
_FORMATS: Final = {
    "date-time": "1970-01-01T00:00:00Z",
    "date": "1970-01-01",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "a@b.co",
    "idn-email": "a@b.co",
    "hostname": "a",
    "idn-hostname": "a",
    "ipv4": "0.0.0.0",
    "ipv6": "::",
    "uri": "http://a.co",
    "url": "http://a.co",
    "iri": "http://a.co",
    "uuid": _UUID.format(4),
    "guid": _UUID.format(4),
    **{f"uuid{version}": _UUID.format(version) for version in range(1, 9)},
}


def numbers(node: Node, whole: bool) -> Iterator[int | float]:
    """Numbers within the bounds: 0 if it is one of them, else those next to 0. `whole`: integers only."""
    steps = [number(demand, "multipleOf") for _, demand in node.values("multipleOf", (int, float), "a number")]
    steps += [Fraction(1)] * whole
    low, low_open = _bound(node, "minimum", "exclusiveMinimum", 1)
    high, high_open = _bound(node, "maximum", "exclusiveMaximum", -1)
    grids = [_common([step for step in steps if step])] if steps else [Fraction(1, 10**d) for d in range(_MOST_DIGITS)]
    found = False
    for grid in grids:
        least = -math.inf if low is None else math.floor(low / grid) + 1 if low_open else math.ceil(low / grid)
        most = math.inf if high is None else math.ceil(high / grid) - 1 if high_open else math.floor(high / grid)
        if least <= most:
            found = True
            yield from (
                _plain(node, grid * at) for at in islice(_outwards(least, most), None if steps else _MOST_ALIKE)
            )
    if not found:
        raise SchemaProblem(node.path, f"no {'integer' if whole else 'number'} is within the bounds")


def texts(node: Node) -> Iterator[str]:
    """Texts of the lengths, patterns and formats that are demanded, as far as these go together."""
    low, high = node.sizes("minLength", "maxLength")
    if low > _MAX_LENGTH:
        raise SchemaProblem(node.path, f"the fake provider makes no text of {low} characters")
    patterns = [(one, (*demand.path, "pattern")) for one, demand in node.values("pattern", str, "a string")]
    formats = [_FORMATS[name] for name, _ in node.values("format", str, "a string") if name in _FORMATS]

    def fits(text: str) -> bool:
        return low <= len(text) <= (len(text) if high is None else high) and all(
            finds(one, text, at) for one, at in patterns
        )

    yield from filter(fits, dict.fromkeys(formats))
    if not patterns:
        yield from _letters(low, high)
        return
    first, path = patterns[0]
    try:
        yield from filter(fits, read_pattern(first).texts(low, high))
    except PatternProblem as problem:
        raise SchemaProblem(path, str(problem)) from None
    raise SchemaProblem(path, "the fake provider finds no text for the pattern and the other demands")


def _letters(low: int, high: int | None) -> Iterator[str]:
    for length in count(low) if high is None else range(low, high + 1):
        for end in product(string.ascii_lowercase, repeat=min(length, 2)):
            yield "a" * (length - len(end)) + "".join(end)


def _bound(node: Node, closed: str, opened: str, sign: int) -> tuple[Fraction | None, bool]:
    """The tightest bound, and whether it is itself outside. Draft 4 says `exclusiveMinimum: true`."""
    bounds: list[tuple[Fraction, bool]] = []
    for demand in node.demands:
        flag = demand.schema.get(opened)
        if (value := number(demand, closed)) is not None:
            bounds.append((value, flag is True))
        if not isinstance(flag, bool) and (value := number(demand, opened)) is not None:
            bounds.append((value, True))
    return max(bounds, key=lambda bound: (sign * bound[0], bound[1]), default=(None, False))


def _common(steps: list[Fraction]) -> Fraction:
    """The least common multiple."""
    numerator, denominator = 1, 0
    for step in steps:
        numerator, denominator = math.lcm(numerator, step.numerator), math.gcd(denominator, step.denominator)
    return Fraction(numerator, denominator)


def _outwards(least: float, most: float) -> Iterator[int]:
    """The whole numbers from `least` to `most`, the nearest to 0 first."""
    start: Any = least if least > 0 else most if most < 0 else 0
    yield start
    for away in count(1):
        if start - away < least and start + away > most:
            return
        yield from (at for at in (start + away, start - away) if least <= at <= most)


def _plain(node: Node, exact: Fraction) -> int | float:
    try:
        return exact.numerator if exact.denominator == 1 else float(exact)
    except OverflowError:
        raise SchemaProblem(node.path, "the numbers within the bounds are too large") from None
