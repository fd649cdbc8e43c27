"""Requests of httpx and httpx2 go to the fakes in this process: it replaces a public method of their transports.

Below the two clients lie httpcore and httpcore2. Their own HTTP/1.1 connection reads what the fake writes, from a
stream that takes the socket's place. So each error is the one that the client raises for these bytes.
"""

from __future__ import annotations

import errno
import math
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Final, Protocol
from unittest.mock import patch

import anyio
import httpx

from chatproof.fake_providers.testing.playback import Playback, Reset

_CORES: Final = {"httpx": "httpcore", "httpx2": "httpcore2"}


class Unintercepted(httpx.HTTPTransport):
    """Sends requests where they are addressed to, whoever else would answer them."""

    handle_request = httpx.HTTPTransport.handle_request  # as it is before anything replaces it


class Interceptor(Protocol):
    """What answers the requests. `refusing`: refuse connections. `patience`: see `InProcess`."""

    refusing: bool
    patience: float

    def answers(self, url: httpx.URL) -> bool: ...

    def play(self, request: httpx.Request) -> Playback: ...


def intercepted(fakes: Interceptor) -> ExitStack:
    """Until it is closed, requests that `fakes` answers reach it; all others go where they would have gone."""
    with ExitStack() as patches:
        for name, core in _CORES.items():
            if find_spec(name) is not None:
                patches.enter_context(_Client(import_module(name), import_module(core), fakes).intercepted())
        return patches.pop_all()


class _Client:
    """One of the HTTP clients, and the core below it."""

    def __init__(self, library: ModuleType, core: ModuleType, fakes: Interceptor) -> None:
        self._library = library
        self._core = core
        self._fakes = fakes
        # the client insists on its own base classes
        self._body: Any = type("Body", (_Body, library.SyncByteStream), {})
        self._async_body: Any = type("AsyncBody", (_AsyncBody, library.AsyncByteStream), {})

    @contextmanager
    def intercepted(self) -> Iterator[None]:
        transport, async_transport = self._library.HTTPTransport, self._library.AsyncHTTPTransport
        send, async_send = transport.handle_request, async_transport.handle_async_request

        def handle_request(itself: Any, request: Any) -> Any:
            return self._answer(request) if self._fakes.answers(request.url) else send(itself, request)

        async def handle_async_request(itself: Any, request: Any) -> Any:
            if self._fakes.answers(request.url):
                return await self._async_answer(request)
            return await async_send(itself, request)

        with (
            patch.object(transport, "handle_request", handle_request),
            patch.object(async_transport, "handle_async_request", handle_async_request),
        ):
            yield

    def _answer(self, request: Any) -> Any:
        request.read()
        with self.errors():
            asked, connection = self._connected(request, self._core.HTTP11Connection, _Stream)
            response = connection.handle_request(asked)
        return self._response(response, self._body(self, response.stream))

    async def _async_answer(self, request: Any) -> Any:
        await request.aread()
        with self.errors():
            asked, connection = self._connected(request, self._core.AsyncHTTP11Connection, _AsyncStream)
            response = await connection.handle_async_request(asked)
        return self._response(response, self._async_body(self, response.stream))

    def _connected(self, request: Any, connection: Any, stream: type[_StreamBase]) -> tuple[Any, Any]:
        """The request as the core has it, and a connection that reads what the fake answers.

        The core's ConnectError where it refuses.
        """
        if self._fakes.refusing:
            raise self._core.ConnectError(f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}")
        url = request.url
        asked = self._core.Request(
            request.method,
            self._core.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.content,
            extensions=request.extensions,
        )
        return asked, connection(asked.url.origin, stream(self._core, self._fakes.play(request), self._fakes.patience))

    def _response(self, response: Any, body: Any) -> Any:
        return self._library.Response(
            response.status, headers=response.headers, stream=body, extensions=response.extensions
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise the client's error of the same name in place of the core's, as its own transport does."""
        core = self._core
        try:
            yield
        except (core.NetworkError, core.ProtocolError, core.TimeoutException) as error:
            raise getattr(self._library, type(error).__name__)(str(error)) from error


class _Body:
    """A response's body as the client reads it."""

    def __init__(self, client: _Client, stream: Any) -> None:
        self._client = client
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        with self._client.errors():
            yield from self._stream

    def close(self) -> None:
        self._stream.close()


class _AsyncBody:
    """The same for async clients."""

    def __init__(self, client: _Client, stream: Any) -> None:
        self._client = client
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._client.errors():
            async for data in self._stream:
                yield data

    async def aclose(self) -> None:
        await self._stream.aclose()


class _StreamBase:
    """What a connection reads from in place of a socket."""

    def __init__(self, core: ModuleType, playback: Playback, patience: float) -> None:
        self._core = core
        self._playback = playback
        self._patience = patience
        self._closed = threading.Event()

    def __del__(self) -> None:
        # A response that nobody closed ends with its last reference, as its socket would.
        self._hang_up()

    def get_extra_info(self, info: str) -> Any:
        return None

    def _pause(self, timeout: float | None) -> tuple[float, Exception | None]:
        """Real seconds until something can be read, or until the error that ends the wait."""
        wait, pace = self._playback.wait(), self._playback.pace
        if timeout is not None and wait > timeout:
            if timeout * pace > self._patience:
                return self._patience, self._endless(f"a read timeout of {timeout:g} s")
            self._playback.jump(timeout)
            return timeout * pace, self._core.ReadTimeout("timed out")
        if math.isinf(wait):
            return self._patience, self._endless("no read timeout")
        self._playback.jump(wait)
        return wait * pace, None

    def _endless(self, limit: str) -> Exception:
        return AssertionError(
            f"the fake provider's script stalls and the client has {limit}, so the test would hang:"
            f" give the client a read timeout below {self._patience:g} s"
        )

    def _take(self, size: int) -> bytes:
        if self._closed.is_set():
            raise self._core.ReadError("the client closed this connection")
        try:
            return self._playback.take(size)
        except Reset:
            raise self._core.ReadError(f"[Errno {errno.ECONNRESET}] {os.strerror(errno.ECONNRESET)}") from None

    def _hang_up(self) -> None:
        self._closed.set()
        self._playback.hang_up()


class _Stream(_StreamBase):
    """`httpcore.NetworkStream`."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        seconds, error = self._pause(timeout)
        if seconds > 0:
            self._closed.wait(seconds)
        if error is not None:
            raise error
        return self._take(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Drop the request's bytes: `play` has been given the request."""

    def close(self) -> None:
        self._hang_up()


class _AsyncStream(_StreamBase):
    """`httpcore.AsyncNetworkStream`, for each event loop that anyio supports."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        seconds, error = self._pause(timeout)
        await anyio.sleep(seconds)  # also 0 seconds: other tasks must run, and this one must be cancellable
        if error is not None:
            raise error
        return self._take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Drop the request's bytes: `play` has been given the request."""

    async def aclose(self) -> None:
        self._hang_up()
