"""The Socket.IO API: receives `chat_stream`; sends `chat_token`, then `chat_complete` or `chat_stream_error`."""

import uuid
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from itertools import chain
from typing import Any

import gevent.event  # type: ignore[import-untyped]  # gevent ships no types
import simple_websocket  # type: ignore[import-untyped]  # it ships no types
from engineio.async_drivers.gevent import WebSocketWSGI  # type: ignore[import-untyped]
from engineio.exceptions import SocketIsClosedError  # type: ignore[import-untyped]
from engineio.payload import Payload  # type: ignore[import-untyped]
from flask import Flask, request
from flask_socketio import ConnectionRefusedError, SocketIO  # type: ignore[import-untyped]
from redis import RedisError
from werkzeug.exceptions import BadRequest, HTTPException, TooManyRequests
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from chatproof.reference_server.chat_request import ChatRequest, read_chat_request, read_user
from chatproof.reference_server.config import Config
from chatproof.reference_server.generation import NOT_REACHED, Event, Events, Replies
from chatproof.reference_server.hangup import SOCKET_KEY
from chatproof.reference_server.rate_limits import STREAM, RateLimits
from chatproof.reference_server.sessions import SessionName

# Backpressure: a reply pauses while this many packets are unsent. It bounds memory; also, python-socketio's client
# drops a polling response of more than 16 packets.
MAX_UNSENT = 12
MAX_REFUSALS = 1000  # unsent packets, beyond which a client that keeps sending and never reads is disconnected
GRACE = 1.0  # seconds: a silent WebSocket is ended by its missing pong, and only then by its connection's timeout


def add_socket_api(app: Flask, config: Config, replies: Replies, limits: RateLimits, worker: int) -> None:
    """Add Socket.IO to the application."""
    Payload.max_decode_packets = 256  # packets in one polling request; Engine.IO drops a request with more
    socketio = SocketIO(
        app,
        async_mode="gevent",
        cors_allowed_origins="*",  # those that come this far: `origins` refuses all others
        cors_credentials="*" not in config.allowed_origins,  # Engine.IO echoes each origin for `*`
        ping_interval=config.ping_interval,
        ping_timeout=config.ping_interval,
        http_compression=False,
    )
    engine = socketio.server.eio
    generate_id = engine.generate_id
    engine._async = {**engine._async, "websocket": WebSocket}
    engine.generate_id = lambda: f"{worker}-{generate_id()}"  # tells the balancer which worker holds the socket
    chat = SocketChat(socketio, config, replies, limits)
    for event in (chat.connect, chat.disconnect, chat.chat_stream):
        socketio.on_event(event.__name__, event)


class MessageEvent(gevent.event.Event):  # type: ignore[misc]  # gevent ships no types
    """Signals a received message once earlier ones were handled: else a flood of messages would fill the memory."""

    def set(self) -> None:
        """See gevent.event.Event.set."""
        gevent.sleep(0)  # before super(): simple-websocket calls set() before it marks the connection as closed
        super().set()


class WebSocket(WebSocketWSGI):  # type: ignore[misc]  # Engine.IO ships no types
    """Engine.IO's WebSocket, with a bound on the size of a message, since Engine.IO buffers any size first, and with a
    close frame at every end."""

    def __init__(self, handler: Any, server: Any) -> None:
        super().__init__(handler, server)
        self.server_args.update(max_message_size=server.max_http_buffer_size, event_class=MessageEvent)
        self._silence = server.ping_interval + server.ping_timeout + GRACE  # seconds

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Serve the WebSocket. Answers a malformed upgrade request with 400."""
        try:
            self.ws = simple_websocket.Server(environ, **self.server_args)
        except RemoteProtocolError:
            start_response("400 BAD REQUEST", [("Content-Type", "application/json")])
            return [b'{"error": "The WebSocket upgrade request is malformed."}']
        environ[SOCKET_KEY].is_websocket = True
        self.ws.sock.settimeout(self._silence)
        try:
            self.app(self)
        finally:
            self.close()
        return []

    def close(self) -> None:
        """Send a close frame, unless one was sent or received."""
        with suppress(OSError, LocalProtocolError):
            super().close()


class SocketChat:
    """All connected sockets and their running replies.

    A socket has at most one reply at a time, because its events could not be told apart from those of another. A
    `chat_stream` during a reply is refused with one `chat_stream_error`.
    """

    def __init__(self, socketio: SocketIO, config: Config, replies: Replies, limits: RateLimits) -> None:
        self._socketio = socketio
        self._config = config
        self._all_replies = replies
        self._limits = limits
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
            ask = read_chat_request(args[0] if args else None)
            if sid in self._replies:
                raise BadRequest("A reply is still running on this connection. Try again when it has ended.")
        except HTTPException as error:
            self._emit(sid, {"error": error.description})
            if (connection := self._connection(sid)) and connection.queue.qsize() > MAX_REFUSALS:
                connection.close(wait=False, abort=True)
        else:
            self._replies[sid] = gevent.spawn(self._reply, sid, request.remote_addr or "", ask)

    def _reply(self, sid: str, address: str, ask: ChatRequest) -> None:
        with closing(self._events(self._names[sid], address, ask)) as reply:
            for event in chain.from_iterable(reply):
                if (connection := self._connection(sid)) and connection.queue.qsize() >= MAX_UNSENT:
                    connection.queue.join()
                if "token" not in event:
                    self._replies.pop(sid, None)  # first: the client may send its next request at once
                self._emit(sid, event)

    def _events(self, name: SessionName, address: str, ask: ChatRequest) -> Events:
        """The reply, or a refusal. The limit is that of the other streams: it bounds what the model costs."""
        try:
            self._limits.check(STREAM, address, self._config.stream_limit)
            reply = self._all_replies.start(SessionName(name.user, ask.session_id or name.session_id), ask.message)
        except TooManyRequests as error:
            yield [{"error": f"{error.description} Try again in {error.retry_after} s."}]
        except RedisError:
            yield [{"error": NOT_REACHED}]
        else:
            with closing(reply):
                yield from reply

    def _emit(self, sid: str, event: Event) -> None:
        name = "chat_token" if "token" in event else "chat_complete" if "done" in event else "chat_stream_error"
        self._socketio.emit(name, event, to=sid, ignore_queue=True)  # the socket belongs to this process

    def _watch_pings(self) -> None:
        """Disconnect clients that no longer answer pings.

        Engine.IO itself checks only once per `ping_timeout`; until then a reply would run for nobody.
        """
        while True:
            gevent.sleep(0.25)
            for connection in list(self._socketio.server.eio.sockets.values()):
                with suppress(SocketIsClosedError):
                    connection.check_ping_timeout()

    def _connection(self, sid: str) -> Any:
        """The Engine.IO connection of a Socket.IO socket; None once it is disconnected."""
        server = self._socketio.server
        return server.eio.sockets.get(server.manager.eio_sid_from_sid(sid, "/"))


def _sid() -> str:
    return str(request.sid)  # type: ignore[attr-defined]  # Flask-SocketIO adds it
