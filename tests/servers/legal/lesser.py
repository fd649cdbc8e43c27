"""Servers that offer less, and declare no more than they offer."""

from __future__ import annotations

from aiohttp import web

from chatproof.harness.protocol.requirements import Profile
from tests.servers.legal.variant import legal
from tests.servers.parts import MAX_BODY, SESSIONS
from tests.servers.plain_server import ChatServer


@legal("streams-only", profiles=[Profile.CORE], contract=1)
class StreamsOnly(ChatServer):
    """No Socket.IO, no `/api/chat`, no limits; who sends a token is as anonymous as anybody."""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.as_json], client_max_size=MAX_BODY)
        app.router.add_post("/api/chat/stream", self.on_stream)
        app.router.add_get(SESSIONS + "{name:.*}", self.on_get_session)
        app.router.add_delete(SESSIONS + "{name:.*}", self.on_delete_session)
        return app

    def keep_to_limit(self, request: web.Request, bucket: str) -> None:
        """Everybody, as often as they like."""


@legal("without-sockets", profiles=[Profile.CORE, Profile.CHAT, Profile.LIMITS], contract=1)
class WithoutSockets(StreamsOnly):
    """HTTP alone."""

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_post("/api/chat", self.on_chat)
        return app

    def keep_to_limit(self, request: web.Request, bucket: str) -> None:
        ChatServer.keep_to_limit(self, request, bucket)


@legal("sockets-beside-streams", profiles=[Profile.CORE, Profile.SOCKETIO], contract=1)
class SocketsBesideStreams(StreamsOnly):
    """Both transports, and nothing else."""

    def app(self) -> web.Application:
        app = super().app()
        self.sio.attach(app)
        return app
