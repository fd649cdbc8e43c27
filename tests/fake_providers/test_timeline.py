"""When bytes are due, whatever the provider."""

from __future__ import annotations

import pytest

from chatproof.fake_providers.dialects.schedule import SPLIT_PAUSE, Timeline, play
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.script import Fail, Script, parse_script
from chatproof.fake_providers.scripting.steps import Channel


class Plain:
    """An encoder that shows what was asked of it."""

    def __init__(self, fragments: bool = True, silent: tuple[Channel, ...] = ()) -> None:
        self.fragments = fragments
        self.silent = silent

    def opening(self) -> bytes:
        return b"<"

    def token(self, text: str) -> bytes:
        return text.encode()

    def thinking(self, text: str, first: bool) -> bytes:
        return f"{'|' if first else ''}({text})".encode()

    def refusal(self, text: str) -> bytes:
        return f"[{text}]".encode()

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        return f"{index}{name if first else ''}{fragment or ''}".encode()

    def broken(self) -> bytes:
        return b"{"

    def error(self, fail: Fail) -> bytes:
        return b"!"

    def closing(self, finish_reason: str) -> bytes:
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


CALLS = """
[[steps]]
tokens = ["Wait."]
[[steps]]
tool_call = "get_weather"
arguments = { unit = "C", city = "Paris" }
[[steps]]
tool_call = "get_time"
"""


def script(steps: str, timing: str = "first_token_ms = 100\ninter_token_ms = 10") -> Script:
    return parse_script("x", f'about = "x"\n[timing]\n{timing}\n{steps}')


def test_a_call_is_said_in_fragments_of_its_json_text() -> None:
    timeline = play(script(CALLS), Plain())
    pieces = tokenizer.split('{"city":"Paris","unit":"C"}')
    expected = [
        b"<",
        b"Wait.",
        b"0get_weather",
        *(f"0{piece}".encode() for piece in pieces),
        b"1get_time",
        b"1{}",
        b">",
    ]
    assert [frame.payload for frame in timeline.frames] == expected
    assert timeline.finish_reason == "tool_calls"
    assert [(call.name, call.arguments) for call in timeline.calls] == [
        ("get_weather", '{"city":"Paris","unit":"C"}'),
        ("get_time", "{}"),
    ]
    assert timeline.tokens == 2 + len(pieces) == sum(frame.tokens for frame in timeline.frames)
    assert timeline.end_due == pytest.approx(0.1 + 0.01 * timeline.tokens)


def test_a_provider_without_fragments_sends_a_call_when_its_last_token_is_due() -> None:
    fragments, whole = play(script(CALLS), Plain()), play(script(CALLS), Plain(fragments=False))
    assert [frame.payload for frame in whole.frames] == [
        b"<",
        b"Wait.",
        b'0get_weather{"city":"Paris","unit":"C"}',
        b"1get_time{}",
        b">",
    ]
    assert whole.frames[2].due == pytest.approx(fragments.frames[-4].due)
    assert (whole.tokens, whole.end_due) == (fragments.tokens, fragments.end_due)


@pytest.mark.parametrize(
    ("limit", "payloads", "reason", "count"),
    [
        (2, [b"<", b"a", b"b", b">"], "length", 2),
        (3, [b"<", b"a", b"b", b"c"], "stop", 3),
        (0, [b"<", b">"], "length", 0),
    ],
)
def test_max_tokens_ends_the_reply_before_its_fault(limit: int, payloads: list[bytes], reason: str, count: int) -> None:
    steps = '[[steps]]\ntokens = ["a", "b", "c"]\n[[steps]]\nfault = "close"'
    timeline = play(script(steps), Plain(), limit)
    assert [frame.payload for frame in timeline.frames] == payloads
    assert (timeline.finish_reason, timeline.tokens, timeline.text) == (reason, count, "abc"[:count])
    assert timeline.end == ("close" if limit == 3 else "complete")


def test_max_tokens_cuts_a_calls_arguments_and_drops_a_whole_call() -> None:
    cut = play(script(CALLS), Plain(), 3)
    assert cut.calls[0].arguments == "".join(tokenizer.split('{"city":"Paris","unit":"C"}')[:2])
    whole = play(script(CALLS), Plain(fragments=False), 3)
    assert (whole.calls, whole.finish_reason) == ([], "length")


def test_a_calls_finish_reason_may_be_another() -> None:
    toml = 'about = "x"\nfinish_reason = "stop"\n[[steps]]\ntool_call = "f"\narguments = \'{"b": null, "a": 1}\''
    found = parse_script("x", toml)
    assert (found.finish_reason, found.calls[0].arguments) == ("stop", '{"b": null, "a": 1}')
