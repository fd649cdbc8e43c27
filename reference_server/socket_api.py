"""The Socket.IO API: receives `chat_stream`; sends `chat_token`, then `chat_complete` or `chat_stream_error`."""

import uuid
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from itertools import chain
from typing import Any

import gevent.event  # type: ignore[import-untyped]  # gevent ships no types
from engineio.async_drivers.gevent import WebSocketWSGI  # type: ignore[import-untyped]
from engineio.exceptions import SocketIsClosedError  # type: ignore[import-untyped]
from engineio.payload import Payload  # type: ignore[import-untyped]
from flask import Flask, request
from flask_socketio import ConnectionRefusedError, SocketIO  # type: ignore[import-untyped]
from werkzeug.exceptions import BadRequest, HTTPException
from wsproto.utilities import RemoteProtocolError

from chatproof.reference_server.chat_request import ChatRequest, read_chat_request, read_user
from chatproof.reference_server.config import Config
from chatproof.reference_server.generation import Event, Replies
from chatproof.reference_server.sessions import SessionName

# Backpressure: a reply pauses while this many packets are unsent. It bounds memory; also, python-socketio's client
# drops a polling response of more than 16 packets.
MAX_UNSENT = 12
MAX_REFUSALS = 1000  # unsent packets, beyond which a client that keeps sending and never reads is disconnected


def add_socket_api(app: Flask, config: Config, replies: Replies, worker: int) -> None:
    """Add Socket.IO to the application, for pages of its own origin and of ALLOWED_ORIGINS."""
    Payload.max_decode_packets = 256  # packets in one polling request; Engine.IO drops a request with more
    origins = config.allowed_origins

    def is_allowed(origin: str | None, environ: dict[str, Any]) -> bool:
        return origin in origins or (origin or "").partition("://")[2] == environ.get("HTTP_HOST")  # its own page

    socketio = SocketIO(
        app,
        async_mode="gevent",
        cors_allowed_origins="*" if "*" in origins else is_allowed,
        cors_credentials="*" not in origins,  # Engine.IO echoes each origin for `*`
        message_queue=config.redis_url or None,  # connects the Socket.IO servers of several processes
        ping_interval=5,  # whole seconds only: Engine.IO rounds what it tells clients
        ping_timeout=5,
        http_compression=False,
    )
    engine = socketio.server.eio
    generate_id = engine.generate_id
    engine._async = {**engine._async, "websocket": WebSocket}
    engine.generate_id = lambda: f"{worker}-{generate_id()}"  # tells the balancer which worker holds the socket
    chat = SocketChat(socketio, config, replies)
    for event in (chat.connect, chat.disconnect, chat.chat_stream):
        socketio.on_event(event.__name__, event)


class MessageEvent(gevent.event.Event):  # type: ignore[misc]  # gevent ships no types
    """Signals a received message once earlier ones were handled: else a flood of messages would fill the memory."""

    def set(self) -> None:
        """See gevent.event.Event.set."""
        gevent.sleep(0)  # before super(): simple-websocket calls set() before it marks the connection as closed
        super().set()


class WebSocket(WebSocketWSGI):  # type: ignore[misc]  # Engine.IO ships no types
    """Engine.IO's WebSocket with a bound on the size of a message: Engine.IO itself buffers any size first."""

    def __init__(self, handler: Any, server: Any) -> None:
        super().__init__(handler, server)
        self.server_args.update(max_message_size=server.max_http_buffer_size, event_class=MessageEvent)

    @property
    def _sock(self) -> Any:
        """The socket on which Engine.IO sets its timeout for silent clients."""
        return self.ws.sock

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Serve the WebSocket. Answers a malformed upgrade request with 400."""
        try:
            pieces: Iterable[bytes] = super().__call__(environ, start_response)
            return pieces
        except RemoteProtocolError:
            start_response("400 BAD REQUEST", [("Content-Type", "application/json")])
            return [b'{"error": "The WebSocket upgrade request is malformed."}']


class SocketChat:
    """All connected sockets and their running replies.

    A socket has at most one reply at a time, because its events could not be told apart from those of another. A
    `chat_stream` during a reply is refused with one `chat_stream_error`.
    """

    def __init__(self, socketio: SocketIO, config: Config, replies: Replies) -> None:
        self._socketio = socketio
        self._config = config
        self._all_replies = replies
        self._names: dict[str, SessionName] = {}  # by socket: the user, and the default session
        self._replies: dict[str, gevent.Greenlet] = {}  # by socket
        gevent.spawn(self._watch_pings)

    def connect(self, auth: object = None) -> None:
        """Handle a connected socket. Its JWT, if it has one, is `auth.token` or in the `Authorization` header."""
        token = auth.get("token") if isinstance(auth, dict) else None
        header = f"Bearer {token}" if token else request.headers.get("Authorization")
        try:
            user = read_user(header, self._config.jwt_secret)
        except HTTPException as error:
            raise ConnectionRefusedError(error.description) from None
        self._names[_sid()] = SessionName(user, uuid.uuid4().hex)

    def disconnect(self, reason: object = None) -> None:
        """Handle a disconnected socket: cancel its reply."""
        sid = _sid()
        self._names.pop(sid, None)
        if reply := self._replies.pop(sid, None):
            reply.kill(block=False)

    def chat_stream(self, *args: object) -> None:
        """Start a reply, or send one error event. A client may send any number of arguments of any type."""
        sid = _sid()
        if sid not in self._names:
            return  # disconnected before this request was handled
        try:
            ask = read_chat_request(args[0] if args else None, self._config.max_message_chars)
            if sid in self._replies:
                raise BadRequest("A reply is still running on this connection. Try again when it has ended.")
        except HTTPException as error:
            self._emit(sid, {"error": error.description})
            if (connection := self._connection(sid)) and connection.queue.qsize() > MAX_REFUSALS:
                connection.close(wait=False, abort=True)
        else:
            self._replies[sid] = gevent.spawn(self._reply, sid, ask)

    def _reply(self, sid: str, ask: ChatRequest) -> None:
        name = self._names[sid]
        name = SessionName(name.user, ask.session_id or name.session_id)
        with closing(self._all_replies.generate(name, ask.message)) as reply:
            for event in chain.from_iterable(reply):
                if (connection := self._connection(sid)) and connection.queue.qsize() >= MAX_UNSENT:
                    connection.queue.join()
                if "token" not in event:
                    self._replies.pop(sid, None)  # first: the client may send its next request at once
                self._emit(sid, event)

    def _emit(self, sid: str, event: Event) -> None:
        name = "chat_token" if "token" in event else "chat_complete" if "done" in event else "chat_stream_error"
        self._socketio.emit(name, event, to=sid, ignore_queue=True)  # the socket belongs to this process

    def _watch_pings(self) -> None:
        """Disconnect clients that no longer answer pings.

        Engine.IO itself checks only once per `ping_timeout`; until then a reply would run for nobody.
        """
        while True:
            gevent.sleep(0.25)
            for connection in filter(None, map(self._connection, list(self._replies))):
                with suppress(SocketIsClosedError):
                    connection.check_ping_timeout()

    def _connection(self, sid: str) -> Any:
        """The Engine.IO connection of a Socket.IO socket; None once it is disconnected."""
        server = self._socketio.server
        return server.eio.sockets.get(server.manager.eio_sid_from_sid(sid, "/"))


def _sid() -> str:
    return str(request.sid)  # type: ignore[attr-defined]  # Flask-SocketIO adds it
