"""The kept connections to the control API, against servers that answer as they like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chatproof.fake_providers.journal.control_client import MAX_WAIT_S, Fakes, FakesError
from chatproof.fake_providers.journal.control_connection import ControlAnswer, ControlConnections, NoAnswerError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


@asynccontextmanager
async def answering(*answers: bytes, closes: bool = False) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that gives each request the next answer. Gives its address, and for each request the number of the
    connection on which it came."""
    left, came, connections = list(answers), list[int](), 0
    handlers: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        own = connections
        handlers.append(asyncio.current_task())
        while left and await reader.read(10_000):
            came.append(own)
            writer.write(answer := left.pop(0))
            if closes or answer is LAST:
                break
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came
        await asyncio.gather(*filter(None, handlers))


async def test_a_connection_is_kept_unless_the_server_closes_it() -> None:
    async with answering(OK, CHUNKED, LAST, OK) as (url, came):
        connections = ControlConnections(url, most=1)
        for _ in range(4):
            assert await connections.ask("GET", "/", b"", 5) == ControlAnswer(200, b"{}")
        connections.close()
    assert came == [1, 1, 1, 2]


@pytest.mark.parametrize("answer", [b"+PONG\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b""])
async def test_what_is_no_whole_answer_is_an_error(answer: bytes) -> None:
    async with answering(answer, closes=True) as (url, _):
        connections = ControlConnections(url, most=1)
        with pytest.raises(NoAnswerError, match=r"not HTTP|closed before the answer was whole"):
            await connections.ask("GET", "/", b"", 5)


async def test_nothing_is_one_clear_line_after_the_timeout() -> None:
    async with answering(b"", OK) as (url, _):
        connections = ControlConnections(url, most=1)
        with pytest.raises(TimeoutError):
            await connections.ask("GET", "/", b"", 0.05)


async def test_another_server_is_not_taken_for_the_fakes() -> None:
    async with answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nWhat?") as (url, _), Fakes(url) as fakes:
        with pytest.raises(FakesError, match="did not answer GET /_fake/health: ") as seen:
            await fakes.health()
    assert "\n" not in str(seen.value)


async def test_a_longer_wait_than_the_fakes_allow_is_asked_in_pieces() -> None:
    asked: list[float] = []

    class Patient(Fakes):
        async def _ask(self, *_: Any, params: dict[str, Any] | None = None, **__: Any) -> dict[str, Any]:
            asked.append((params or {})["timeout"])
            return {"entries": [], "timed_out": len(asked) < 3}

    async with Patient("http://127.0.0.1:9") as fakes:
        assert await fakes.wait_ended("some", timeout=322.5) == []
    assert asked == [MAX_WAIT_S, MAX_WAIT_S, 82.5]
