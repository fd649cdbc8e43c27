"""Server-Sent Events: any way of cutting the bytes gives the same events."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.sse import decode_events, encode_event


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
    assert list(decode_events([*cut(body, places), b"\n"])) == texts


def test_several_data_lines_are_one_event() -> None:
    assert list(decode_events([b"event: x\ndata:a\ndata:  b\nid: 1\n\n"])) == ["a\n b"]


def test_an_event_without_its_blank_line_is_dropped() -> None:
    assert list(decode_events([b"data: whole\n\ndata: half\n"])) == ["whole"]


@pytest.mark.parametrize("body", [[b"data: \xff\n\n"], [b"data: "] + [b"x" * 100_000] * 11])
def test_garbage_is_refused(body: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"event without end|can't decode"):
        list(decode_events(body))


def test_an_event_is_one_line_and_keeps_its_characters() -> None:
    event = {"token": 'a\r\n\u2028é👩‍👧\\"data: '}
    data = encode_event(event)
    assert data.startswith(b"data: {")
    assert data.endswith(b"}\n\n")
    assert data.count(b"\n") == 2
    assert b"\r" not in data
    assert json.loads(data[6:]) == event
