"""gevent's WSGI server with what streaming needs in addition: timeouts, strict framing, disconnect detection."""

import re
import time
from contextlib import suppress
from io import BytesIO
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from gevent.lock import Semaphore  # type: ignore[import-untyped]
from gevent.pywsgi import Input, WSGIHandler, WSGIServer  # type: ignore[import-untyped]
from gevent.socket import IPPROTO_TCP, TCP_NODELAY, socket  # type: ignore[import-untyped]
from werkzeug.exceptions import RequestTimeout

from chatproof.reference_server.balancer import receive
from chatproof.reference_server.hangup import SOCKET_KEY, WRITE_KEY

IDLE_SECONDS = 75.0  # how long a kept-alive connection may wait for its next request
MAX_HEADERS = 100
MAX_HEADER_BYTES = 65_536
# Anything else, a proxy and this server may read differently: that allows request smuggling.
HEADERS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0\r\n]*\r?\n)*\r?\n")
FRAMING = (b"content-length:", b"transfer-encoding:")
CLEAR = re.compile(rb"content-length:[ \t]*[0-9]{1,18}[ \t]*|transfer-encoding:[ \t]*chunked[ \t]*")


class ClientSocket(socket):  # type: ignore[misc]  # gevent ships no types
    """A socket whose `send` sends everything, one sender at a time.

    simple-websocket expects that of `send`. With a plain socket, a slow reader would get truncated frames, or a pong
    inside another frame.
    """

    is_websocket = False  # whether it has become one

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn = Semaphore()

    @property
    def is_sending(self) -> bool:
        """Whether it sends, or waits until the other side takes more."""
        return bool(self._turn.locked())

    def send(self, data: bytes, flags: int = 0, **timeout: Any) -> int:
        """See socket.send. Returns the length of the data."""
        rest = memoryview(data)
        with self._turn:
            while rest:
                rest = rest[super().send(rest, flags, **timeout) :]
        return len(data)

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """See socket.sendall. gevent's own version queries the socket's buffer size at each call."""
        self.send(data, flags)


class RequestBody(Input):  # type: ignore[misc]  # gevent ships no types
    """A request body that the client must send before `deadline`, a time.monotonic()."""

    deadline = 0.0

    def read(self, length: int | None = None) -> bytes:
        """See Input.read. Raises RequestTimeout after the deadline."""
        with gevent.Timeout(max(self.deadline - time.monotonic(), 0.001), RequestTimeout):
            return bytes(super().read(length))


class RequestHandler(WSGIHandler):  # type: ignore[misc]  # gevent ships no types
    """Handles the requests of one connection."""

    wsgi_input: Input

    def read_requestline(self) -> str:
        """Read the request line. After the timeout, return an empty one, which closes the connection."""
        line = ""
        with gevent.Timeout(IDLE_SECONDS if self.environ else self.server.request_timeout, False):
            line = super().read_requestline()
        return str(line)

    def read_request(self, raw_requestline: str) -> bool:
        """Read the headers. Raises ValueError after the timeout, which is answered with status 400."""
        with gevent.Timeout(self.server.request_timeout, ValueError("the headers took too long")):
            is_read: bool = super().read_request(raw_requestline)
        self.close_connection |= self.server.closes_connections
        return is_read

    def _check_http_version(self) -> bool:
        return self.request_version in ("HTTP/1.0", "HTTP/1.1")

    def MessageClass(self, stream: Any, *_: object) -> Any:
        """Parse the headers. Raises ValueError for too many, malformed or ambiguous ones."""
        if not self._check_http_version():
            raise ValueError("the protocol is not HTTP/1.0 or HTTP/1.1")
        block, line = b"", b"first"
        while line.strip() and block.count(b"\n") < MAX_HEADERS and len(block) < MAX_HEADER_BYTES:
            line = stream.readline(MAX_HEADER_BYTES)
            block += line
        if not HEADERS.fullmatch(block):
            raise ValueError("the headers are malformed or too long")
        framing = [line for line in block.lower().splitlines() if line.startswith(FRAMING)]
        if len(framing) > 1 or not all(map(CLEAR.fullmatch, framing)):
            raise ValueError("the length of the body is ambiguous")
        return super().MessageClass(BytesIO(block))

    def get_environ(self) -> dict[str, Any]:
        """Add the client's socket and a way to write to it, for `hangup`, and a body with a deadline."""
        environ: dict[str, Any] = super().get_environ()
        environ[SOCKET_KEY], environ[WRITE_KEY] = self.socket, self.write
        plain: Input = self.wsgi_input
        body = self.wsgi_input = RequestBody(self.rfile, self.content_length, plain.socket, plain.chunked_input)
        body.deadline = time.monotonic() + self.server.request_timeout
        if environ["wsgi.input_terminated"]:  # else it is an upgrade to WebSocket
            environ["wsgi.input"] = body
        return environ

    def finalize_headers(self) -> None:
        """Add `Connection: close` if the connection ends with this response."""
        super().finalize_headers()
        given = {name.lower() for name, _ in self.response_headers}
        if self.close_connection and not self.connection_upgraded and b"connection" not in given:
            self.response_headers.append((b"Connection", b"close"))

    def handle_one_response(self) -> None:
        """Answer one request. Close a connection that was a WebSocket: it cannot serve HTTP again."""
        super().handle_one_response()
        if "HTTP_UPGRADE" in self.environ:
            self.close_connection = True

    def _sendall(self, data: bytes) -> None:
        """Write a part of a response, but none into a WebSocket: Engine.IO answers its upgrade when it has ended."""
        if not self.socket.is_websocket:
            super()._sendall(data)

    def run_application(self) -> None:
        """Run the application, then read the unread rest of the request body, for 2 s at most.

        Closing a connection with unread data resets it: a client that is still sending might never see the response.
        """
        try:
            super().run_application()
        finally:
            clean = False
            with gevent.Timeout(2.0, False), suppress(OSError, RequestTimeout):
                self.wsgi_input._discard()
                clean = not self.wsgi_input._chunked_input_error
            if not clean:
                self.wsgi_input._chunked_input_error = True  # tells pywsgi not to try again
                self.close_connection = True


class ChatServer(WSGIServer):  # type: ignore[misc]  # gevent ships no types
    """Serves HTTP and WebSocket. Stopping it closes all connections.

    `listener` is a host and port to listen on, or the channel on which the balancer passes connections, each for one
    request. `timeout`: seconds for a client to send its headers, and again its body.
    """

    backlog = 1024
    handler_class = RequestHandler

    def __init__(self, listener: tuple[str, int] | socket, application: Any, timeout: float, log: str | None) -> None:
        self.request_timeout = timeout  # seconds
        self.closes_connections = not isinstance(listener, tuple)
        environ = {"SERVER_NAME": "localhost"}  # else pywsgi looks up the host's name in DNS
        super().__init__(listener, application, spawn=10_000, log=log, environ=environ)  # spawn: the most connections

    def do_read(self) -> tuple[ClientSocket, object] | None:
        """Accept a connection, or receive one from the balancer."""
        accepted = receive(self.socket) if self.closes_connections else super().do_read()
        if not accepted:
            return None
        plain, address = accepted
        client = ClientSocket(fileno=plain.detach())
        client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # a token must not wait for an acknowledgement
        return client, address
