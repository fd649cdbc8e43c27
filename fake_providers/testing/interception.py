"""From a client's HTTP library to the fakes: respx intercepts its pools, and its own connection reads the reply."""

from __future__ import annotations

import errno
import math
import os
import threading
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Protocol

from chatproof.fake_providers.testing.playback import Playback, Reset

try:
    import anyio
    import httpx
    from respx.mocks import HTTPCoreMocker, Mocker
    from respx.models import AllMockedAssertionError, PassThrough, Route
    from respx.router import MockRouter
except ImportError as missing:  # respx is an extra: the served fakes do without it
    raise ImportError("the fakes in process need respx: pip install 'chatproof[inprocess]'") from missing

__all__ = ["Answers", "routers"]


class Answers(Protocol):
    """Who answers what is intercepted."""

    refusing: bool
    patience: float

    def answers(self, url: httpx.URL) -> bool: ...

    def play(self, request: httpx.Request) -> Playback: ...


class _Router(MockRouter):
    """Answers for the fakes, and leaves each other request to whom it belongs.

    `core` is the HTTP library below the client: httpcore or httpcore2.
    """

    def __init__(self, fakes: Answers, core: ModuleType) -> None:
        super().__init__(assert_all_called=False, using=core.__name__)
        self._fakes = fakes
        self._core = core

    def handler(self, request: httpx.Request) -> httpx.Response:
        core_request = self._accepted(request)
        stream = _Stream(self._core, self._fakes.play(request), self._fakes.patience)
        connection = self._core.HTTP11Connection(core_request.url.origin, stream)
        return _as_response(connection.handle_request(core_request))

    async def async_handler(self, request: httpx.Request) -> httpx.Response:
        core_request = self._accepted(request)
        stream = _AsyncStream(self._core, self._fakes.play(request), self._fakes.patience)
        connection = self._core.AsyncHTTP11Connection(core_request.url.origin, stream)
        return _as_response(await connection.handle_async_request(core_request))

    def _accepted(self, request: httpx.Request) -> Any:
        """The request as the core's own, ready for a connection. Raises for one that is not ours, or refused."""
        if not self._fakes.answers(request.url):
            raise self._not_ours(request)
        if self._fakes.refusing:
            raise self._core.ConnectError("[Errno 111] Connection refused")
        url = request.url
        return self._core.Request(
            request.method,
            self._core.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.content,
            extensions=request.extensions,
        )

    def _not_ours(self, request: httpx.Request) -> Exception:
        routers = self.Mocker.routers if self.Mocker is not None else [self]
        others = [router for router in routers if not isinstance(router, _Router)]
        if others or routers[-1] is not self:
            # respx asks the next router then; the test's own ones decide what becomes of what nobody mocks.
            return AllMockedAssertionError(f"chatproof: {request!r} is not for the fake providers")
        return PassThrough("not for the fake providers", request=request, origin=Route())


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
                return self._patience, self._hopeless(f"a read timeout of {timeout:g} s")
            self._playback.jump(timeout)
            return timeout * pace, self._core.ReadTimeout("timed out")
        if math.isinf(wait):
            return self._patience, self._hopeless("no read timeout")
        self._playback.jump(wait)
        return wait * pace, None

    def _hopeless(self, limit: str) -> Exception:
        return AssertionError(f"the fake provider's script stalls, and the client has {limit}: it would wait on and on")

    def _take(self, size: int) -> bytes:
        if self._closed.is_set():
            raise self._core.ReadError("the connection was closed by its own side")
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
        """The request has come by another way."""

    def close(self) -> None:
        self._hang_up()


class _AsyncStream(_StreamBase):
    """`httpcore.AsyncNetworkStream`, for each event loop that anyio knows."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        seconds, error = self._pause(timeout)
        await anyio.sleep(seconds)  # also 0: a reply in one go must let others run, and be cancelled
        if error is not None:
            raise error
        return self._take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """The request has come by another way."""

    async def aclose(self) -> None:
        self._hang_up()


def _as_response(response: Any) -> httpx.Response:
    """The core's response in respx's terms, which makes a core's response of it again."""
    return httpx.Response(
        response.status, headers=response.headers, stream=response.stream, extensions=response.extensions
    )


def routers(fakes: Answers) -> list[_Router]:
    """One for each HTTP library that is installed."""
    names = [name for name in ("httpcore", "httpcore2") if find_spec(name) is not None]
    if "httpcore2" in names and "httpcore2" not in Mocker.registry:
        _know_httpcore2()
    return [_Router(fakes, import_module(name)) for name in names]


def _know_httpcore2() -> None:
    """Teach respx the library. Not where pytest-httpx2 is installed: it does that itself, and a name is free once."""
    if find_spec("pytest_httpx2") is not None:
        import_module("pytest_httpx2")
        return
    core = HTTPCoreMocker
    targets = [target.replace("httpcore.", "httpcore2.", 1) for target in core.targets]
    type("HTTPCore2Mocker", (core,), {"name": "httpcore2", "targets": targets})
