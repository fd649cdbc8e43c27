"""How long a model takes: a fixed time, or one drawn from a distribution with a seed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from statistics import NormalDist
from typing import Any, Final, Literal, get_args

from chatproof.fake_providers.scripting.toml_table import Table

Kind = Literal["uniform", "normal", "lognormal", "recorded", "sampled"]
_KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_MAX_MS: Final = 600_000
_MAX_SIGMA: Final = 10.0
_MAX_RECORDED: Final = 100_000
_STANDARD: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution of delays in seconds, from zero to ten minutes.

    uniform    values = (low, high)
    normal     values = (mean, standard deviation)
    lognormal  values = (median, sigma of the logarithm, without a unit)
    recorded   the recorded values in their order; starts again after the last
    sampled    drawn at random from recorded values
    """

    kind: Kind
    values: tuple[float, ...]

    def draws(self, random: Random) -> Iterator[float]:
        """An endless series of delays in seconds."""
        if self.kind == "recorded":
            return itertools.cycle(self.values)
        return (min(max(self._drawn(random.random()), 0.0), _MAX_MS / 1000) for _ in itertools.repeat(None))

    def _drawn(self, share: float) -> float:
        # By the inverse of the distribution: only random() gives the same numbers in every Python version.
        values = self.values
        if self.kind == "uniform":
            return values[0] + share * (values[1] - values[0])
        if self.kind == "sampled":
            return values[int(share * len(values))]
        deviation = _STANDARD.inv_cdf(max(share, 1e-12))
        if self.kind == "normal":
            return values[0] + deviation * values[1]
        return values[0] * math.exp(deviation * values[1])


Delay = float | Spread
"""Seconds, or a distribution of them."""


def draws(delay: Delay, random: Random) -> Iterator[float]:
    """An endless series of delays in seconds."""
    return itertools.repeat(delay) if isinstance(delay, float | int) else delay.draws(random)


def take_delay(table: Table, key: str) -> Delay | None:
    """The delay under `key`: milliseconds, or a table with one distribution of them. ScriptError."""
    if not isinstance(table.peek(key), dict):
        milliseconds = table.number(key, 0, _MAX_MS)
        return None if milliseconds is None else milliseconds / 1000
    value: dict[str, Any] = table.take(key)
    if len(value) != 1 or next(iter(value)) not in _KINDS:
        shown = ", ".join(value) or "nothing"
        raise table.error(f"{key} must be milliseconds or one of {', '.join(_KINDS)}, not a table with {shown}")
    kind: Kind
    ((kind, numbers),) = value.items()  # type: ignore[assignment]  # it is one of _KINDS, see above
    if not isinstance(numbers, list) or not all(map(_is_delay, numbers)):
        raise table.error(f"{key}.{kind} must be a list of numbers from 0 to {_MAX_MS}")
    if kind in ("recorded", "sampled"):
        if not 1 <= len(numbers) <= _MAX_RECORDED:
            raise table.error(f"{key}.{kind} must hold 1 to {_MAX_RECORDED:,} delays in ms, not {len(numbers)}")
        return Spread(kind, tuple(number / 1000 for number in numbers))
    if len(numbers) != 2:
        raise table.error(f"{key}.{kind} must be two numbers: {_PAIRS[kind]}")
    first, second = numbers
    if kind == "uniform" and first > second:
        raise table.error(f"{key}.uniform must rise: {_PAIRS[kind]}, not {numbers}")
    if kind == "lognormal" and second > _MAX_SIGMA:
        raise table.error(f"{key}.lognormal: sigma has no unit and is at most {_MAX_SIGMA:g}, not {second}")
    return Spread(kind, (first / 1000, float(second) if kind == "lognormal" else second / 1000))


_PAIRS: Final = {
    "uniform": "[lowest ms, highest ms]",
    "normal": "[mean ms, standard deviation ms]",
    "lognormal": "[median ms, sigma]",
}


def _is_delay(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value <= _MAX_MS
