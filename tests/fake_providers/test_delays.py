"""Delays: fixed, distributed, recorded, and the same again for the same request."""

from __future__ import annotations

import statistics
from itertools import islice, pairwise
from random import Random

import pytest

from chatproof.fake_providers.dialects.schedule import play
from chatproof.fake_providers.scripting.delays import Spread, draws
from chatproof.fake_providers.scripting.script import ScriptError, parse_script
from tests.fake_providers.test_timeline import Plain


def script(timing: str, steps: str = 'tokens = ["a"]\nrepeat = 2000') -> str:
    return f'about = "x"\nseed = 3\n[timing]\n{timing}\n[[steps]]\n{steps}\n'


def gaps(timing: str, key: str = "") -> list[float]:
    frames = [frame for frame in play(parse_script("x", script(timing)), Plain(), key=key).frames if frame.tokens]
    return [round(after.due - before.due, 9) for before, after in pairwise(frames)]


@pytest.mark.parametrize(
    ("timing", "median", "low", "high"),
    [
        ("{uniform = [20, 80]}", 0.050, 0.020, 0.080),
        ("{normal = [50, 10]}", 0.050, 0.0, 0.100),
        ("{lognormal = [40, 0.5]}", 0.040, 0.004, 0.400),
        ("{sampled = [10, 20, 30]}", 0.020, 0.010, 0.030),
        ("30", 0.030, 0.030, 0.030),
    ],
)
def test_distributions_are_what_they_say(timing: str, median: float, low: float, high: float) -> None:
    drawn = gaps(f"inter_token_ms = {timing}")
    assert statistics.median(drawn) == pytest.approx(median, rel=0.06)
    assert low - 1e-9 <= min(drawn)
    assert max(drawn) <= high + 1e-9


def test_recorded_delays_come_in_their_order_and_again() -> None:
    assert gaps("inter_token_ms = {recorded = [1, 2.5, 3]}")[:5] == [0.001, 0.0025, 0.003, 0.001, 0.0025]


def test_no_delay_is_negative_or_endless() -> None:
    assert min(gaps("inter_token_ms = {normal = [1, 100]}")) == 0.0
    assert max(islice(Spread("lognormal", (600.0, 10.0)).draws(Random(1)), 500)) == 600.0
    assert list(islice(draws(2, Random(1)), 2)) == [2, 2]


def test_the_same_request_has_the_same_times_and_another_one_others() -> None:
    timing = "first_token_ms = {uniform = [0, 500]}\ninter_token_ms = {uniform = [20, 80]}"
    same = [play(parse_script("x", script(timing)), Plain(), key="one").frames for _ in range(2)]
    assert same[0] == same[1]
    other = play(parse_script("x", script(timing)), Plain(), key="two").frames
    assert other[0].due != same[0][0].due
    assert [frame.payload for frame in other] == [frame.payload for frame in same[0]]


def test_a_step_may_have_its_own_distribution() -> None:
    toml = script("inter_token_ms = 10", 'tokens = ["a", "b", "c"]\ninter_token_ms = {recorded = [1, 2, 3]}')
    dues = [frame.due for frame in play(parse_script("x", toml), Plain()).frames]
    assert dues == pytest.approx([0, 0, 0.001, 0.003, 0.006])


@pytest.mark.parametrize(
    ("timing", "words"),
    [
        ("inter_token_ms = -1", "inter_token_ms must be a number from 0 to 600000, not -1"),
        ("inter_token_ms = {uniform = [80, 20]}", "inter_token_ms.uniform must rise"),
        ("inter_token_ms = {uniform = [80]}", "must be two numbers: [lowest ms, highest ms]"),
        ("inter_token_ms = {normal = [80, -1]}", "must be a list of numbers from 0"),
        ("inter_token_ms = {lognormal = [80, 11]}", "sigma has no unit and is at most 10, not 11"),
        ("inter_token_ms = {recorded = []}", "recorded must hold 1 to 100,000 delays in ms, not 0"),
        ("inter_token_ms = {recorded = [nan]}", "must be a list of numbers"),
        (
            "inter_token_ms = {poisson = [1]}",
            "lognormal, recorded, sampled, not a table with poisson",
        ),
        ("first_token_ms = {}", "not a table with nothing"),
        ("first_token_ms = {uniform = [1, 2], normal = [1, 2]}", "not a table with uniform, normal"),
        ("first_token_ms = [1, 2]", "first_token_ms must be a number"),
    ],
)
def test_errors_say_what_would_be_right(timing: str, words: str) -> None:
    with pytest.raises(ScriptError) as caught:
        parse_script("mine", script(timing))
    assert str(caught.value).startswith("mine, [timing]: ")
    assert words in str(caught.value)
