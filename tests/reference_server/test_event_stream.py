"""Server-Sent Events: any way of cutting the bytes gives the same events."""

import json
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatproof.reference_server.event_stream import decode_events, decode_lines, encode_event


def decoded(pieces: list[bytes]) -> list[str]:
    return [data.decode() for data in chain.from_iterable(decode_events(pieces))]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"))),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    places=st.lists(st.integers(0, 10_000)),
)
def test_any_cut_gives_the_same_events(texts: list[str], line_end: str, places: list[int]) -> None:
    body = "".join(f": comment{line_end}data: {text}{line_end * 2}" for text in texts).encode()
    # A last CR may be half of a line end, so the decoder waits for what follows it.
    assert decoded([*cut(body, places), b"\n"]) == texts


def test_several_data_lines_are_one_event() -> None:
    assert decoded([b"event: x\ndata:a\ndata:  b\nid: 1\n\n"]) == ["a\n b"]


def test_an_event_without_its_blank_line_is_dropped() -> None:
    assert decoded([b"data: whole\n\ndata: half\n"]) == ["whole"]


def test_events_that_come_together_are_given_together() -> None:
    pieces = [b"data: 1\n\ndata: 2\n\nda", b"ta: 3\n", b"\ndata: 4\n\n"]
    assert list(decode_events(pieces)) == [[b"1", b"2"], [b"3", b"4"]]


def test_an_event_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="event is too long"):
        list(decode_events([b"data: "] + [b"x" * 100_000 + b"\ndata: "] * 11))


def test_lines_may_be_cut_anywhere() -> None:
    body = 'é\u2028\n\n{"a": 1}\r\nrest'.encode()
    for place in range(len(body)):
        lines = chain.from_iterable(decode_lines([body[:place], body[place:]]))
        assert [line.decode() for line in lines] == ["é\u2028", "", '{"a": 1}', "rest"]


def test_a_line_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="line is too long"):
        list(decode_lines([b"x" * 600_000] * 2))


def test_an_event_is_one_line_and_keeps_its_characters() -> None:
    event = {"token": 'a\r\n\u2028é👩‍👧\\"data: '}
    data = encode_event(event)
    assert data.startswith(b"data: {")
    assert data.endswith(b"}\n\n")
    assert data.count(b"\n") == 2
    assert b"\r" not in data
    assert json.loads(data[6:]) == event
