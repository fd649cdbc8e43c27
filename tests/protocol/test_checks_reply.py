"""Checks of tokens, completions, errors, pace and Socket.IO, on transcripts."""

from __future__ import annotations

from typing import Any

import pytest

from chatproof.harness.protocol.apis.chat_stream import completion_checks, token_checks
from chatproof.harness.protocol.checks import end, err, sio, tok
from chatproof.harness.protocol.checks.pass_through import ProviderWrite, passed_on
from chatproof.harness.protocol.findings import Check, Violation, on_behalf_of
from chatproof.harness.protocol.transcript import End
from tests.protocol.kit import WORDS, completion, is_kept, is_unjudged, socket, sound, sse, tokens, violated

TEXT = "".join(WORDS)
REPLY_CHECKS = (
    *token_checks.TOKEN_CHECKS,
    end.one_completion_and_last,
    *completion_checks.COMPLETION_CHECKS,
    completion_checks.speed_is_tokens_over_duration,
    completion_checks.duration_is_true,
    tok.text_is(TEXT),
)


def caught(events: list[Any], checks: tuple[Check, ...] = REPLY_CHECKS) -> set[str]:
    """The ids that are violated."""
    transcript = sse(events)
    return {check.id for check in checks if violated(check, transcript)}


def test_a_sound_reply_keeps_all() -> None:
    transcript = sse()
    for check in REPLY_CHECKS:
        assert is_kept(check, transcript), check.id


def test_unknown_fields_and_events_are_legal() -> None:
    events = [{"status": "thinking"}, *({**one, "model": "x"} for one in sound())]
    assert caught(events) == set()


def test_absent_errors_and_dones_are_legal() -> None:
    events = [{**one, "error": None, "done": False} for one in tokens(*WORDS)] + [completion(error="")]
    assert caught(events) == set()


@pytest.mark.parametrize(
    ("change", "requirement"),
    [
        ({"token": ""}, {"TOK-01"}),
        ({"token": 5}, {"TOK-01"}),
        ({"count": "1"}, {"TOK-01"}),
        ({"count": True}, {"TOK-01"}),
        ({"count": 1.5}, {"TOK-01"}),
        ({"partial": None}, {"TOK-01"}),
        ({"count": 0}, {"TOK-02"}),
        ({"count": 7}, {"TOK-02"}),
        ({"partial": "One "}, {"TOK-03"}),
    ],
)
def test_a_broken_token_is_caught(change: dict[str, Any], requirement: set[str]) -> None:
    events = sound()
    events[0] = {**events[0], **change}
    assert caught(events, token_checks.TOKEN_CHECKS) >= requirement


def test_a_whole_number_may_be_written_as_a_float() -> None:
    assert caught([{**one, "count": float(one["count"])} for one in tokens(*WORDS)] + [completion()]) == set()


def test_a_lost_token_is_caught_by_the_text_alone() -> None:
    assert caught([*tokens("One", " three"), completion("One three", 2)]) == {"TOK-04"}


def test_without_tokens_nothing_is_said_of_them() -> None:
    for check in token_checks.TOKEN_CHECKS:
        assert is_unjudged(check, sse([completion("", 0)]))


@pytest.mark.parametrize(
    ("change", "requirements"),
    [
        ({"tokens": 4, "tokens_per_second": 2.0}, {"END-03"}),
        ({"tokens": "3"}, {"END-02"}),
        ({"duration": None}, {"END-02"}),
        ({"user": None}, {"END-02", "END-07"}),
        ({"user": "guest"}, {"END-07"}),
        ({"full_response": "One two"}, {"END-04"}),
        ({"full_response": "One  two three"}, {"END-04"}),
        ({"full_response": " One two three \n"}, set()),
        ({"tokens_per_second": 0.67}, {"END-05"}),
        ({"tokens_per_second": 2}, set()),
        ({"tokens_per_second": 1}, set()),
        ({"duration": 2000, "tokens_per_second": 0.0015}, {"END-06"}),
        ({"duration": 0.002, "tokens_per_second": 1500.0}, {"END-06"}),
        ({"duration": 4.1, "tokens_per_second": 0.73}, set()),
        ({"duration": 4.6, "tokens_per_second": 0.65}, {"END-06"}),
        ({"timestamp": 1700000000}, {"END-02", "END-08"}),
        ({"timestamp": "Thu, 20 Nov 2025 18:15:30 GMT"}, {"END-08"}),
        ({"timestamp": "2025-11-20"}, {"END-08"}),
        ({"timestamp": "2025-11-20T18:15:30Z"}, set()),
        ({"timestamp": "2025-11-20t18:15:30z"}, set()),
        ({"timestamp": "2025-11-20T18:15:30.123456789+01:00"}, set()),
    ],
)
def test_the_completion(change: dict[str, Any], requirements: set[str]) -> None:
    assert caught([*tokens(*WORDS), completion(**change)]) == requirements


