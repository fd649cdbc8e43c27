"""The forms in which a request is written, and what the client does while it holds a body back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from chatproof.harness.client import sender
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.client.manner import Manner
from chatproof.harness.protocol.sent import SentRequest
from tests.harness.test_http import ASK, CHUNKED, EVENT, Answer, asked, chunk

HEAD, BODY = b"POST / HTTP/1.1\r\n\r\n", b'{"message": "hello"}'
REPLY = CHUNKED + chunk(EVENT) + chunk(b"")
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("manner", "packets"),
    [
        (Manner(), [HEAD + BODY]),
        (Manner(packets=(0,)), [HEAD, BODY]),
        (Manner(packets=(5,)), [HEAD + BODY[:5], BODY[5:]]),
        (Manner(packets=(0, 5)), [HEAD, BODY[:5], BODY[5:]]),
        (Manner(packets=(len(BODY),)), [HEAD + BODY]),
        (Manner(is_chunked=True), [HEAD + b"a\r\n" + BODY[:10] + b"\r\na\r\n" + BODY[10:] + b"\r\n0\r\n\r\n"]),
        (Manner(holds_back=True), [HEAD, BODY]),
    ],
)
def test_the_packets_of_a_request(manner: Manner, packets: list[bytes]) -> None:
    assert manner.written(HEAD, BODY) == packets


def test_headers_are_added_where_the_request_brings_none() -> None:
    host = ("Host", "x")
    usual = (host, ("User-Agent", "chatproof"), ("Accept", "text/event-stream, application/json"))
    assert Manner().headers((host,), None) == usual
    assert Manner().headers((host,), b"abc") == (*usual, ("Content-Length", "3"))
    own = (host, ("accept", "*/*"), ("user-agent", "curl"))
    assert Manner().headers(own, None) == own
    assert Manner(accept=None).headers((host,), None) == usual[:2]
    assert Manner(is_chunked=True).headers((host,), b"abc")[-1] == ("Transfer-Encoding", "chunked")
    assert {name for name, _ in Manner(in_small_letters=True).headers((host,), b"")} == {
        "host",
        "user-agent",
        "accept",
        "content-length",
    }


def answers(*pieces: bytes) -> tuple[Answer, list[bytes]]:
    """A peer that reads the body between two pieces of its answer, and what it has read."""
    bodies: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *rest = pieces
        writer.write(first)
        for piece in rest:
            bodies.append(await reader.readexactly(len(ASK.body)))
            writer.write(piece)
        await writer.drain()

    return answer, bodies


HELD_BACK = replace(ASK, manner=Manner(holds_back=True))


async def test_a_body_that_is_asked_for_is_sent() -> None:
    answer, bodies = answers(GO_ON, REPLY)
    reply = await asked(answer, HELD_BACK)
    assert (reply.status, bodies) == (200, [ASK.body])


async def test_a_body_is_not_sent_once_the_answer_is_there() -> None:
    answer, _ = answers(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
    assert (await asked(answer, HELD_BACK)).status == 417


async def test_a_body_that_nobody_asks_for_is_sent_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "HELD_BACK", 0.1)
    answer, bodies = answers(b"", REPLY)
    reply = await asked(answer, HELD_BACK)
    assert (reply.status, bodies) == (200, [ASK.body])


async def test_what_was_sent_says_how() -> None:
    answer, _ = answers(REPLY)
    request = HttpRequest("POST", "/", b"abc", manner=Manner(version="1.0", packets=(1,)))
    sent = (await asked(answer, request)).sent
    assert isinstance(sent, SentRequest)
    assert (sent.version, sent.in_packets) == ("1.0", True)
