"""The recording HTTP client, against peers that end their answers in every way."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import brotli
import pytest

from chatproof.harness.client.http import Deadlines, HttpExchange, HttpRequest
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.transcript import End, Transcript

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
EVENT = b'data: {"token": "a", "count": 1, "partial": "a"}\n\n'
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ASK = HttpRequest.json("POST", "/api/chat/stream", {"message": "hello"})


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@asynccontextmanager
async def peer(answer: Answer) -> AsyncIterator[Target]:
    """A server that takes a request and answers as told, then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client left, as some tests want
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Target("http", "127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


async def asked(answer: Answer, request: HttpRequest = ASK, deadlines: Deadlines | None = None) -> Transcript:
    async with peer(answer) as target:
        return await HttpExchange(target, request, deadlines=deadlines or Deadlines(silence=2)).start().finish()


def writes(*pieces: bytes) -> Answer:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.03)

    return answer


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 103 Early Hints\r\n\r\n"])
async def test_no_answer_is_told_in_words(sent: bytes) -> None:
    reply = await asked(writes(sent))
    assert (reply.is_unanswered, reply.end) == (True, End.TRUNCATED)
    assert reply.outcome() == "no answer: the connection was closed without an answer"


async def test_silence_is_told_in_seconds() -> None:
    async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    reply = await asked(wait, deadlines=Deadlines(silence=0.2))
    assert reply.outcome() == "no answer: nothing for 0.2 s"


async def test_a_whole_answer_is_complete() -> None:
    reply = await asked(writes(CHUNKED, chunk(EVENT), chunk(EVENT), b"0\r\n\r\n"))
    assert (reply.end, reply.status, reply.body) == (End.COMPLETE, 200, EVENT * 2)
    assert [message.token for message in reply.messages] == ["a", "a"]
    assert reply.messages[1].at - reply.messages[0].at >= 0.02
    assert reply.asked_at < reply.messages[0].at < (reply.ended_at or 0)


@pytest.mark.parametrize(
    "answer",
    [
        writes(CHUNKED, chunk(EVENT)),
        writes(CHUNKED, chunk(EVENT)[:-20]),
        writes(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", EVENT),
        writes(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + EVENT),
        writes(CHUNKED, b"zz\r\n"),
        writes(b"garbage\r\n\r\n"),
        writes(),
    ],
    ids=["no last chunk", "half a chunk", "too short", "too long", "no chunk size", "no HTTP", "no answer"],
)
async def test_wrong_framing_is_truncated(answer: Answer) -> None:
    reply = await asked(answer)
    assert reply.end is End.TRUNCATED
    assert reply.fault


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
async def test_a_body_may_end_with_the_connection(version: bytes) -> None:
    reply = await asked(writes(version + b" 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", EVENT))
    assert (reply.end, reply.body) == (End.COMPLETE, EVENT)


async def test_a_reset_is_told_from_an_end() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + chunk(EVENT))
        await writer.drain()
        await asyncio.sleep(0.05)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    reply = await asked(answer)
    assert (reply.end, reply.body) == (End.RESET, EVENT)


async def test_silence_is_a_timeout() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        await reader.read()

    reply = await asked(answer, deadlines=Deadlines(silence=0.2))
    assert (reply.end, reply.status) == (End.TIMEOUT, 200)


async def test_talk_without_end_is_a_timeout_too() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while True:
            writer.write(chunk(b": still there\n\n"))
            await writer.drain()
            await asyncio.sleep(0.01)

    reply = await asked(answer, deadlines=Deadlines(silence=0.3, whole=0.6, cut="; usually longer"))
    assert (reply.end, reply.fault) == (End.TIMEOUT, "not over after 0.6 s; usually longer")


async def test_a_body_without_bounds_is_left() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while True:
            writer.write(chunk(b"x" * (1 << 20)))
            await writer.drain()

    reply = await asked(answer, deadlines=Deadlines(silence=5, whole=30))
    assert reply.end is End.TOO_LARGE


async def test_nobody_there_is_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = Target("http", "127.0.0.1", unused.getsockname()[1])
        reply = await HttpExchange(target, ASK).start().finish()
    assert reply.end is End.REFUSED
    assert "refused" in reply.fault


async def test_an_early_refusal_of_a_large_body_is_seen() -> None:
    """The server answers and closes while the client still sends."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()

    reply = await asked(answer, HttpRequest("POST", "/", b"x" * (10 << 20)))
    assert reply.status == 413


def flushed_gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(EVENT, mtime=1)),
        ("gzip", flushed_gzip(EVENT)),
        ("deflate", zlib.compress(EVENT)),
        ("deflate", raw_deflate(EVENT)),
        ("br", brotli.compress(EVENT)),
    ],
)
async def test_compressed_events_are_read_as_they_come(encoding: str, data: bytes) -> None:
    head = CHUNKED.replace(b"\r\n\r\n", f"\r\nContent-Encoding: {encoding}\r\n\r\n".encode())
    reply = await asked(writes(head, chunk(data[:7]), chunk(data[7:]), b"0\r\n\r\n"))
    assert (reply.end, reply.body) == (End.COMPLETE, EVENT)


async def test_broken_compression_is_told() -> None:
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    reply = await asked(writes(head, chunk(b"not gzip at all"), b"0\r\n\r\n"))
    assert reply.end is End.TRUNCATED
    assert "Content-Encoding" in reply.fault


@pytest.mark.parametrize("by_reset", [False, True])
async def test_the_client_leaves_by_fin_or_by_rst(by_reset: bool) -> None:
    ends: list[str] = []
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + chunk(EVENT))
        try:
            while await reader.read(1 << 16):
                pass  # the request's own body
            ends.append("fin")
        except ConnectionResetError:
            ends.append("rst")
        finally:
            over.set()

    async with peer(answer) as target:
        exchange = HttpExchange(target, ASK).start()
        assert await exchange.until(lambda reply: bool(reply.tokens), 2)
        await (exchange.reset() if by_reset else exchange.close())
        async with asyncio.timeout(2):
            await over.wait()
    assert ends == ["rst" if by_reset else "fin"]
    assert exchange.transcript.end is End.LEFT


async def test_the_source_address_is_the_callers_choice() -> None:
    seen: list[str] = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peername")[0])
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    async with peer(answer) as target:
        await HttpExchange(target, ASK, source="127.83.4.5").start().finish()
    assert seen == ["127.83.4.5"]
