"""What the readers make of servers, good and bad, over real sockets."""

from __future__ import annotations

import time

import pytest

from chatproof.harness.common.target import Target
from chatproof.harness.protocol.transcript import End
from chatproof.loadtests.address_rotation import AddressRotation
from chatproof.loadtests.readers.http_reader import Limits, StreamRequest, ask_over_http
from chatproof.loadtests.readers.reading import StreamOutcome, understand
from chatproof.loadtests.readers.strict import violations
from tests.loadtests.kit import HEAD, HOLD, LAST, RESET, Step, chunk, done, event, playing, reply, token
from tests.timing import timed

QUICK = Limits(connect=2.0, silence=0.4, whole=1.5, size=200_000, linger=0.2)
TWO: list[Step] = [HEAD, chunk(event(token(1))), 0.02, chunk(event(token(2)))]
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BARE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
WHOLE = event(token(1)) + event(done(1))
REFUSAL = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>hi</html>"

SERVERS: dict[str, tuple[list[Step], StreamOutcome]] = {
    "good": (reply(), StreamOutcome.COMPLETE),
    "good, with its last chunk late": ([*reply()[:-1], chunk(event(done(3))), 0.05, LAST], StreamOutcome.COMPLETE),
    "good, and the connection is kept": ([*reply(), HOLD], StreamOutcome.COMPLETE),
    "good, with trailers": ([*reply()[:-1], chunk(event(done(3))) + b"0\r\nX-A: b\r\n\r\n"], StreamOutcome.COMPLETE),
    "good, in carriage returns": (
        [HEAD, chunk(event(token(1), "\r\n") + event(done(1), "\r\n")) + LAST],
        StreamOutcome.COMPLETE,
    ),
    "good, by length": ([BARE + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE, HOLD], StreamOutcome.COMPLETE),
    "good, to the connection's end": ([BARE + b"\r\n" + WHOLE], StreamOutcome.COMPLETE),
    "good, behind an interim answer": ([b"HTTP/1.1 100 Continue\r\n\r\n", *reply()], StreamOutcome.COMPLETE),
    "good, byte by byte": (
        [bytes((one,)) for part in reply(1) if isinstance(part, bytes) for one in part],
        StreamOutcome.COMPLETE,
    ),
    "an error event": ([*TWO, chunk(event({"error": "the model is gone"})) + LAST], StreamOutcome.ERROR_EVENT),
    "limited": ([REFUSAL % 429], StreamOutcome.LIMITED),
    "refused": ([REFUSAL % 500], StreamOutcome.REFUSED),
    "cut": (TWO, StreamOutcome.CUT),
    "cut inside an event": ([*TWO, chunk(event(token(3)))[:-20]], StreamOutcome.CUT),
    "no blank line at the end": ([*TWO, chunk(event(done(2))[:-1]) + LAST], StreamOutcome.VIOLATION),
    "cut by length": ([BARE + b"Content-Length: 5000\r\n\r\n" + WHOLE[:60]], StreamOutcome.CUT),
    "no answer": ([], StreamOutcome.CUT),
    "reset": ([*TWO, RESET], StreamOutcome.RESET),
    "silent": ([HOLD], StreamOutcome.TIMEOUT),
    "stalled": ([*TWO, HOLD], StreamOutcome.TIMEOUT),
    "never over": (
        [HEAD, *[part for n in range(1, 60) for part in (chunk(event(token(n))), 0.1)]],
        StreamOutcome.TIMEOUT,
    ),
    "without a completion": ([*TWO, LAST], StreamOutcome.NO_TERMINAL),
    "held open": ([*TWO, chunk(event(done(2))), HOLD], StreamOutcome.VIOLATION),
    "not terminated": ([*TWO, chunk(event(done(2)))], StreamOutcome.VIOLATION),
    "a token behind the end": ([HEAD, chunk(WHOLE + event(token(2))) + LAST], StreamOutcome.VIOLATION),
    "html": ([HTML], StreamOutcome.VIOLATION),
    "not http": ([b"220 mail.example.com ESMTP\r\n\r\n"], StreamOutcome.VIOLATION),
    "too much": ([HEAD, *[chunk(b": " + b"x" * 60_000 + b"\n\n")] * 6, HOLD], StreamOutcome.VIOLATION),
}


@pytest.mark.parametrize("name", SERVERS)
def test_every_end_is_told_apart(name: str) -> None:
    steps, outcome = SERVERS[name]
    with playing(*steps) as target:
        reading = understand(ask_over_http(target, StreamRequest("hello"), limits=QUICK))
    assert reading.outcome is outcome, reading
    assert bool(reading.detail) == (outcome is not StreamOutcome.COMPLETE)
    if outcome is StreamOutcome.COMPLETE:
        assert violations(reading.recording) == []


def test_nobody_there_is_a_refusal() -> None:
    with playing() as target:
        pass
    recording = ask_over_http(target, StreamRequest("hello"), limits=QUICK)
    assert recording.end is End.REFUSED
    assert "Connection refused" in understand(recording).detail


