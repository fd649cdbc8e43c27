"""gevent's WSGI server, with the few things that streaming needs and it lacks."""

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
from chatproof.reference_server.hangup import SOCKET_KEY

IDLE_SECONDS = 75.0  # for a connection that is kept open to send the next request
MAX_HEADERS = 100
MAX_HEADER_BYTES = 65_536
# Whatever else two servers in a row may read differently, and so take a part of one request for another.
HEADERS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\0\r\n]*\r?\n)*\r?\n")
FRAMING = (b"content-length:", b"transfer-encoding:")
CLEAR = re.compile(rb"content-length:[ \t]*[0-9]{1,18}[ \t]*|transfer-encoding:[ \t]*chunked[ \t]*")


class ClientSocket(socket):  # type: ignore[misc]  # gevent ships no types
    """A socket whose `send` sends all, one sender at a time.

    simple-websocket takes it for granted that `send` does: a slow reader would get cut frames, or
    a pong within another frame.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turn = Semaphore()

    def send(self, data: bytes, flags: int = 0, **timeout: Any) -> int:
        """See socket.send; returns the length of the data."""
        rest = memoryview(data)
        with self._turn:
            while rest:
                rest = rest[super().send(rest, flags, **timeout) :]
        return len(data)

    def sendall(self, data: bytes, flags: int = 0) -> None:
        """See socket.sendall; gevent's own asks for the size of the socket's buffer at each call."""
        self.send(data, flags)


class RequestBody(Input):  # type: ignore[misc]  # gevent ships no types
    """A request's body, which its client has to send before the deadline."""

    deadline = 0.0

    def read(self, length: int | None = None) -> bytes:
        """See Input.read. Raises RequestTimeout."""
        with gevent.Timeout(max(self.deadline - time.monotonic(), 0.001), RequestTimeout):
            return bytes(super().read(length))


class RequestHandler(WSGIHandler):  # type: ignore[misc]  # gevent ships no types
    """Handles the requests of one connection."""

    wsgi_input: Input

    def read_requestline(self) -> str:
        """Do not wait for ever; the empty line closes the connection."""
        line = ""
        with gevent.Timeout(IDLE_SECONDS if self.environ else self.server.request_timeout, False):
            line = super().read_requestline()
        return str(line)

    def read_request(self, raw_requestline: str) -> bool:
        """Do not wait for ever; a ValueError is answered with status 400."""
        with gevent.Timeout(self.server.request_timeout, ValueError("the headers took too long")):
            is_read: bool = super().read_request(raw_requestline)
        self.close_connection |= self.server.closes_connections
        return is_read

    def _check_http_version(self) -> bool:
        return self.request_version in ("HTTP/1.0", "HTTP/1.1")

    def MessageClass(self, stream: Any, *_: object) -> Any:
        """Read the headers: bounded, and only such as have one meaning. Raises ValueError."""
        if not self._check_http_version():
            raise ValueError("not HTTP/1")
        block, line = b"", b"first"
        while line.strip() and block.count(b"\n") < MAX_HEADERS and len(block) < MAX_HEADER_BYTES:
            line = stream.readline(MAX_HEADER_BYTES)
            block += line
        if not HEADERS.fullmatch(block):
            raise ValueError("headers without end, or that are none")
        framing = [line for line in block.lower().splitlines() if line.startswith(FRAMING)]
        if len(framing) > 1 or not all(map(CLEAR.fullmatch, framing)):
            raise ValueError("a length that is not clear")
        return super().MessageClass(BytesIO(block))

    def get_environ(self) -> dict[str, Any]:
        """Let the application see the client's socket, to notice a hang-up, and a body that does not take for ever."""
        environ: dict[str, Any] = super().get_environ()
        environ[SOCKET_KEY] = self.socket
        plain: Input = self.wsgi_input
        body = self.wsgi_input = RequestBody(self.rfile, self.content_length, plain.socket, plain.chunked_input)
        body.deadline = time.monotonic() + self.server.request_timeout
        if environ["wsgi.input_terminated"]:  # else it becomes a WebSocket
            environ["wsgi.input"] = body
        return environ

    def finalize_headers(self) -> None:
        """Say so where the connection ends with the response."""
        super().finalize_headers()
        given = {name.lower() for name, _ in self.response_headers}
        if self.close_connection and not self.connection_upgraded and b"connection" not in given:
            self.response_headers.append((b"Connection", b"close"))

    def handle_one_response(self) -> None:
        """A connection that was a WebSocket is never HTTP again."""
        super().handle_one_response()
        if "HTTP_UPGRADE" in self.environ:
            self.close_connection = True

    def run_application(self) -> None:
        """Answer, then read what the application left of the request's body, but not for ever.

        Without reading it, closing would reset the connection, and the client, still sending, might
        never see the answer.
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
    """Serves HTTP and, through Socket.IO, WebSocket. Stopping it ends all connections.

    It listens on a host and port, or takes the connections that a balancer passes to it, each for one request.
    """

    backlog = 1024
    handler_class = RequestHandler

    def __init__(self, listener: tuple[str, int] | socket, application: Any, timeout: float, log: str | None) -> None:
        self.request_timeout = timeout  # seconds
        self.closes_connections = not isinstance(listener, tuple)
        environ = {"SERVER_NAME": "localhost"}  # else pywsgi asks the DNS for one
        super().__init__(listener, application, spawn=10_000, log=log, environ=environ)  # connections at most

    def do_read(self) -> tuple[ClientSocket, object] | None:
        """Accept a connection."""
        accepted = receive(self.socket) if self.closes_connections else super().do_read()
        if not accepted:
            return None
        plain, address = accepted
        client = ClientSocket(fileno=plain.detach())
        client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # a token must not wait for an acknowledgement
        return client, address
