"""The search for a capacity, on made-up figures."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from bench.capacity import Bounds, Capacity, Trial, best_of, capacity_table, goal, search
from bench.client_capacity import trial_of
from bench.load_row import LoadRow

BOUNDS = Bounds(limit=25.0, first=64, most=4_000)


def edge_at(true: int, spoiled: Callable[[int], bool] = lambda number: False) -> Callable[[int], Trial]:
    """Trials whose figure passes the limit just above `true` streams; those whose number is spoiled pass it anyway."""
    numbers = itertools.count()

    def measure(streams: int) -> Trial:
        return Trial(streams, 90.0 if spoiled(next(numbers)) else 25.0 * (streams / true) ** 3)

    return measure


@pytest.mark.parametrize("true", [1, 2, 7, 63, 64, 65, 100, 777, 1_400, 3_999])
def test_a_capacity_is_found_within_a_tenth(true: int) -> None:
    found = search("thing", edge_at(true), BOUNDS)
    assert found.passed is not None
    assert found.held <= true < found.passed
    assert found.passed <= max(found.held + 1, found.held * 1.1)
    assert found.open_end == ""
    assert len(found.trials) < 35


@pytest.mark.parametrize("stalls", range(4))
def test_one_trial_that_fails_by_chance_changes_nothing(stalls: int) -> None:
    quiet = search("thing", edge_at(777), BOUNDS)
    found = search("thing", edge_at(777, lambda number: number % 5 == stalls), BOUNDS)
    assert (found.held, found.passed) == (quiet.held, quiet.passed)
    assert len(found.trials) > len(quiet.trials)


def test_nothing_is_invented_beyond_what_was_tried() -> None:
    found = search("thing", edge_at(100_000), BOUNDS)
    assert (found.held, found.passed, found.open_end) == (4_000, None, "no more than 4,000 were tried")
    none = search("thing", lambda streams: Trial(streams, None, "refused"), BOUNDS)
    assert (none.held, none.passed) == (0, 1)
    assert none.figure(none.passed) == "streams were lost: refused"
    clock = itertools.count(step=100)
    late = search("thing", edge_at(3_999), Bounds(25.0, 64, 4_000, seconds=250), clock=lambda: next(clock))
    assert (late.held, late.passed, late.open_end) == (128, None, "after 250 s the search ended")


def test_a_goal_that_rests_on_doubt_is_not_judged() -> None:
    def capacity(held: int, open_end: str = "") -> Capacity:
        return Capacity(held, held + 10, open_end, ())

    doubt = "the bare server itself was late"
    assert goal("g", capacity(400), capacity(100))[1:] == ["4.00 × (3.64 to 4.10)", "yes"]
    assert goal("g", capacity(390), capacity(100))[2] == "**no**"
    assert goal("g", capacity(390, doubt), capacity(100))[2] == f"not judged: {doubt}"
    assert goal("g", capacity(400, doubt), capacity(100))[2] == "yes"
    assert goal("g", capacity(400), capacity(100, doubt))[2] == f"not judged: {doubt}"
    assert goal("g", capacity(400), None)[1:] == ["–", "not measured"]
    assert best_of({"a": capacity(3), "b": capacity(5)}) == capacity(5)


def test_the_table_shows_both_sides_of_the_edge() -> None:
    found = search("thing", edge_at(100), BOUNDS)
    assert found.passed is not None
    *_, line = capacity_table("p99, ms", {"thing": found}).splitlines()
    kept, passed = (f"{25 * (at / 100) ** 3:.1f}" for at in (found.held, found.passed))
    assert line == f"| thing | {found.held} | {found.passed} | {kept} / {passed} | {len(found.trials)} | no |"


def test_a_client_that_loses_streams_has_no_figure() -> None:
    errors = {"first": (0.001, 0.002), "between": (0.0, 0.004), "server_late": 0.0001, "failed": 0}
    assert trial_of(LoadRow("x", 8, errors)) == Trial(8, 4.0)
    assert trial_of(LoadRow("x", 8, {**errors, "failed": 2})) == Trial(8, None, "2 failed")
    assert trial_of(LoadRow("x", 8, None, "no answer")) == Trial(8, None, "no answer")
    assert trial_of(LoadRow("x", 8, {**errors, "server_late": 0.01})).doubt == "the bare server itself was late"
