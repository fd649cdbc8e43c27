"""A connection whose reads are stamped in a callback of the event loop, before any greenlet runs.

A greenlet that waits in `recv` costs a switch for every read. At thousands of reads a second that would take most of
the client's time, and so falsify the times that it measures. What a read costs: `python -m bench stamping`.
"""

from __future__ import annotations

import _socket
import errno
import random
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from time import monotonic
from typing import Final

from gevent import socket as waiting  # type: ignore[import-untyped]  # gevent ships no types

from chatproof.harness.common.errors import ChatproofError, reason_of
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.transcript import End
from chatproof.loadtests.readers.ready_loop import when_readable

READ_SIZE: Final = 64 * 1024
"""Bytes. A larger buffer comes from the kernel anew for every read, and what is kept of it takes a page."""
WATCHED: Final = 8
"""The kernel's stamp is asked for with one read in so many: it costs as much as the read itself."""
_STAMPS: Final = getattr(socket, "SO_TIMESTAMPNS", 35) if sys.platform == "linux" else None
_ANCILLARY: Final = 64
_TIMESPEC: Final = struct.Struct("@ll")

Arrived = Callable[[float, bytes], None]
Over = Callable[[float, End, str], None]


class ConnectionFailed(Exception):
    """No connection; the text says why. `end`: refused, timeout or truncated."""

    def __init__(self, text: str, end: End = End.REFUSED) -> None:
        super().__init__(text)
        self.end = end


def reachable(target: Target, deadline: float = 5.0) -> None:
    """Raise ChatproofError where nobody listens within `deadline` seconds."""
    try:
        StampedConnection(target, deadline=deadline).close()
    except ConnectionFailed as error:
        raise ChatproofError(str(error)) from error


