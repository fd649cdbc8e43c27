"""What a provider's request holds of a conversation, and when a timestamp is true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chatproof.harness.protocol.apis.chat_stream.timestamps import EXAMPLE, clock_fault
from chatproof.harness.protocol.checks.err import no_provider_details
from chatproof.harness.protocol.checks.history import Exchange, history_faults, told_as_the_users, told_twice
from chatproof.harness.protocol.findings import Violation
from tests.protocol.kit import is_kept, is_unjudged, sound, sse, violated

Told = list[tuple[str, str]]

BEFORE = [Exchange("a-1x", "Hello there."), Exchange("a-2x", "It is late.", is_whole=False), Exchange("a-3x", "Three.")]
SYSTEM, GREETING = ("system", "Be kind."), ("assistant", "How can I help?")
A, B, C, NOW = (("user", f"Question {number} a-{number}x") for number in (1, 2, 3, 4))
RA, PART, RC = (("assistant", text) for text in ("Hello there.", "It is", "Three."))


def faults(history: Told, in_order: bool = True) -> list[str]:
    return [one.seen for one in history_faults(history, BEFORE, in_order)]


def test_a_message_goes_upstream_once() -> None:
    """It may stand once more with what was found about it."""
    found = [one.seen for one in told_twice([A, RA, NOW, NOW], [A[1], NOW[1]])]
    assert found
    assert found[0].startswith("the message 'Question 4 a-4x' stands 2 times in")
    for once in ([A, RA, NOW], [A, RA, NOW, ("user", f"Nothing was found. {NOW[1]}")], [("user", f"{A[1]} {A[1]}")]):
        assert not list(told_twice(once, [A[1], NOW[1]]))


def test_a_reply_is_no_message_of_the_user() -> None:
    """It may stand in a text with the rest."""
    assert list(told_as_the_users([A, ("user", "Hello  there."), NOW], [RA[1]]))
    for told in ([A, RA, NOW], [("user", f"User: {A[1]} You: {RA[1]} User: {NOW[1]}")], [("system", RA[1]), NOW]):
        assert not list(told_as_the_users(told, [RA[1]]))


def test_words_may_stand_for_an_empty_reply() -> None:
    """But no empty message."""
    before = [Exchange("a-1x", "", is_whole=False)]
    filled, empty = [A, ("assistant", "(no answer)"), NOW], [A, ("assistant", ""), NOW]
    assert not list(history_faults(filled, before, may_fill_in=True))
    assert list(history_faults(filled, before))
    assert list(history_faults(empty, before, may_fill_in=True))


@pytest.mark.parametrize(
    "history",
    [
        [A, RA, C, RC, NOW],
        [A, RA, B, C, RC, NOW],
        [SYSTEM, GREETING, A, RA, B, PART, C, RC, NOW],
        [A, RA, B, PART, ("system", "It was interrupted."), C, RC, NOW],
        [A, RA, ("user", f"{B[1]}\n{C[1]}"), RC, NOW],
        [("user", "\n".join(f"{role}: {text}" for role, text in (A, RA, B, PART, C, RC, NOW)))],
        [("system", "User: a-1x. Assistant: Hello   there. User: a-3x. Assistant: Three."), NOW],
    ],
    ids=["nothing kept", "question kept", "part kept", "a note", "merged", "one prompt", "in the system text"],
)
def test_a_broken_exchange_may_be_kept_or_not(history: Told) -> None:
    assert faults(history) == []


@pytest.mark.parametrize(
    ("history", "seen"),
    [
        ([A, RA, B, ("assistant", " "), C, RC, NOW], "an empty assistant message in"),
        ([A, RA, B, B, C, RC, NOW], "the message that was not answered stands 2 times"),
        ([A, RA, C, C, RC, NOW], "the message of case a-3x stands 2 times"),
        ([A, RA, PART, C, RC, NOW], "no user message stands before the assistant message 'It is'"),
        ([A, RA, B, ("assistant", "Sorry, no."), C, RC, NOW], "the model did not say, 'Sorry, no.'"),
        ([A, RA, B, C, ("assistant", "It isThree."), NOW], "two replies in one assistant message"),
        ([A, RA, B, PART, RC, NOW], "the assistant message 'Three.'"),
        ([A, RA, C, RC, B, NOW], "the message of case a-3x stands before the message that was not answered"),
        ([C, RC, NOW], "the message of case a-1x is missing"),
        ([A, B, C, RC, NOW], "the reply 'Hello there.' is missing"),
        ([A, ("assistant", "Hello"), C, RC, NOW], "the reply 'Hello there.' is missing"),
    ],
)
def test_what_is_wrong_is_named(history: Told, seen: str) -> None:
    assert seen in faults(history)[0]


def test_exchanges_at_once_may_be_kept_in_any_order() -> None:
    assert faults([A, B, C, RC, RA, NOW], in_order=False) == []
    assert len(faults([A, B, C, RC, RA, NOW])) == 1


CLOCK = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-11-30T08:00:40Z",
        "2026-11-30t07:59:30.123456789z",
        "2026-11-30T10:00:00+02:00",
        "2026-11-30T08:00:00",
        "2026-11-30T22:00:00",
        "2026-11-29T20:00:00.5",
    ],
)
def test_a_true_timestamp(timestamp: str) -> None:
    assert clock_fault(timestamp, CLOCK) == ""
    assert clock_fault(timestamp, CLOCK.astimezone(timezone(timedelta(hours=-5)))) == ""


@pytest.mark.parametrize(
    ("timestamp", "seen"),
    [
        (EXAMPLE, "the API document's example"),
        ("2026-11-30T10:00:05Z", "2.0 hours ahead of the clock (2026-11-30T08:00:00Z): the local time of one zone"),
        ("2026-11-30T08:02:30Z", "2.5 minutes ahead of the clock (2026-11-30T08:00:00Z)"),
        ("0001-01-01T00:00:00Z", "days behind the clock"),
        ("9999-12-31T23:59:59-12:00", "days ahead of the clock"),
        ("2026-12-01T08:00:00", "24.0 hours ahead of the clock"),
    ],
)
def test_an_untrue_timestamp(timestamp: str, seen: str) -> None:
    assert seen in clock_fault(timestamp, CLOCK)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ('Post "http://127.0.0.1:8089/v1/chat": EOF', "the provider's address"),
        ("Connect call failed ('localhost', 8089)", "the provider's port"),
        ("Error code: 500 - {'code': 'mark-7'}", "the provider's own error"),
        ("The model is busy (request 180890, 0.8089 s, id x8089).", ""),
    ],
)
def test_what_an_error_tells_of_the_provider(text: str, seen: str) -> None:
    check = no_provider_details("127.0.0.1:8089", "mark-7")
    found = violated(check, sse([{"error": text}]))
    assert [one.partition(" in ")[0] for one in found] == ([seen] if seen else [])


def test_without_an_error_nothing_is_said_of_it() -> None:
    check = no_provider_details("127.0.0.1:8089")
    assert is_unjudged(check, sse(sound()))
    assert is_kept(check, sse([{"error": "Please try again."}]))
    (found,) = check(sse(body=b'{"error": "at 127.0.0.1:8089"}', status=502))
    assert isinstance(found, Violation)
