"""Checks of the stream on the wire, on bytes."""

from __future__ import annotations

import json

import pytest

from chatproof.harness.protocol.checks import sse as checks
from chatproof.harness.protocol.findings import Check
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from tests.protocol.kit import HEADERS, completion, is_kept, is_unjudged, sound, sse, tokens, violated

ALL = (*checks.STREAM_CHECKS, checks.events_come_whole, checks.not_cacheable)
FIRST = b'data: {"token": "a", "count": 1, "partial": "a"}\n\n'
DONE = f"data: {json.dumps(completion('a', 1))}\n\n".encode()


def with_header(name: str, value: str) -> list[tuple[str, str]]:
    return [(key, text) for key, text in HEADERS if key != name] + [(name, value)]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_a_sound_stream_keeps_all(check: Check) -> None:
    assert is_kept(check, sse())


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_without_a_stream_nothing_is_judged(check: Check) -> None:
    assert is_unjudged(check, sse(body=b"oops", status=500))


LEGAL = {
    "CR LF": FIRST.replace(b"\n", b"\r\n") + DONE.replace(b"\n", b"\r\n"),
    "comments": b": hello\n\n" + FIRST + b":\n\n" + DONE,
    "other fields": b"retry: 100\n\nid: 1\n" + FIRST + b"id: 2\n" + DONE,
    "named message": b"event: message\n" + FIRST + DONE,
    "named ping": FIRST + b'event: ping\ndata: {"at": 1}\n\n' + DONE,
    "several blank lines": b"\n\n" + FIRST + b"\n\n" + DONE,
    "byte order mark": b"\xef\xbb\xbf" + FIRST + DONE,
    "raw U+2028": FIRST.replace(b'"a"', '"\u2028"'.encode()) + DONE,
    "unknown object": b'data: {"session": "x"}\n\n' + FIRST + DONE,
    "escaped": FIRST.replace(b'"a"', b'"\\u00e9\\ud83d\\ude42"') + DONE,
}


@pytest.mark.parametrize("body", LEGAL.values(), ids=LEGAL.keys())
def test_what_is_legal_passes(body: bytes) -> None:
    for check in ALL:
        assert is_kept(check, sse(body=body)), check.id


BROKEN = {
    "no space": ("SSE-02", FIRST.replace(b"data: ", b"data:")),
    "python's repr": ("SSE-02", b"data: {'token': 'a'}\n\n"),
    "a list": ("SSE-02", b"data: [1]\n\n"),
    "half an object": ("SSE-02", b'data: {"token": "a"\n\n'),
    "object over two lines": ("SSE-02", b'data: {"token": "a",\ndata: "count": 1, "partial": "a"}\n\n'),
    "no blank line between": ("SSE-02", FIRST.rstrip() + b"\n" + DONE),
    "no blank line at the end": ("SSE-02", FIRST + DONE.rstrip()),
    "nothing at all": ("SSE-02", b": only a comment\n\n"),
    "not UTF-8": ("SSE-03", FIRST + b'data: {"token": "\xff", "count": 2, "partial": "a"}\n\n'),
    "NaN": ("SSE-03", FIRST + DONE.replace(b'"tokens_per_second": 0.5', b'"tokens_per_second": NaN')),
    "lone surrogate": ("SSE-03", FIRST.replace(b'"a"', b'"\\ud800"')),
    "encoded twice": ("SSE-03", b'data: "{\\"token\\": \\"a\\"}"\n\n'),
    "end mark": ("SSE-04", FIRST + DONE + b"data: [DONE]\n\n"),
    "HTML": ("SSE-04", b"<!doctype html>\n" + FIRST + DONE),
    "bare JSON": ("SSE-04", FIRST + b'{"token": "a"}\n\n' + DONE),
    "traceback": ("SSE-04", FIRST + b"Traceback (most recent call last):\n"),
    "named": ("SSE-05", b"event: token\n" + FIRST + DONE),
    "named end": ("SSE-05", FIRST + b"event: end\n" + DONE),
}


@pytest.mark.parametrize(("requirement", "body"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_caught_by_its_own_id(requirement: str, body: bytes) -> None:
    transcript = sse(body=body)
    caught = {check.id for check in ALL if violated(check, transcript)}
    assert caught == {requirement}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("text/event-stream", True),
        ("text/event-stream; charset=utf-8", True),
        ('Text/Event-Stream;charset="UTF-8"', True),
        ("text/event-stream; charset=latin-1", False),
        ("text/plain", False),
        ("application/json", False),
    ],
)
def test_content_type(value: str, kept: bool) -> None:
    assert is_kept(checks.content_type, sse(headers=with_header("content-type", value))) is kept


@pytest.mark.parametrize(
    ("value", "kept"),
    [("no-cache", True), ("private, No-Store", True), ("no-cache, no-transform", True), ("max-age=60", False)],
)
def test_cache_control(value: str, kept: bool) -> None:
    assert is_kept(checks.not_cacheable, sse(headers=with_header("cache-control", value))) is kept


def test_a_stream_cut_in_a_character_is_not_blamed_for_its_text() -> None:
    transcript = sse(body=FIRST + b'data: {"token": "\xf0\x9f', end=End.RESET)
    assert is_kept(checks.strict_text, transcript)
    assert is_kept(checks.one_object_a_line, transcript)


def test_a_response_that_stays_open_is_caught() -> None:
    assert violated(checks.ends_after_terminal, sse(end=End.TIMEOUT, ended=107.0))
    assert violated(checks.ends_after_terminal, sse(ended=107.0))
    assert is_kept(checks.ends_after_terminal, sse(ended=105.9))


def test_framing() -> None:
    assert violated(checks.framing_is_sound, sse(end=End.TRUNCATED, fault="incomplete chunked read"))
    assert is_kept(checks.framing_is_sound, sse(headers=[("content-type", "text/event-stream")]))
    both = [*HEADERS, ("content-length", "5")]
    assert violated(checks.framing_is_sound, sse(headers=both))
    assert is_unjudged(checks.framing_is_sound, sse(end=End.TIMEOUT))


def test_a_pause_inside_an_event_is_caught_and_one_between_is_not() -> None:
    def with_pause(seconds: float) -> Transcript:
        transcript = Transcript(Transport.SSE, status=200, asked_at=10.0)
        transcript.read(11.0, FIRST + DONE[:20])
        transcript.read(11.0 + seconds, DONE[20:])
        transcript.ended(12.0, End.COMPLETE)
        return transcript

    assert violated(checks.events_come_whole, with_pause(0.06))
    assert is_kept(checks.events_come_whole, with_pause(0.04))
    assert is_kept(checks.events_come_whole, sse(sound()))


def test_an_event_over_16_kb_may_take_its_time() -> None:
    large = f"data: {json.dumps(tokens('x' * 20_000)[0])}\n\n".encode()
    transcript = Transcript(Transport.SSE, status=200)
    transcript.read(1.0, large[:9000])
    transcript.read(2.0, large[9000:])
    transcript.ended(2.0, End.COMPLETE)
    assert is_kept(checks.events_come_whole, transcript)