class StampedConnection:
    """One connection. After `start`, `arrived` gets each read and `over` the end, in a callback of the loop.

    `lags`: seconds between the kernel's stamp of a read and ours, of one read in `WATCHED`; empty where the system has
    no such stamps.
    """

    def __init__(self, target: Target, source: str | None = None, *, deadline: float = 10.0) -> None:
        """Connect, from the address `source` if given. Raises ConnectionFailed."""
        self.lags: list[float] = []
        self._unwatch: Callable[[], None] | None = None
        self._unwatched = random.randrange(WATCHED)
        self._tls: _TlsBuffers | None = None
        failure = ConnectionFailed("no address")
        give_up = time.monotonic() + deadline
        for family, kind, protocol, _, address in _addresses(target.host, target.port):
            try:
                self._open(family, kind, protocol, address, source, give_up)
                if target.secure:
                    self._tls = _TlsBuffers(self, target.host)
                    self._tls.handshake(give_up)
            except (OSError, ConnectionFailed) as error:
                failure = error if isinstance(error, ConnectionFailed) else _refused(target, error)
                self.close()
            except BaseException:
                self.close()
                raise
            else:
                return
        raise failure

    def _open(
        self, family: int, kind: int, protocol: int, address: tuple[str, int], source: str | None, give_up: float
    ) -> None:
        # the C socket: gevent's wrapper, and the standard one after patching, would wait in recv
        self._sock = sock = _socket.socket(family, kind, protocol)
        sock.setblocking(False)
        if source and family == socket.AF_INET:
            if hasattr(socket, "IP_BIND_ADDRESS_NO_PORT"):
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stamped = False
        if _STAMPS is not None:
            sock.setsockopt(socket.SOL_SOCKET, _STAMPS, 1)
            self._stamped = True
        code = sock.connect_ex(address)
        if code == errno.EINPROGRESS:
            self._wait(waiting.wait_write, give_up)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, errno.errorcode.get(code, "error"))

    def _wait(self, wait: Callable[..., None], give_up: float) -> None:
        left = give_up - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            wait(self._sock.fileno(), left)
        except TimeoutError as error:
            raise ConnectionFailed("no connection within the time limit", End.TIMEOUT) from error

    def receive(self, give_up: float) -> bytes:
        """Wait for bytes, before `start`; b"" when the server has closed. Raises OSError, ConnectionFailed."""
        while True:
            try:
                data = self._sock.recv(READ_SIZE)
            except BlockingIOError:
                self._wait(waiting.wait_read, give_up)
                continue
            if self._tls is None or not self._tls.ready:
                return data
            plain = self._tls.opened(data)
            if plain or not data:
                return plain

    def send(self, data: bytes, deadline: float = 10.0) -> None:
        """Send all of it. Raises OSError, ConnectionFailed where the server has gone or takes nothing."""
        if self._tls is not None and self._tls.ready:
            data = self._tls.sealed(data)
        self.send_raw(data, time.monotonic() + deadline)

    def send_now(self, data: bytes) -> None:
        """Send a few bytes without waiting. Raises OSError where the send buffer is full."""
        sealed = self._tls.sealed(data) if self._tls is not None else data
        if self._sock.send(sealed) < len(sealed):
            raise BrokenPipeError("no room to send")

    def send_raw(self, data: bytes, give_up: float) -> None:
        """Send bytes as they are."""
        view = memoryview(data)
        while view:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                self._wait(waiting.wait_write, give_up)

    def start(self, arrived: Arrived, over: Over) -> None:
        """Begin to read. Both callables run in the event loop: they must not wait."""
        self._arrived, self._over = arrived, over
        self._unwatch = when_readable(self._sock.fileno(), self._readable)

    def _readable(self) -> None:
        try:
            if self._unwatched or not self._stamped:
                self._unwatched -= 1
                data = self._sock.recv(READ_SIZE)
                at = monotonic()
            else:
                self._unwatched = WATCHED - 1
                data, at = self._receive_watched()
            if self._tls is not None and data and not (data := self._tls.opened(data)):
                return
        except BlockingIOError:
            return
        except (OSError, ssl.SSLError) as error:
            self.pause()
            self._over(monotonic(), End.RESET, str(error.strerror or error))
            return
        if data:
            self._arrived(at, data)
        else:
            self.pause()
            self._over(at, End.COMPLETE, "")

    def _receive_watched(self) -> tuple[bytes, float]:
        data, ancillary, _, _ = self._sock.recvmsg(READ_SIZE, _ANCILLARY)
        at = monotonic()
        if ancillary:
            seconds, nanoseconds = _TIMESPEC.unpack_from(ancillary[0][2])
            self.lags.append((time.time_ns() - seconds * 1_000_000_000 - nanoseconds) / 1e9)
        return data, at

    def pause(self) -> None:
        """Read no more."""
        if self._unwatch is not None:
            unwatch, self._unwatch = self._unwatch, None
            unwatch()

    def close(self) -> None:
        """Close the connection. Harmless when it is closed already."""
        self.pause()
        if (sock := getattr(self, "_sock", None)) is not None:
            sock.close()


@lru_cache(maxsize=16)
def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
    """Cached: gevent resolves names in a thread, and a thread holds the interpreter for milliseconds."""
    try:
        found = waiting.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConnectionFailed(f"no address for {host}: {error.strerror or error}") from error
    return list(found)


def _refused(target: Target, error: OSError) -> ConnectionFailed:
    reason = f"TLS: {error.reason}" if isinstance(error, ssl.SSLError) else reason_of(error)
    return ConnectionFailed(f"no connection to {target.authority}: {reason}")


class _TlsBuffers:
    """TLS through two memory buffers, so that reading stays on the raw socket."""

    def __init__(self, wire: StampedConnection, host: str) -> None:
        self._wire = wire
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        self._session = context.wrap_bio(self._in, self._out, server_hostname=host)
        self.ready = False

    def handshake(self, give_up: float) -> None:
        while not self.ready:
            try:
                self._session.do_handshake()
                self.ready = True
            except ssl.SSLWantReadError:
                self._wire.send_raw(self._out.read(), give_up)
                self.ready = False
                if not (data := self._wire.receive(give_up)):
                    raise ConnectionFailed("the server closed the connection during the TLS handshake") from None
                self._in.write(data)
        self._wire.send_raw(self._out.read(), give_up)

    def sealed(self, data: bytes) -> bytes:
        self._session.write(data)
        return self._out.read()

    def opened(self, data: bytes) -> bytes:
        """Decrypt; b"" while the record is incomplete. Raises ssl.SSLError for a broken record."""
        self._in.write(data)
        parts = []
        try:
            while part := self._session.read(READ_SIZE):
                parts.append(part)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            pass  # the FIN that follows ends the connection
        return b"".join(parts)
