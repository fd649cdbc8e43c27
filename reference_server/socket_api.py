"""The Socket.IO side: `chat_stream` in; `chat_token`, then `chat_complete` or `chat_stream_error` out."""

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

# A reply waits for its reader when so many packets are unsent. It bounds memory, and python-socketio
# drops a polling response of more than 16 packets.
MAX_UNSENT = 12
MAX_REFUSALS = 1000  # unsent; a client that asks on and on and reads nothing is dropped


def add_socket_api(app: Flask, config: Config, replies: Replies, worker: int) -> None:
    """Serve Socket.IO in the application, for pages of its own origin and of the allowed ones."""
    Payload.max_decode_packets = 256  # in one polling request; more are dropped unanswered
    origins = config.allowed_origins
    socketio = SocketIO(
        app,
        async_mode="gevent",
        cors_allowed_origins="*" if "*" in origins else list(origins) or None,
        message_queue=config.redis_url or None,  # lets other processes emit to this one's sockets
        ping_interval=5,  # whole seconds only: Engine.IO tells clients no fractions
        ping_timeout=5,
        http_compression=False,
    )
    engine = socketio.server.eio
    generate_id = engine.generate_id
    engine._async = {**engine._async, "websocket": WebSocket}
    engine.generate_id = lambda: f"{worker}-{generate_id()}"  # tells the balancer whose socket it is
    chat = SocketChat(socketio, config, replies)
    for event in (chat.connect, chat.disconnect, chat.chat_stream):
        socketio.on_event(event.__name__, event)


class Bell(gevent.event.Event):  # type: ignore[misc]  # gevent ships no types
    """Tells of a message, and lets those before it be handled first: else a flood is all read, and fills the memory."""

    def set(self) -> None:
        """See Event.set."""
        gevent.sleep(0)  # before: simple-websocket sets it and then notes that the connection has ended
        super().set()


class WebSocket(WebSocketWSGI):  # type: ignore[misc]  # Engine.IO ships no types
    """Engine.IO's WebSocket, which by itself collects a message of any size before it looks at it."""

    def __init__(self, handler: Any, server: Any) -> None:
        super().__init__(handler, server)
        self.server_args.update(max_message_size=server.max_http_buffer_size, event_class=Bell)

    @property
    def _sock(self) -> Any:
        """The socket, for Engine.IO to set the time after which a silent client has gone."""
        return self.ws.sock

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        """Serve it, or refuse a request for one that is not well-formed."""
        try:
            pieces: Iterable[bytes] = super().__call__(environ, start_response)
            return pieces
        except RemoteProtocolError:
            start_response("400 BAD REQUEST", [("Content-Type", "application/json")])
            return [b'{"error": "This is no request for a WebSocket."}']


class SocketChat:
    """All connected sockets and the reply that each may have running.

    One reply at a time for each socket: its events carry nothing that would tell two apart. An ask
    that comes meanwhile is refused with one `chat_stream_error`.
    """

    def __init__(self, socketio: SocketIO, config: Config, replies: Replies) -> None:
        self._socketio = socketio
        self._config = config
        self._all_replies = replies
        self._names: dict[str, SessionName] = {}  # by socket: the user, and the session of asks that name none
        self._replies: dict[str, gevent.Greenlet] = {}  # by socket
        gevent.spawn(self._watch_pings)

    def connect(self, auth: object = None) -> None:
        """A socket has connected, with a JWT as `auth.token` or in its `Authorization` header, or with none."""
        token = auth.get("token") if isinstance(auth, dict) else None
        header = f"Bearer {token}" if token else request.headers.get("Authorization")
        try:
            user = read_user(header, self._config.jwt_secret)
        except HTTPException as error:
            raise ConnectionRefusedError(error.description) from None
        self._names[_sid()] = SessionName(user, uuid.uuid4().hex)

    def disconnect(self, reason: object = None) -> None:
        """A socket has gone, with or without a goodbye: stop its reply."""
        sid = _sid()
        self._names.pop(sid, None)
        if reply := self._replies.pop(sid, None):
            reply.kill(block=False)

    def chat_stream(self, *args: object) -> None:
        """Start a reply, or say why not. Clients can send any number of arguments of any kind."""
        sid = _sid()
        if sid not in self._names:
            return  # it has gone while its ask waited for its turn
        try:
            ask = read_chat_request(args[0] if args else None, self._config.max_message_chars)
            if sid in self._replies:
                raise BadRequest("A reply is still running on this connection. Ask again when it has ended.")
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
                    self._replies.pop(sid, None)  # first: the client may ask again at once
                self._emit(sid, event)

    def _emit(self, sid: str, event: Event) -> None:
        name = "chat_token" if "token" in event else "chat_complete" if "done" in event else "chat_stream_error"
        self._socketio.emit(name, event, to=sid, ignore_queue=True)  # the socket is one of this process

    def _watch_pings(self) -> None:
        """Notice in time that a client no longer answers pings.

        Engine.IO itself looks once in `ping_timeout` only, and a reply would run on for nobody.
        """
        while True:
            gevent.sleep(0.25)
            for connection in filter(None, map(self._connection, list(self._replies))):
                with suppress(SocketIsClosedError):
                    connection.check_ping_timeout()

    def _connection(self, sid: str) -> Any:
        """The Engine.IO socket below a Socket.IO one; None once it has gone, and its disconnect ends the reply."""
        server = self._socketio.server
        return server.eio.sockets.get(server.manager.eio_sid_from_sid(sid, "/"))


def _sid() -> str:
    return str(request.sid)  # type: ignore[attr-defined]  # Flask-SocketIO adds it
