"""An httpx transport for streams, built on httptools and gevent's sockets.

httpx's own transport parses each HTTP chunk as one event, in Python, which would take more than half of this server's
CPU time per token. This one parses in C and yields all bytes that have arrived as one piece. It speaks HTTP/1.1 only,
keeps connections alive, and supports no proxies.
"""

import select
import socket
import ssl
from collections.abc import Iterator

import httptools
import httpx

from chatproof.reference_server.hangup import has_event

MAX_HEAD_BYTES = 100_000
FRAMED = {b"content-length", b"transfer-encoding"}
Origin = tuple[str, str, int]


class HttptoolsTransport(httpx.BaseTransport):
    """See httpx.HTTPTransport. Safe for greenlets, not for threads."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[HttptoolsConnection]] = {}
        self._tls = ssl.create_default_context()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the response headers. Iterating over the response reads the body."""
        url = request.url
        origin = (url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        idle = self._idle.setdefault(origin, [])
        if idle:
            connection = idle.pop()
            try:
                return connection.ask(request)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                if connection.has_heard:
                    raise  # else the server closed the idle connection: retry once on a new one
        return HttptoolsConnection(self._connect(origin, request.extensions["timeout"]["connect"]), idle).ask(request)

    def _connect(self, origin: Origin, timeout: float) -> socket.socket:
        scheme, host, port = origin
        try:
            plain = socket.create_connection((host, port), timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._tls.wrap_socket(plain, server_hostname=host) if scheme == "https" else plain
        except OSError as error:
            raise httpx.ConnectError("cannot connect") from error

    def close(self) -> None:
        """Close idle connections."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()


class HttptoolsConnection(httpx.SyncByteStream):
    """One connection, and the body of the current response. The methods `on_…` are httptools' callbacks."""

    def __init__(self, sock: socket.socket, idle: "list[HttptoolsConnection]") -> None:
        self._socket = sock
        self._idle = idle  # the pool to which it returns after a complete response
        self._is_complete = False

    def _reset(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._has_head = self._is_complete = self._is_kept = self.has_heard = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._has_head = self._parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        self._is_complete = self._has_head
        self._is_kept = self._is_complete and self._parser.should_keep_alive()

    def ask(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the response headers. Raises httpx's errors."""
        head = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
        head += [b"%s: %s" % header for header in request.headers.raw]
        size, was_idle = 0, self._is_complete
        self._reset()
        try:
            if was_idle and has_event(self._socket, select.POLLIN):
                raise httpx.ReadError("the idle connection was closed or holds unexpected data")
            self._socket.settimeout(request.extensions["timeout"]["read"])
            self._socket.sendall(b"\r\n".join([*head, b"", request.read()]))
            while not self._has_head:
                size += self._receive()
                if size > MAX_HEAD_BYTES:
                    raise httpx.RemoteProtocolError("the response headers are too long")
        except OSError as error:
            self.close()
            raise httpx.WriteError("the request could not be sent") from error
        except BaseException:
            self.close()
            raise
        return httpx.Response(self._parser.get_status_code(), headers=self._headers, stream=self)

    def _receive(self) -> int:
        """Read once and parse what was received. Returns the number of bytes."""
        try:
            data = self._socket.recv(65_536)
        except TimeoutError as error:
            raise httpx.ReadTimeout("no data within the timeout") from error
        except OSError as error:
            raise httpx.ReadError("the connection broke") from error
        if not data:  # ends a response without a length; with a length it is too early
            if not self._has_head or {name.lower() for name, _ in self._headers} & FRAMED:
                raise httpx.RemoteProtocolError("the connection ended too early")
            self._is_complete = True
            return 0
        self.has_heard = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise httpx.RemoteProtocolError("the response is not HTTP") from error
        return len(data)

    def __iter__(self) -> Iterator[bytes]:
        while self._body or not self._is_complete:
            if self._body:
                piece, self._body = b"".join(self._body), []
                yield piece
            else:
                self._receive()

    def close(self) -> None:
        """Return the connection to the pool after a complete response; else close it, which cancels the response."""
        if self._is_kept and len(self._idle) < 100:
            self._is_kept = False  # returned only once
            self._idle.append(self)
        else:
            self._socket.close()
