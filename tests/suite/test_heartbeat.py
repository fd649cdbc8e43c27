"""The suite's own timer, with beats given as data."""

from __future__ import annotations

import asyncio
import time

import pytest

from chatproof.conformance.suite.heartbeat import BEAT, Heartbeat


def test_only_the_beats_of_the_time_in_question_count() -> None:
    heartbeat = Heartbeat()
    heartbeat.beats.extend([(1.0, 0.5), (2.0, 0.001), (3.0, 0.002)])
    assert heartbeat.since(1.6).at() == 0.002
    assert heartbeat.since(1.4).at() == 0.5, "a beat that was due before and came after"
    assert heartbeat.since(4.0).at() == 0.0


def test_one_long_pause_is_as_many_late_beats_as_it_left_out() -> None:
    """For half of the time nothing went on: a percentile over the beats that came would not show it."""
    heartbeat = Heartbeat()
    heartbeat.beats.extend([(number * BEAT, 0.0) for number in range(50)] + [(50 * BEAT, 1.0)])
    lateness = heartbeat.since(0.0)
    assert len(lateness.suite) == pytest.approx(101, abs=1)
    assert lateness.at(95) > 0.8
    assert lateness.at(50) < 0.1


async def test_a_blocked_event_loop_is_seen() -> None:
    heartbeat = Heartbeat()
    heartbeat.start()
    began = time.monotonic()
    await asyncio.sleep(2 * BEAT)
    time.sleep(0.2)  # it is to block the loop
    await asyncio.sleep(2 * BEAT)
    heartbeat.stop()
    assert heartbeat.since(began).at() >= 0.15
    beats = len(heartbeat.beats)
    await asyncio.sleep(2 * BEAT)
    assert len(heartbeat.beats) == beats, "it has stopped"