def test_rounding_of_duration_and_speed_is_allowed_for() -> None:
    events = [*tokens(*WORDS), completion(duration=2.1, tokens_per_second=1.43)]
    assert caught(events) == set()
    assert caught([*tokens(*WORDS), completion(duration=2.0123456, tokens_per_second=1.49)]) == set()


@pytest.mark.parametrize(
    "events",
    [tokens(*WORDS), [*sound(), completion()], [*sound(), *tokens("late")], [*sound(), {"status": "bye"}]],
    ids=["none", "two", "a token behind", "anything behind"],
)
def test_one_completion_and_last(events: list[Any]) -> None:
    assert violated(end.one_completion_and_last, sse(events))


def test_a_reply_that_failed_is_no_successful_stream() -> None:
    assert is_unjudged(end.one_completion_and_last, sse([*tokens("One"), {"error": "no"}]))


def test_errors_end_the_reply() -> None:
    check = err.error_ends_the_reply
    assert is_kept(check, sse([*tokens("One"), {"error": "no"}]))
    assert violated(check, sse([{"error": "no"}, completion("", 0)]))
    assert violated(check, sse([{"error": "no"}, *tokens("One")]))
    assert violated(check, sse([{"error": {"message": "no"}}]))
    assert is_unjudged(check, sse())


def test_a_failure_must_surface() -> None:
    check = err.fails_as_error("ERR-03")
    assert is_kept(check, sse([*tokens("One"), {"error": "no"}]))
    assert is_kept(check, sse(body=b'{"error": "no"}', status=502))
    assert violated(check, sse(body=b"<html>", status=502))
    assert violated(check, sse(tokens("One")))
    assert violated(check, sse())
    assert is_unjudged(check, sse(body=b"", status=0, end=End.REFUSED))


def test_an_error_told_as_a_token_is_caught() -> None:
    assert violated(err.no_tokens("ERR-02"), sse(tokens("Error: 500")))


INTERNALS = (
    'Traceback (most recent call last):\n  File "x"',
    'File "/srv/app/main.py", line 3, in chat',
    "TypeError: x is undefined\n    at chat (/srv/app/index.js:10:5)",
    "panic: oops\ngoroutine 1 [running]:",
    "failed at /usr/src/app/handler.go:42",
    "Error in ./src/routes/chat.ts",
    "java.lang.NullPointerException\n\tat com.x.Chat.ask(Chat.java:12)",
    r"C:\Users\me\server.py broke",
    "bad key sk-secret-123",
    "   at Chat.Server.Ask() in /src/Server.cs:line 12",
    "Error: no\n    at async file:///app/index.mjs:10:5",
    "main.go:42: no provider",
)


@pytest.mark.parametrize("text", INTERNALS)
def test_internals_are_caught(text: str) -> None:
    assert violated(err.no_internals("sk-secret-123"), sse([{"error": text}]))
    assert violated(err.no_internals("sk-secret-123"), sse(body=text.encode(), status=500))


@pytest.mark.parametrize(
    "text",
    [
        "The provider answered with status 500.",
        "Connection to http://127.0.0.1:8089/v1/chat/completions failed",
        "Not found: /api/chat/stream",
        "Incorrect API key provided: sk-s***123",
        "`message` must be a string, e.g. at most 2,000 characters",
        "Unsupported media type: application/x-www-form-urlencoded",
        "Look at https://example.com/docs/errors.html",
        "The model is overloaded\nat capacity until 12:30",
        "message: expected string\n   at body.message:1:3",
        "no route for /favicon.js",
        "model ./models/llama.cpp missing",
        "use node.js 20 or later",
    ],
)
def test_ordinary_errors_show_no_internals(text: str) -> None:
    assert is_kept(err.no_internals("sk-secret-123"), sse([{"error": text}]))


SAID = [ProviderWrite(100.9, "One"), ProviderWrite(101.8, " two"), ProviderWrite(102.8, " three")]


def test_tokens_in_time_are_passed_on() -> None:
    assert is_kept(passed_on(SAID), sse())


def test_tokens_held_back_are_caught() -> None:
    late = [ProviderWrite(said.at - 1.0, said.text) for said in SAID]
    assert violated(passed_on(late), sse())


def test_what_is_said_before_a_reply_is_resumed_may_have_come_elsewhere() -> None:
    said = [ProviderWrite(99.0, "Before"), ProviderWrite(99.4, " that."), *SAID]
    assert is_kept(passed_on(said, resumed_at=100.5), sse())
    assert violated(
        passed_on([*said[:2], *(ProviderWrite(one.at - 1.0, one.text) for one in SAID)], resumed_at=99.6), sse()
    )
    assert is_unjudged(passed_on(said, resumed_at=102.5), sse())


