"""Kept HTTP connections to the control API, for one event loop.

The suite asks the journal several times for each reply. httpx takes about a millisecond of CPU for such a question,
this a tenth of it: `python -m bench journal` measures both.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

import httptools


class ControlAnswer(NamedTuple):
    """A response: its status and its body."""

    status: int
    body: bytes


class NoConnectionError(Exception):
    """Nobody listens there. One line."""


class NoAnswerError(Exception):
    """A connection ended, or brought something that is not HTTP, before the answer was whole. One line."""


class ControlConnections:
    """Asks the server at `url` over at most `most` connections, which it keeps."""

    def __init__(self, url: str, most: int) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._root, self._authority = parts.path, parts.netloc.rpartition("@")[2]
        self._idle: list[_Connection] = []
        self._places: Final = asyncio.Semaphore(most)

    async def ask(self, method: str, path: str, body: bytes, timeout: float) -> ControlAnswer:
        """Send a request and give the answer. `timeout`: seconds for all of it, once a connection is free.

        Raises:
            NoConnectionError, NoAnswerError, TimeoutError.
        """
        head = f"{method} {self._root}{path} HTTP/1.1\r\nHost: {self._authority}\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: application/json\r\n\r\n" if body else "\r\n"
        async with self._places, asyncio.timeout(timeout):
            connection = self._kept() or await self._open()
            try:
                answer = await connection.ask(head.encode() + body)
            except BaseException:
                connection.close()
                raise
            self._idle.append(connection)
            return answer

    def close(self) -> None:
        """Hang up all idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _open(self) -> _Connection:
        tls: ssl.SSLContext | None = None
        if self._tls:  # a test's own certificate, at best
            tls = ssl.create_default_context()
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(loop), self._host, self._port, ssl=tls)
        except OSError as problem:
            raise NoConnectionError(problem.strerror or str(problem)) from problem
        return connection


class _Connection(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_open = False
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[ControlAnswer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []

    async def ask(self, request: bytes) -> ControlAnswer:
        assert self._transport is not None
        self._answer = self._loop.create_future()
        self._body = []
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    # the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as problem:
            self._fail(f"not HTTP: {problem}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(str(exc) if exc else "the connection was closed before the answer was whole")

    # the parser's side

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.is_open = self.is_open and self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(ControlAnswer(self._parser.get_status_code(), b"".join(self._body)))

    def _fail(self, why: str) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswerError(why))