@timed
def test_a_whole_reply_is_not_waited_on() -> None:
    with playing(*reply(), HOLD) as target:
        began = time.monotonic()
        ask_over_http(target, StreamRequest("hello"), limits=Limits())
        assert time.monotonic() - began < 1.0


@timed
def test_times_are_those_of_the_wire() -> None:
    pause = 0.12
    steps: list[Step] = [
        0.1,
        HEAD + chunk(event(token(1))),
        pause,
        chunk(event(token(2))),
        pause,
        chunk(event(done(2))) + LAST,
    ]
    with playing(*steps) as target:
        due = time.monotonic() - 0.5
        recording = ask_over_http(target, StreamRequest("hello"), intended_at=due)
    reading = understand(recording)
    gap = reading.token_times[1] - reading.token_times[0]
    assert pause - 0.01 < gap < pause + 0.1
    assert reading.first_token is not None
    assert reading.first_token > 0.6, "a late start is part of the latency"
    assert reading.whole is not None
    assert reading.whole >= reading.first_token + 2 * pause - 0.02


@timed
def test_an_empty_token_is_no_first_token() -> None:
    """Nor is it one between tokens, nor does it end a gap."""
    empty = chunk(event({"token": "", "count": 0, "partial": ""}))
    steps: list[Step] = [HEAD + empty, 0.3, empty + chunk(event(token(1))), 0.05, empty, 0.05, chunk(event(token(2)))]
    with playing(*steps, chunk(event(done(2))) + LAST) as target:
        reading = understand(ask_over_http(target, StreamRequest("hello")))
    assert reading.outcome is StreamOutcome.COMPLETE
    assert reading.first_token is not None
    assert 0.3 <= reading.first_token < 1.0
    first, second = reading.token_times
    assert 0.09 < second - first < 0.3
    assert reading.text == " t1 t2"


@timed  # events that come together share a read
def test_the_kernel_stamps_what_we_stamp() -> None:
    steps: list[Step] = [part for n in range(1, 30) for part in (chunk(event(token(n))), 0.01)]
    with playing(HEAD, *steps) as target:
        recording = ask_over_http(target, StreamRequest("hello"))
    assert 2 <= len(recording.lags) <= 5, "of one read in eight"
    assert all(-0.001 < lag < 5 for lag in recording.lags)


def test_a_user_who_hangs_up_is_no_failure_of_the_server() -> None:
    steps: list[Step] = [HEAD, *[part for n in range(1, 200) for part in (chunk(event(token(n))), 0.02)]]
    with playing(*steps) as target:
        began = time.monotonic()
        recording = ask_over_http(target, StreamRequest("hello", stop_after=0.2))
    assert recording.stopped_at is not None
    assert 0.2 <= recording.stopped_at - began < 1.5
    assert understand(recording).outcome is StreamOutcome.INTERRUPTED


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"response": "hi"}', StreamOutcome.COMPLETE),
        (b"[1]", StreamOutcome.VIOLATION),
        (b"<html>", StreamOutcome.VIOLATION),
    ],
)
def test_plain_chat(body: bytes, outcome: StreamOutcome) -> None:
    with playing(PLAIN + b"Content-Length: %d\r\n\r\n" % len(body) + body) as target:
        reading = understand(ask_over_http(target, StreamRequest("hello", plain=True)))
    assert reading.outcome is outcome


def test_json_may_hold_what_ends_a_stream() -> None:
    body = b'{"a": [1,\r\n0\r\n\r\n]}'  # a read that ends behind the second line break looks like the last chunk
    first, second = chunk(body)[:-4], chunk(body)[-4:]
    assert first.endswith(b"\r\n0\r\n\r\n")
    with playing(PLAIN + b"Transfer-Encoding: chunked\r\n\r\n", first, 0.1, second + LAST) as target:
        reading = understand(ask_over_http(target, StreamRequest("hello", plain=True)))
    assert reading.outcome is StreamOutcome.COMPLETE, reading.detail


def test_strict_checks_see_what_the_fast_parser_does_not() -> None:
    wrong = {**token(2), "count": 7}
    with playing(HEAD, chunk(event(token(1)) + event(wrong) + event(done(2))) + LAST) as target:
        reading = understand(ask_over_http(target, StreamRequest("hello")))
    assert reading.outcome is StreamOutcome.COMPLETE
    assert {name for name, _ in violations(reading.recording)} == {"TOK-02", "END-03"}


def test_source_addresses_keep_within_the_limit() -> None:
    sources = AddressRotation.towards(Target.parse("http://127.0.0.1:9"))
    given = [sources.next() for _ in range(95)]
    counts = {address: given.count(address) for address in given}
    assert list(counts.values()) == [30, 30, 30, 5]
    assert AddressRotation.towards(Target.parse("http://192.0.2.1")).next() is None
    with playing(*reply()) as target:
        recording = ask_over_http(target, StreamRequest("hello"), source=given[0])
    assert understand(recording).outcome is StreamOutcome.COMPLETE