def test_without_pauses_nothing_can_be_seen() -> None:
    assert is_unjudged(passed_on([ProviderWrite(100.9, "One"), ProviderWrite(101.0, " two three")]), sse())


def test_other_cuts_of_the_same_text_are_legal() -> None:
    halves = [ProviderWrite(100.0, "On"), ProviderWrite(100.9, "e"), ProviderWrite(101.9, " two")]
    assert is_kept(passed_on(halves[1:], pause=0.9), sse())


def chat(*events: dict[str, Any]) -> list[tuple[str, Any]]:
    return [("chat_token", event) for event in events]


COMPLETE = ("chat_complete", {"tokens": 3, "duration": 2.0, "tokens_per_second": 1.5})
ERROR = ("chat_stream_error", {"error": "no"})


def test_a_socket_reply_needs_three_fields_only() -> None:
    reply = socket([*chat(*tokens(*WORDS)), COMPLETE])
    for check in on_behalf_of(
        "SIO-04", completion_checks.completion_is_typed, completion_checks.tokens_equal_last_count
    ):
        assert is_kept(check, reply)
    assert is_kept(sio.one_terminal_event, reply)


@pytest.mark.parametrize(
    "events",
    [chat(*tokens(*WORDS)), [COMPLETE, COMPLETE], [COMPLETE, *chat(*tokens("x"))], [ERROR, COMPLETE]],
)
def test_one_terminal_event(events: list[tuple[str, Any]]) -> None:
    assert violated(sio.one_terminal_event, socket(events))


def test_other_events_are_nobodys_business() -> None:
    assert is_kept(sio.one_terminal_event, socket([*chat(*tokens("x")), COMPLETE, ("presence", {"users": 2})]))


@pytest.mark.parametrize(
    ("events", "kept"),
    [
        ([ERROR], True),
        ([], False),
        ([("chat_stream_error", {"error": ""})], False),
        ([("chat_stream_error", "no")], False),
        (chat(*tokens("x")), False),
    ],
)
def test_a_refusal_over_the_socket(events: list[tuple[str, Any]], kept: bool) -> None:
    assert is_kept(sio.refused_with_an_error, socket(events)) is kept


A, B = tokens(*WORDS), tokens("Un", " deux")
MIXED = [A[0], B[0], A[1], B[1], A[2]]


@pytest.mark.parametrize(
    ("events", "kept"),
    [
        ([*chat(*A), COMPLETE, *chat(*B), COMPLETE], True),
        ([*chat(A[0]), ERROR, *chat(*A[1:]), COMPLETE], True),
        ([*chat(*A), COMPLETE, ERROR], True),
        ([*chat(*MIXED), COMPLETE, COMPLETE], False),
        ([*chat(A[0]), ERROR, *chat(*B), COMPLETE], True),
        ([*chat(A[0]), *chat(*B), COMPLETE], False),
        ([*chat(*A), COMPLETE], False),
    ],
    ids=["queued", "refused at once", "refused later", "mixed", "replaced", "dropped in silence", "second ignored"],
)
def test_two_asks_on_one_socket(events: list[tuple[str, Any]], kept: bool) -> None:
    assert is_kept(sio.replies_do_not_mix(TEXT, "Un deux"), socket(events)) is kept


def test_an_outcome_holds_the_body_of_a_failure() -> None:
    said = sse(body=b'{"error": "no module named chat"}', status=500).outcome()
    assert said == """status 500 with '{"error": "no module named chat"}'"""
    assert sse(body=b"", status=503).outcome() == "status 503"
    assert len(sse(body=b"x" * 9_000, status=500).outcome()) < 600


def test_an_error_is_shown_around_what_it_gives_away() -> None:
    """The excerpt of a long error holds the path, wherever it stands."""
    for before in (0, 150, 390, 5_000):
        text = "so sorry " * (before // 9) + "/srv/app/chat.py broke " + "and more " * 500
        (seen,) = violated(err.no_internals(), sse([{"error": text}]))
        assert "a source path in " in seen
        assert "/srv/app/chat.py broke" in seen
        assert len(seen) < 500


def test_mixed_replies_are_shown_with_their_spaces() -> None:
    events = [("chat_token", {"token": token, "count": count}) for count, token in enumerate(("Hi ", "Un ", "deux"), 1)]
    (found,) = sio.replies_do_not_mix("Hi there", "Un deux")(socket(events))
    assert isinstance(found, Violation)
    assert found.seen == "0 error events; replies: 'Hi Un deux'"
