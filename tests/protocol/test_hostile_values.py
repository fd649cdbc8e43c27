"""Values that a hostile server may send where a number or an object should be: the parsers refuse them, and raise
nothing."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from chatproof.harness.client.http import json_of
from chatproof.harness.protocol.engineio import Bad, Emitted, Opened, PacketDecoder
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import JsonFault, decode_object, is_integer, is_number
from chatproof.harness.protocol.transcript import Transcript, Transport
from chatproof.loadtests.readers.http_response import ResponseHead

DEEP = "[" * 200_000
DIGITS = "9" * 5_000  # more than `int` reads
BIG = "9" * 4_000  # more than a float holds


def nested(levels: int) -> str:
    """JSON that the decoder of the standard library still reads, and that a recursive function does not."""
    return "[" * levels + "1" + "]" * levels


@pytest.mark.parametrize(
    "handshake",
    [
        DEEP,
        f'{{"sid": {DEEP}',
        '{"sid": "a", "pingInterval": NaN, "pingTimeout": 20000}',
        '{"sid": "a", "pingInterval": Infinity, "pingTimeout": 20000}',
        '{"sid": "a", "pingInterval": 25000, "pingTimeout": -1}',
        '{"sid": "a", "pingInterval": 25000, "pingTimeout": 1e300}',
        f'{{"sid": "a", "pingInterval": {BIG}, "pingTimeout": 20000}}',
        f'{{"sid": "a", "pingInterval": {DIGITS}, "pingTimeout": 20000}}',
        '{"sid": "a", "pingInterval": "25000", "pingTimeout": 20000}',
        '{"sid": "a", "pingInterval": true, "pingTimeout": 20000}',
        '{"sid": "a b HTTP/1.1\\r\\nX-Smuggled: yes", "pingInterval": 25000, "pingTimeout": 20000}',
        f'{{"sid": "{"s" * 5000}", "pingInterval": 25000, "pingTimeout": 20000}}',
        "[]",
        "null",
    ],
)
def test_a_handshake_that_no_client_could_use_is_bad(handshake: str) -> None:
    assert isinstance(PacketDecoder().feed("0" + handshake), Bad)


def test_a_usual_handshake_is_read() -> None:
    text = '{"sid": "bC-_9", "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1000000}'
    assert PacketDecoder().feed("0" + text) == Opened("bC-_9", 25.0, 20.0)


@pytest.mark.parametrize("data", [DEEP, f'["token", {DEEP}', f'["token", {DIGITS}]'])
def test_an_event_that_cannot_be_read_is_bad(data: str) -> None:
    assert isinstance(PacketDecoder().feed("42" + data), Bad)


def test_a_deep_event_is_read_and_shown() -> None:
    levels = sys.getrecursionlimit() // 2
    signal = PacketDecoder().feed(f'42["error", {{"error": {nested(levels)}}}]')
    assert isinstance(signal, Emitted)
    transcript = Transcript(Transport.WEBSOCKET)
    transcript.event(0.0, signal.name, signal.args[0])
    assert transcript.outcome()


@pytest.mark.parametrize("text", [DEEP, f'{{"count": {DIGITS}}}', f'{{"token": {DEEP}'])
def test_an_object_that_cannot_be_read_is_a_fault(text: str) -> None:
    assert decode_object(text).faults == (JsonFault.NOT_JSON,)


def test_a_deep_object_is_searched_for_surrogates_all_the_way_down() -> None:
    levels = sys.getrecursionlimit() // 2
    inner = nested(levels).replace("1", r'"\ud800"')
    assert decode_object(f'{{"token": {inner}}}').faults == (JsonFault.SURROGATE,)
    assert decode_object(f'{{"token": {nested(levels)}}}').faults == ()


def test_a_number_beyond_every_float_is_no_number() -> None:
    number = json.loads(BIG)
    assert not is_number(number)
    assert not is_integer(number)
    assert is_number(10**300)


def test_what_is_nested_too_deeply_is_still_shown() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    assert "nested" in shown(value)
    while isinstance(value, list):  # freed level by level
        value = value[0]


def test_a_body_that_is_too_deep_is_no_json() -> None:
    answer = Transcript(Transport.SSE)
    answer.read(0.0, DEEP.encode())
    assert json_of(answer) is None


@pytest.mark.parametrize("length", [DIGITS, "²", "-1", "1e3", "0x10", ""])
def test_the_load_tests_take_no_content_length_that_is_no_number(length: str) -> None:
    assert ResponseHead(200, [("content-length", length)], 0).length is None
