"""gevent's WSGI server, with the few things that streaming needs and it lacks."""

from contextlib import suppress
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from gevent.lock import Semaphore  # type: ignore[import-untyped]
from gevent.pywsgi import WSGIHandler, WSGIServer  # type: ignore[import-untyped]
from gevent.socket import IPPROTO_TCP, TCP_NODELAY, socket  # type: ignore[import-untyped]

from reference_server.hangup import SOCKET_KEY

MAX_CONNECTIONS = 10_000
DISCARD_SECONDS = 2.0


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
        view = memoryview(data)
        sent = 0
        with self._turn:
            while sent < len(view):
                sent += super().send(view[sent:], flags, **timeout)
        return sent


class Handler(WSGIHandler):  # type: ignore[misc]  # gevent ships no types
    """Handles the requests of one connection."""

    def get_environ(self) -> dict[str, Any]:
        """Let the application see the client's socket, to notice a hang-up."""
        environ: dict[str, Any] = super().get_environ()
        environ[SOCKET_KEY] = self.socket
        return environ

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
            with gevent.Timeout(DISCARD_SECONDS, False), suppress(OSError):
                self.wsgi_input._discard()
                clean = not self.wsgi_input._chunked_input_error
            if not clean:
                self.wsgi_input._chunked_input_error = True  # tells pywsgi not to try again
                self.close_connection = True


class Server(WSGIServer):  # type: ignore[misc]  # gevent ships no types
    """Serves HTTP and, through Socket.IO, WebSocket. Stopping it ends all connections."""

    def __init__(self, host: str, port: int, application: Any, *, access_log: bool) -> None:
        super().__init__(
            (host, port),
            application,
            backlog=1024,
            spawn=MAX_CONNECTIONS,
            log="default" if access_log else None,
            handler_class=Handler,
            environ={"SERVER_NAME": host},  # else pywsgi asks the DNS for one
        )

    def do_read(self) -> tuple[ClientSocket, Any] | None:
        """Accept a connection."""
        accepted = super().do_read()
        if accepted is None:
            return None
        plain, address = accepted
        client = ClientSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
        client.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # a token must not wait for an acknowledgement
        return client, address
