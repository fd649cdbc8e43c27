"""A pairwise covering array: few situations in which every two odd values of different axes meet once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations, product

from chatproof.harness.protocol.situations.axes import Axis
from chatproof.harness.protocol.situations.situation import Situation

Pair = tuple[tuple[str, str], tuple[str, str]]


def alone(axes: Sequence[Axis], base: Situation) -> list[Situation]:
    """Each odd value by itself: with it, every pair that has a plain value is tried. `base`: what all situations have,
    but where they have another value of its axis."""
    return [base.but(axis.name, value.name) for axis in axes for value in axis.values if value.name != base[axis.name]]


def pairs_of(axes: Sequence[Axis]) -> list[Pair]:
    """All pairs of odd values."""
    odd = [[(axis.name, value.name) for value in axis.values] for axis in axes]
    return [pair for one, two in combinations(odd, 2) for pair in product(one, two)]


def covering_array(axes: Sequence[Axis], seed: int) -> list[Situation]:
    """Situations that hold every pair at least once, the same for the same axes and seed.

    Greedy: each begins with the first pair that is left, in the seed's order; every other axis then takes the value
    that brings most pairs that are left, or stays plain where none does.
    """
    left = dict.fromkeys(sorted(pairs_of(axes), key=lambda pair: _mixed(seed, pair)))
    found: list[Situation] = []
    while left:
        chosen = dict(next(iter(left)))
        for axis in sorted(axes, key=lambda axis: _mixed(seed + len(found), axis.name)):
            if axis.name not in chosen and axis.values:
                names = sorted((one.name for one in axis.values), key=lambda name: _mixed(seed + len(found), name))
                best = max(names, key=lambda name: _gain(chosen, axis.name, name, left))
                if _gain(chosen, axis.name, best, left):
                    chosen[axis.name] = best
        situation = Situation.of(chosen)
        for pair in situation.pairs:
            left.pop(pair, None)
        found.append(situation)
    return found


def _gain(chosen: dict[str, str], axis: str, name: str, left: dict[Pair, None]) -> int:
    one = (axis, name)
    return sum((one, two) in left or (two, one) in left for two in chosen.items())


def _mixed(seed: int, what: object) -> bytes:
    return hashlib.sha256(f"{seed} {what}".encode()).digest()
