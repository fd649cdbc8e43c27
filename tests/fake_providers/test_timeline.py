"""When bytes are due, whatever the provider."""

from __future__ import annotations

import pytest

from fake_providers.script import Fail, parse_script
from fake_providers.timeline import SPLIT_PAUSE, Timeline, play


class Plain:
    """An encoder that shows what was asked of it."""

    def opening(self) -> bytes:
        return b"<"

    def token(self, text: str) -> bytes:
        return text.encode()

    def broken(self) -> bytes:
        return b"{"

    def error(self, fail: Fail) -> bytes:
        return b"!"

    def closing(self) -> bytes:
        return b">"


def line(steps: str, timing: str = "first_token_ms = 100\ninter_token_ms = 10") -> Timeline:
    return play(parse_script("x", f'about = "x"\n[timing]\n{timing}\n{steps}'), Plain())


def seen(timeline: Timeline) -> list[tuple[bytes, float]]:
    return [(frame.payload, round(frame.due, 6)) for frame in timeline.frames]


def test_tokens_are_spaced_and_the_end_is_one_delay_later() -> None:
    timeline = line('[[steps]]\ntokens = ["a", "b"]')
    assert seen(timeline) == [(b"<", 0.1), (b"a", 0.1), (b"b", 0.11), (b">", 0.12)]
    assert (timeline.end, timeline.fail) == ("complete", None)
    assert [frame.tokens for frame in timeline.frames] == [0, 1, 1, 0]


def test_a_wait_takes_the_place_of_the_delay_and_a_step_may_have_its_own() -> None:
    timeline = line(
        '[[steps]]\ntokens = ["a"]\n[[steps]]\nwait_ms = 500\n[[steps]]\ntokens = ["b", "c"]\ninter_token_ms = 1'
    )
    assert seen(timeline) == [(b"<", 0.1), (b"a", 0.1), (b"b", 0.6), (b"c", 0.601), (b">", 0.602)]


def test_no_time_drifts_over_many_tokens() -> None:
    timeline = line('[[steps]]\ntokens = ["a"]\nrepeat = 10000', "inter_token_ms = 1")
    assert timeline.end_due == pytest.approx(10.0, abs=1e-6)


@pytest.mark.parametrize(
    ("fault", "end", "last"),
    [
        ("stall", "stall", b"a"),
        ("close", "close", b"a"),
        ("cut", "cut", b"a"),
        ("reset", "reset", b"a"),
        ("error", "complete", b"!"),
        ("malformed", "complete", b">"),
    ],
)
def test_a_fault_comes_one_delay_after_the_last_token(fault: str, end: str, last: bytes) -> None:
    timeline = line(f'[[steps]]\ntokens = ["a"]\n[[steps]]\nfault = "{fault}"')
    assert timeline.end == end
    assert timeline.frames[-1].payload == last
    assert timeline.fail == Fail(fault)  # type: ignore[arg-type]
    assert timeline.end_due == pytest.approx(0.12 if fault == "malformed" else 0.11)


def test_a_reply_without_tokens_is_opened_and_closed() -> None:
    timeline = line("[[steps]]\nwait_ms = 5")
    assert seen(timeline) == [(b"<", 0.105), (b">", 0.105)]


def test_split_bytes_are_offsets_into_the_steps_bytes() -> None:
    timeline = line('[[steps]]\ntokens = ["abcd", "efgh"]\nsplit_bytes = [1, 4, 6]', "inter_token_ms = 0")
    pause = SPLIT_PAUSE
    assert seen(timeline) == [
        (b"<", 0),
        (b"a", 0),
        (b"bcd", pause),
        (b"ef", round(2 * pause, 6)),
        (b"gh", round(3 * pause, 6)),
        (b">", round(3 * pause, 6)),
    ]
    assert [frame.tokens for frame in timeline.frames] == [0, 0, 1, 0, 1, 0]


def test_split_every_runs_on_from_token_to_token() -> None:
    timeline = line('[[steps]]\ntokens = ["abcd", "efgh"]\nsplit_every = 3', "inter_token_ms = 0")
    assert [frame.payload for frame in timeline.frames] == [b"<", b"abc", b"d", b"ef", b"gh", b">"]
