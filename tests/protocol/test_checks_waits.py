"""Slow replies, and what comes while the provider is silent, judged on transcripts made by hand."""

from __future__ import annotations

import pytest

from chatproof.harness.protocol.checks.company import gets_its_own
from chatproof.harness.protocol.checks.pass_through import ProviderWrite
from chatproof.harness.protocol.checks.waits import SlowTalk, proxies_are_told, something_comes, whole_though_slow
from chatproof.harness.protocol.findings import Check, Unjudged, Violation
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from tests.protocol.kit import sse

TIMES = (8.5, 9.0, 9.5, 18.0, 18.5)  # of the provider's tokens, asked at 0
SAID = [ProviderWrite(at, f"word{number} ") for number, at in enumerate(TIMES)]
TALK = SlowTalk("".join(one.text for one in SAID), SAID, 0.0, 0.5, 10.0)


def seen(check: Check, transcript: Transcript) -> str:
    """What the one violation says; empty where there is none."""
    found = check(transcript)
    assert len(found) <= 1
    return found[0].seen if found and isinstance(found[0], Violation) else ""


def heard(until: float, event: str, **body: object) -> Transcript:
    """The tokens that the provider wrote until then, and one more event at that time."""
    transcript = Transcript(Transport.WEBSOCKET, asked_at=0.0)
    for one in SAID:
        if one.at < until:
            transcript.event(one.at + 0.01, "chat_token", {"token": one.text})
    transcript.event(until, event, body)
    transcript.ended(until, End.COMPLETE)
    return transcript


def test_a_whole_slow_reply_is_kept() -> None:
    reply = heard(18.6, "chat_complete", done=True)
    assert not seen(whole_though_slow(TALK, is_success=True), reply)


@pytest.mark.parametrize(
    ("until", "told"),
    [
        (5.0, "5.0 s after the ask, when the provider had been silent for 5.0 s before its first token"),
        (14.5, "14.5 s after the ask, when the provider had been silent for 5.0 s between two tokens"),
        (9.2, "9.2 s after the ask, while the provider was talking"),
        (18.7, "18.7 s after the ask, when the provider had said all"),
    ],
)
def test_a_slow_reply_that_fails_says_what_the_provider_did(until: float, told: str) -> None:
    text = seen(whole_though_slow(TALK, is_success=False), heard(until, "chat_stream_error", error="Too slow."))
    assert told in text
    assert "Too slow." in text


def test_a_slow_reply_that_is_cut_says_what_is_lost() -> None:
    text = seen(whole_though_slow(TALK, is_success=True), heard(9.2, "chat_complete", done=True))
    assert "instead of 'word1 …word2" in text or "word2" in text
    assert "while the provider was talking" in text


def waited(*reads: float, until: float = 40.0) -> Transcript:
    """Comments at those times, and the end."""
    transcript = Transcript(Transport.SSE, asked_at=0.0)
    transcript.answered(0.0, 200, [])
    for at in reads:
        transcript.read(at, b": comment\n\n")
    transcript.ended(until, End.COMPLETE)
    return transcript


@pytest.mark.parametrize(
    ("reads", "told"),
    [
        ((15, 30), ""),
        ((20.5, 35), ""),
        ((), "nothing came for 30.0 s"),
        ((0.1, 29.9), "nothing came for 29.8 s while the provider was silent, from 0.1 s on"),
        ((5,), "nothing came for 25.0 s while the provider was silent, from 5.0 s on"),
    ],
)
def test_something_comes_every_twenty_seconds(reads: tuple[float, ...], told: str) -> None:
    text = seen(something_comes(0.0, 30.0, 20.0), waited(*reads))
    assert told in text
    assert bool(told) == bool(text)


def test_a_reply_that_ends_at_once_cannot_show_comments() -> None:
    (found,) = something_comes(0.0, 30.0, 20.0)(waited(until=1.0))
    assert isinstance(found, Unjudged)


@pytest.mark.parametrize(
    ("headers", "is_told"),
    [
        ([("x-accel-buffering", "no")], True),
        ([("x-accel-buffering", "No")], True),
        ([("server", "nginx/1.24.0")], True),
        ([("via", "1.1 Caddy")], True),
        ([("server", "gunicorn")], False),
        ([("x-accel-buffering", "yes")], False),
        ([], False),
    ],
)
def test_proxies_are_told_not_to_buffer(headers: list[tuple[str, str]], is_told: bool) -> None:
    assert bool(seen(proxies_are_told, sse(headers=headers))) != is_told


@pytest.mark.parametrize(
    ("text", "is_over", "told"),
    [
        ("alpha0 alpha1", False, ""),
        ("alpha0 alpha1 alpha2", True, ""),
        ("alpha0 beta1", False, "holds 'beta1', which another client's reply says"),
        ("alpha0 alpha2", False, "differs at character"),
        ("alpha0", True, "differs at character"),
    ],
)
def test_each_client_gets_its_own_text(text: str, is_over: bool, told: str) -> None:
    transcript = Transcript(Transport.WEBSOCKET)
    transcript.event(1.0, "chat_token", {"token": text})
    found = seen(gets_its_own("PERF-05", "alpha0 alpha1 alpha2 ", ["beta1"], is_over), transcript)
    assert told in found
    assert bool(told) == bool(found)
