"""Levels over time, and the arrivals of an open loop."""

from __future__ import annotations

from itertools import chain, pairwise
from statistics import mean, pstdev

import pytest

from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests.behaviour import read_think
from chatproof.loadtests.load_plan import SHAPES, Arrivals, LoadPlan


def test_shapes_have_their_levels() -> None:
    assert [LoadPlan(10, 100, "ramp").level(at) for at in (0, 50, 99.99, 100)] == pytest.approx([0, 5, 10, 0], abs=0.01)
    assert [LoadPlan(10, 100, "steps").level(at) for at in (1, 21, 41, 61, 81)] == [2, 4, 6, 8, 10]
    assert [LoadPlan(10, 100, "spike").level(at) for at in (10, 50, 90)] == [1, 10, 1]
    assert [LoadPlan(10, 100, "soak").level(at) for at in (2.5, 50, 97.5)] == pytest.approx([5, 10, 5])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_total_is_the_levels_integral(shape: str) -> None:
    plan = LoadPlan(8, 50, shape)
    steps = 20_000
    area = sum(plan.level((step + 0.5) / steps * 50) for step in range(steps)) * 50 / steps
    assert plan.total(50) == pytest.approx(area, rel=1e-3)
    starts = list(Arrivals(plan).starts())
    assert len(starts) == pytest.approx(area, abs=1)
    assert starts == sorted(starts)
    assert 0 <= starts[0] <= starts[-1] < 50


def test_a_constant_rate_is_even() -> None:
    starts = list(Arrivals(LoadPlan(20, 10)).starts())
    assert len(starts) == 200
    assert all(later - earlier == pytest.approx(0.05, abs=1e-6) for earlier, later in pairwise(starts))


def test_a_poisson_rate_is_not() -> None:
    starts = list(Arrivals(LoadPlan(50, 100), poisson=True, seed=3).starts())
    gaps = [later - earlier for earlier, later in pairwise(starts)]
    assert len(starts) == pytest.approx(5000, rel=0.06)
    assert mean(gaps) == pytest.approx(0.02, rel=0.06)
    assert pstdev(gaps) == pytest.approx(mean(gaps), rel=0.1), "exponential gaps: deviation and mean are the same"


@pytest.mark.parametrize("poisson", [False, True])
@pytest.mark.parametrize("shape", ["constant", "spike"])
def test_workers_shares_are_together_the_whole_plan(shape: str, poisson: bool) -> None:
    plan = LoadPlan(30, 10, shape)
    shares = [list(Arrivals(plan, poisson, 5, (index, 3)).starts()) for index in range(3)]
    assert sorted(chain(*shares)) == list(Arrivals(plan, poisson, 5).starts())
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("peak", "duration", "shape"), [(0, 10, "ramp"), (1, 0, "ramp"), (1, 1, "cliff")])
def test_no_plan(peak: float, duration: float, shape: str) -> None:
    with pytest.raises(ChatproofError):
        LoadPlan(peak, duration, shape)


def test_thinking() -> None:
    assert read_think("2") == (2, 2)
    assert read_think("1..5") == (1, 5)
    for wrong in ("x", "5..1", "-1", "nan"):
        with pytest.raises(ChatproofError, match="--think"):
            read_think(wrong)
