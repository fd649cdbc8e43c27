"""How late timers were, and which misses of a bound that excuses."""

from __future__ import annotations

import pytest

from chatproof.harness.protocol.checks.pass_through import ProviderWrite, passed_on
from chatproof.harness.protocol.checks.perf import first_token_is_soon, little_is_added, speed_is_kept
from chatproof.harness.protocol.findings import Check, Late, Violation
from chatproof.harness.protocol.lateness import HOPS, Lateness
from tests.protocol.test_checks_perf import heard, said
from tests.protocol.test_checks_perf import passed_on as heard_after

IDLE = tuple([0.001] * 99 + [0.004])
ONE_STALL = tuple([0.001] * 99 + [0.2])
BUSY = tuple([0.04] * 100)


@pytest.mark.parametrize(
    ("suite", "provider", "late", "is_excused"),
    [
        (IDLE, IDLE, Late(0.001), False),  # an idle machine excuses nothing, however little is missing
        ((), (), Late(0.001), False),
        (BUSY, IDLE, Late(HOPS * 0.04), True),
        (IDLE, BUSY, Late(HOPS * 0.04), True),  # the provider's own writes were late
        (BUSY, BUSY, Late(HOPS * 0.04 + 0.001), False),  # the server is later than the machine
        (ONE_STALL, (), Late(0.3), True),
        (ONE_STALL, (), Late(0.3, percent=95), False),  # one stall moves no percentile of 95
        (BUSY, (), Late(0.1, percent=95), True),
        (BUSY, (), Late(0.9, percent=95, starved=1.0), True),  # the server had to wait for a processor
        (BUSY, (), Late(1.1, percent=95, starved=1.0), False),
        (IDLE, ONE_STALL, Late(0.9, percent=95, starved=1.0), False),
        (BUSY, BUSY, None, False),  # no question of time
    ],
)
def test_what_a_busy_machine_excuses(
    suite: tuple[float, ...], provider: tuple[float, ...], late: Late | None, is_excused: bool
) -> None:
    assert Lateness(suite, provider).excuses(late) is is_excused


def test_the_reason_has_both_figures() -> None:
    text = str(Lateness((0.001, 0.2), (0.045,)))
    assert "200 ms" in text
    assert "45 ms" in text


WORDS = said(40, 0.02)
SLOW = said(4, 0.3)


@pytest.mark.parametrize(
    ("check", "delay", "late"),
    [
        (first_token_is_soon(), 1.25, Late(0.25)),
        (little_is_added(WORDS), 0.15, Late(0.05, 95)),
        (passed_on(SLOW), 0.35, Late(0.05, 34)),  # each of three pauses
    ],
    ids=["PERF-01", "PERF-03", "SSE-06"],
)
def test_a_timed_check_says_by_how_much_a_bound_was_missed(check: Check, delay: float, late: Late) -> None:
    (found,) = check(heard_after(SLOW if check.id == "SSE-06" else WORDS, delay))
    assert isinstance(found, Violation)
    assert found.late is not None
    assert (round(found.late.seconds, 6), found.late.percent) == (late.seconds, late.percent)


def test_a_speed_is_missed_by_the_time_that_the_reply_took_too_long() -> None:
    words = said(10, 0.0)
    (found,) = speed_is_kept(words)(heard([one.text for one in words], [0.3 * number for number in range(10)]))
    assert isinstance(found, Violation)
    assert found.late is not None
    assert found.late.seconds == pytest.approx(0.7)


@pytest.mark.parametrize(("delays", "is_excused"), [((0.31, 0.31, 0.31, 0), False), ((0, 0.31, 0, 0), True)])
def test_one_late_timer_excuses_one_late_token_and_no_more(delays: tuple[float, ...], is_excused: bool) -> None:
    """A server that holds every token back would else be excused by it."""
    reply = heard([one.text for one in SLOW], [one.at + delay for one, delay in zip(SLOW, delays, strict=True)])
    (found,) = passed_on(SLOW)(reply)
    assert isinstance(found, Violation)
    assert Lateness(provider=(0.001, 0.001, 0.1, 0.001)).excuses(found.late) is is_excused


def test_text_that_never_came_is_no_question_of_time() -> None:
    reply = heard_after([*SLOW[:2], ProviderWrite(0.9, "")], 0.0)
    (found,) = passed_on(SLOW)(reply)
    assert isinstance(found, Violation)
    assert found.late is None
