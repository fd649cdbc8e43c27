"""Clients of a chat server on loopback, cheap and from many addresses.

A server allows each address 30 requests a minute, so each connection changes to a new address of 127.0.0.0/8 after 30
requests. If a server closes the connection after each reply, the next request uses a new one from the same address.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, cast

import uvloop

from bench.chat import TOKENS, check_fully, check_quickly, request, words
from bench.client import Load
from bench.reply import WrongReply

ASKS_PER_ADDRESS: Final = 30
_END: Final = b"0\r\n\r\n"
_REPLY_S: Final = 30.0
_WARMING: Final = 16  # connections

Requests = Callable[[], bytes]


def addresses() -> Iterator[str]:
    """Yield addresses of 127.0.0.0/8, each once, without 127.0.0.1."""
    for high, middle, low in itertools.product(range(64, 128), range(256), range(1, 255)):
        yield f"127.{high}.{middle}.{low}"


class Reading(asyncio.Protocol):
    """One connection. `reads`: the reply's bytes with their time.monotonic() seconds."""

    def __init__(self) -> None:
        self.reads: list[tuple[float, bytes]] = []
        self.lost = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.reads, self._end = [], b""
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.reads.append((time.monotonic(), data))
        self._end = data[-5:] if len(data) >= 5 else (self._end + data)[-5:]
        if self._end == _END and not self.done.done():
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.done.done():  # ends a reply without a length; the check shows whether it is complete
            self.done.set_result(None)

    @property
    def stays(self) -> bool:
        """Whether the connection stays open after this reply."""
        return not self.lost and b"connection: close" not in self.reply()[:1000].lower()

    def reply(self) -> bytes:
        return b"".join(data for _, data in self.reads)


async def connect(port: int, address: str) -> Reading:
    """Open a connection from that address."""
    loop = asyncio.get_running_loop()
    plain = socket.socket()
    try:
        plain.setblocking(False)
        plain.bind((address, 0))
        await loop.sock_connect(plain, ("127.0.0.1", port))
        return (await loop.create_connection(Reading, sock=plain))[1]
    except BaseException:
        plain.close()
        raise


class Crowd:
    """Connections that each send one request after the other, and the count of their complete replies."""

    def __init__(self, port: int, requests: Requests, tokens: list[str], from_addresses: Iterator[str]) -> None:
        self.streams = 0
        self.over = False
        self.verify_next = True
        self._port = port
        self._requests = requests
        self._tokens = tokens
        self._addresses = from_addresses

    async def visit(self, stop_at: int | None = None) -> None:
        """Send requests on one connection until the crowd is over, or has had `stop_at` replies.

        Raises WrongReply, OSError or TimeoutError.
        """
        reading: Reading | None = None
        left = 0
        try:
            while not self.over and (stop_at is None or self.streams < stop_at):
                if not left:
                    address, left = next(self._addresses), ASKS_PER_ADDRESS
                    if reading is not None:
                        reading.transport.abort()
                        reading = None
                if reading is None or not reading.stays:
                    if reading is not None:
                        reading.transport.abort()
                    reading = await connect(self._port, address)
                left -= 1
                reading.ask(self._requests())
                async with asyncio.timeout(_REPLY_S):
                    await reading.done
                self._check(reading.reply())
                self.streams += 1
        finally:
            if reading is not None:
                reading.transport.abort()

    def _check(self, raw: bytes) -> None:
        if self.verify_next:
            self.verify_next = False
            check_fully(raw, self._tokens)
        else:
            check_quickly(raw, len(self._tokens))


async def load(crowd: Crowd, connections: int, warm_s: float, seconds: float, mark: Callable[[], None]) -> Load:
    """Repeat requests on this many connections. Calls `mark` at both ends of the window.

    Raises WrongReply for an incomplete reply, OSError or TimeoutError for a missing one.
    """
    with _no_collector():
        visits = [asyncio.create_task(crowd.visit()) for _ in range(connections)]
        try:
            await _during(visits, warm_s)
            crowd.verify_next = True
            mark()
            streams, cpu, began = crowd.streams, time.process_time(), time.monotonic()
            await _during(visits, seconds)
            lasted = time.monotonic() - began
            mark()
            if crowd.streams == streams:
                raise WrongReply(f"no reply within {lasted:.1f} s on {connections} connections")
            return Load(crowd.streams - streams, lasted, (time.process_time() - cpu) / lasted)
        finally:
            crowd.over = True
            await _cancel(visits)


async def ask_in_all(crowd: Crowd, connections: int, asks: int, seconds: float) -> int:
    """Send up to `asks` requests within `seconds`. Returns the number of complete replies."""
    visits = [asyncio.create_task(crowd.visit(asks)) for _ in range(connections)]
    try:
        await _during(visits, seconds, until_all=True)
    finally:
        crowd.over = True
        await _cancel(visits)
    return crowd.streams


def heat(port: int, seconds: float, from_addresses: Iterator[str]) -> None:
    """Warm a new server up, in an event loop of its own."""
    asked = request("bench-joined")
    crowd = Crowd(port, lambda: asked, words(TOKENS), from_addresses)
    uvloop.run(ask_in_all(crowd, _WARMING, sys.maxsize, seconds))


async def _during(visits: list[asyncio.Task[None]], seconds: float, until_all: bool = False) -> None:
    until = asyncio.FIRST_EXCEPTION
    done, _ = await asyncio.wait(visits, timeout=seconds, return_when=until)
    for visit in done:
        visit.result()
    assert until_all or not done, "a connection stopped asking"


async def _cancel(visits: list[asyncio.Task[None]]) -> None:
    for visit in visits:
        visit.cancel()
    await asyncio.gather(*visits, return_exceptions=True)
    await asyncio.sleep(0.05)  # let the aborted transports close their sockets


@contextmanager
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
