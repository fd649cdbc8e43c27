"""The strict SSE parser: what it gives for given bytes, however they are cut."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import httpx
import httpx_sse
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatproof.harness.protocol.sse_parser import BadText, Comment, Event, Field, Item, SseParser, Stray


def parsed(*pieces: bytes) -> list[Item]:
    parser = SseParser()
    items = [item for piece in pieces for item in parser.feed(piece)]
    return items + parser.close()


def test_an_event_is_its_fields_up_to_a_blank_line() -> None:
    assert parsed(b'data: {"a": 1}\n\n') == [Event((Field("data", '{"a": 1}', True, 15),), 0, 16)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_end_in_lf_or_crlf(end: bytes) -> None:
    (event,) = parsed(b"event: x" + end + b"data: 1" + end + end)
    assert isinstance(event, Event)
    assert (event.name, event.data, event.closed) == ("x", ("1",), True)


def test_a_lone_carriage_return_is_told() -> None:
    stray, event = parsed(b"data: a\rb\n\n")
    assert isinstance(stray, Stray)
    assert "carriage return" in stray.why
    assert isinstance(event, Event)


def test_a_comment_is_no_event() -> None:
    assert parsed(b": hello\n\n:x\n") == [Comment("hello", 0, 8), Comment("x", 9, 12)]


def test_the_space_behind_the_colon_is_told() -> None:
    events = parsed(b"data:1\n\ndata:  2\n\n")
    assert [event.fields for event in events if isinstance(event, Event)] == [
        (Field("data", "1", False, 7),),
        (Field("data", " 2", True, 17),),
    ]


@pytest.mark.parametrize("line", [b'{"token": "x"}', b"<html>", b"Traceback (most recent call last):", b"datum: 1"])
def test_other_lines_are_strays(line: bytes) -> None:
    (stray,) = parsed(line + b"\n")
    assert isinstance(stray, Stray)
    assert stray.text == line.decode()


def test_bytes_that_are_no_utf8_are_told_and_read_on() -> None:
    bad, event, good = parsed(b"data: \xff\n\ndata: ok\n\n")
    assert isinstance(bad, BadText)
    assert "byte 6" in bad.why
    assert isinstance(event, Event)
    assert event.data == ("�",)
    assert isinstance(good, Event)
    assert good.data == ("ok",)


def test_an_event_without_its_blank_line_is_open() -> None:
    (event,) = parsed(b"data: 1\n")
    assert isinstance(event, Event)
    assert not event.closed


def test_a_line_that_never_ends_is_given_at_the_close() -> None:
    (event,) = parsed(b"data: 1")
    assert isinstance(event, Event)
    assert (event.data, event.closed) == (("1",), False)


def test_a_byte_order_mark_at_the_start_is_no_text() -> None:
    (event,) = parsed(b"\xef\xbb\xbfdata: 1\n\n")
    assert isinstance(event, Event)
    assert event.data == ("1",)


def test_unicode_line_separators_are_text() -> None:
    (event,) = parsed('data: "a\u2028b\u0085c\u000bd"\n\n'.encode())
    assert isinstance(event, Event)
    assert event.data == ('"a\u2028b\u0085c\u000bd"',)


LINES = st.lists(
    st.sampled_from(
        [
            'data: {"token": "é", "count": 1}',
            "data: 👩‍👩‍👧 \u2028",
            "data:x",
            "data",
            ": comment",
            "event: token",
            "id: 7",
            "retry: 100",
            "stray",
            "",
            "",
            "\r",
            "a\rb",
        ]
    ),
    max_size=12,
)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.binary(max_size=3), st.data())
def test_every_way_of_cutting_gives_the_same(lines: list[str], end: str, tail: bytes, data: st.DataObject) -> None:
    """Bytes may come in any pieces; what stood in them does not depend on it."""
    body = end.join(lines).encode() + tail
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    edges = [0, *cuts, len(body)]
    pieces = [body[start:stop] for start, stop in pairwise(edges)]
    assert parsed(*pieces) == parsed(body)
    assert parsed(*(bytes([byte]) for byte in body)) == parsed(body)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=30)


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_httpx_sse_reads_the_same(texts: list[str]) -> None:
    """A second opinion: what we call sound decodes the same there."""
    # httpx-sse 0.4 splits lines by Unicode rules, which the standard does not: those are left out here
    texts = ["".join(text.split()).join("xy") for text in texts]
    body = "".join(f"data: {text}\n\n" for text in texts).encode()
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, content=body)
    theirs = [event.data for event in httpx_sse.EventSource(response).iter_sse()]
    ours = [event.data[0] for event in parsed(body) if isinstance(event, Event)]
    assert ours == theirs == texts


def test_a_megabyte_line_in_small_pieces_is_read_in_linear_time() -> None:
    """Each byte is searched once: a quadratic parser would take minutes here."""
    parser = SseParser()
    piece = b"x" * 64

    async def feed() -> None:
        async with asyncio.timeout(20):
            for index in range(1 << 15):
                parser.feed(piece)
                if index % 1024 == 0:
                    await asyncio.sleep(0)

    asyncio.run(feed())
    assert parser.feed(b"\n") != []
