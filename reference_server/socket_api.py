"""The Socket.IO side: `chat_stream` in; `chat_token`, then `chat_complete` or `chat_stream_error` out."""

import uuid
from contextlib import closing, suppress
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from engineio.exceptions import SocketIsClosedError  # type: ignore[import-untyped]
from engineio.payload import Payload  # type: ignore[import-untyped]
from flask import Flask, request
from flask_socketio import SocketIO  # type: ignore[import-untyped]

from reference_server.asks import Ask, BadAsk, read_ask
from reference_server.generation import Event, generate
from reference_server.provider import Provider
from reference_server.sessions import Sessions

PING_INTERVAL = 5  # whole seconds only: Engine.IO tells clients no fractions
PING_TIMEOUT = 5
PING_CHECK_SECONDS = 0.25
# A reply waits for its reader when so many packets are unsent. It bounds memory, and python-socketio
# drops a polling response of more than 16 packets.
MAX_UNSENT = 12
MAX_RECEIVED = 256  # packets in one polling request; beyond its limit Engine.IO drops them unanswered


def add_socket_api(app: Flask, provider: Provider, sessions: Sessions, origins: tuple[str, ...]) -> None:
    """Serve Socket.IO in the application, for pages of its own origin and of these."""
    Payload.max_decode_packets = MAX_RECEIVED
    socketio = SocketIO(
        app,
        async_mode="gevent",
        cors_allowed_origins="*" if "*" in origins else list(origins) or None,
        ping_interval=PING_INTERVAL,
        ping_timeout=PING_TIMEOUT,
        http_compression=False,
    )
    chat = SocketChat(socketio, provider, sessions)
    socketio.on_event("connect", chat.connect)
    socketio.on_event("disconnect", chat.disconnect)
    socketio.on_event("chat_stream", chat.chat_stream)


class SocketChat:
    """All connected sockets and the reply that each may have running.

    One reply at a time for each socket: its events carry nothing that would tell two apart. An ask
    that comes meanwhile is refused with one `chat_stream_error`.
    """

    def __init__(self, socketio: SocketIO, provider: Provider, sessions: Sessions) -> None:
        self._socketio = socketio
        self._provider = provider
        self._sessions = sessions
        self._private_sessions: dict[str, str] = {}  # by socket: for asks that name no session
        self._replies: dict[str, gevent.Greenlet] = {}  # by socket
        gevent.spawn(self._watch_pings)

    def connect(self, auth: object = None) -> None:
        """A socket has connected."""
        self._private_sessions[_sid()] = uuid.uuid4().hex

    def disconnect(self, reason: object = None) -> None:
        """A socket has gone, with or without a goodbye: stop its reply."""
        sid = _sid()
        self._private_sessions.pop(sid, None)
        if reply := self._replies.pop(sid, None):
            reply.kill(block=False)

    def chat_stream(self, *args: object) -> None:
        """Start a reply, or say why not. Clients can send any number of arguments of any kind."""
        sid = _sid()
        if sid not in self._private_sessions:
            return  # it has gone while its ask waited for its turn
        try:
            ask = read_ask(args[0] if args else None)
            if sid in self._replies:
                raise BadAsk("A reply is still running on this connection. Ask again when it has ended.")
        except BadAsk as error:
            self._emit(sid, {"error": str(error)})
            return
        self._replies[sid] = gevent.spawn(self._reply, sid, ask)

    def _reply(self, sid: str, ask: Ask) -> None:
        session_id = ask.session_id or self._private_sessions[sid]
        with closing(generate(self._provider, self._sessions, session_id, ask.message)) as events:
            for event in events:
                self._wait_for_reader(sid)
                if "token" not in event:
                    self._replies.pop(sid, None)  # first: the client may ask again at once
                self._emit(sid, event)

    def _emit(self, sid: str, event: Event) -> None:
        name = "chat_token" if "token" in event else "chat_complete" if "done" in event else "chat_stream_error"
        self._socketio.emit(name, event, to=sid)

    def _wait_for_reader(self, sid: str) -> None:
        with suppress(KeyError):  # the socket has gone: its disconnect ends this greenlet
            unsent = self._engine_socket(sid).queue
            if unsent.qsize() >= MAX_UNSENT:
                unsent.join()

    def _watch_pings(self) -> None:
        """Notice in time that a client no longer answers pings.

        Engine.IO itself looks once in PING_TIMEOUT only, and a reply would run on for nobody.
        """
        while True:
            gevent.sleep(PING_CHECK_SECONDS)
            for sid in list(self._replies):
                with suppress(KeyError, SocketIsClosedError):
                    self._engine_socket(sid).check_ping_timeout()

    def _engine_socket(self, sid: str) -> Any:
        """The Engine.IO socket below a Socket.IO one; KeyError once it is closed."""
        server = self._socketio.server
        return server.eio.sockets[server.manager.eio_sid_from_sid(sid, "/")]


def _sid() -> str:
    sid: str = request.sid  # type: ignore[attr-defined]  # Flask-SocketIO adds it
    return sid
