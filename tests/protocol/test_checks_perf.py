"""Speed, judged on transcripts made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chatproof.harness.protocol.checks.pass_through import ProviderWrite
from chatproof.harness.protocol.checks.perf import (
    added_delays,
    first_token_is_soon,
    little_is_added,
    percentile,
    speed_is_kept,
)
from chatproof.harness.protocol.findings import Unjudged, Violation
from chatproof.harness.protocol.transcript import Transcript, Transport


def said(count: int, step: float) -> list[ProviderWrite]:
    return [ProviderWrite(number * step, f"word{number} ") for number in range(count)]


def heard(texts: Sequence[str], times: Sequence[float]) -> Transcript:
    transcript = Transcript(Transport.WEBSOCKET)
    for text, at in zip(texts, times, strict=True):
        transcript.event(at, "chat_token", {"token": text, "count": 1, "partial": text})
    return transcript


def passed_on(spoken: Sequence[ProviderWrite], *delays: float) -> Transcript:
    """Each word after the delay at its place; the last delay goes on."""
    times = [one.at + delays[min(place, len(delays) - 1)] for place, one in enumerate(spoken)]
    return heard([one.text for one in spoken], times)


@pytest.mark.parametrize(("at", "scale", "kept"), [(0.99, 1.0, True), (1.0, 1.0, False), (1.5, 2.0, True)])
def test_the_first_token(at: float, scale: float, kept: bool) -> None:
    assert (not first_token_is_soon(scale)(heard(["a"], [at]))) is kept


def test_no_token_is_not_judged() -> None:
    words = said(4, 0.02)
    for check in (first_token_is_soon(), speed_is_kept(words), little_is_added(words)):
        assert [type(one) for one in check(heard([], []))] == [Unjudged]


def test_a_reply_that_breaks_off_is_not_judged() -> None:
    words = said(4, 0.02)
    for check in (speed_is_kept(words), little_is_added(words)):
        assert [type(one) for one in check(passed_on(words[:3], 0.0))] == [Unjudged]


@pytest.mark.parametrize(("step", "kept"), [(0.2, True), (0.25, False)])
def test_five_tokens_a_second(step: float, kept: bool) -> None:
    words = said(20, 0.02)
    reply = heard([one.text for one in words], [number * step for number in range(20)])
    assert (not speed_is_kept(words)(reply)) is kept


def test_joined_tokens_count_as_the_provider_cut_them() -> None:
    words = said(20, 0.02)
    reply = heard(["".join(one.text for one in words)], [3.9])
    assert not speed_is_kept(words)(reply)
    assert added_delays(reply, words) == pytest.approx([3.9 - one.at for one in words])


def test_one_slow_token_in_twenty_is_kept_and_two_are_not() -> None:
    words = said(20, 0.5)
    slow_one, slow_two = [0.5] + [0.01] * 19, [0.5, 0.5] + [0.01] * 18
    assert not little_is_added(words)(passed_on(words, *slow_one))
    (finding,) = little_is_added(words)(passed_on(words, *slow_two))
    assert isinstance(finding, Violation)
    assert "500 ms (p95 of 20 tokens, median 10 ms)" in finding.seen


def test_the_nearest_rank() -> None:
    assert [percentile(range(1, 41), percent) for percent in (50, 95, 100)] == [20, 38, 40]
