"""Odd ways to answer `/api/chat`, to know users on sockets, to answer pages of other origins."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import ANONYMOUS, Ask, Event, Message, ProviderFailed, Refused
from tests.servers.plain_server import ChatServer

USERS = "AUTH-05 AUTH-06 AUTH-07"
SOCKETS = "CORS-05 CORS-06"


@legal("chat-in-one-piece", also="CHAT-07", only="CHAT CORS-07")
class ChatInOnePiece(ChatServer):
    """`/api/chat` asks the provider for a whole reply and trims it; what it refuses is a 422, and a failure a 503."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        if ask.over != "chat":
            async for token in super().tokens(messages, ask):
                yield token
            return
        body = {**self.question(messages), "stream": False}
        try:
            async with self.upstream.post(self.config.url, json=body, headers=self.credentials()) as response:
                if response.status != 200:
                    raise ProviderFailed(f"The language model answered with status {response.status}.")
                text = (await response.json())["choices"][0]["message"]["content"]
        except (aiohttp.ClientError, OSError, ValueError, LookupError) as error:
            raise ProviderFailed("The language model did not answer.") from error
        yield text.strip()

    def refusal(self, refused: Refused) -> web.Response:
        status = 422 if refused.status == 400 else refused.status
        return super().refusal(Refused(status, refused.text, refused.headers))

    def chat_failure(self, error: str) -> web.Response:
        return web.json_response({"error": error}, status=503)


@legal("socket-token-in-header", only=USERS)
class TokenInHeader(ChatServer):
    """A bad token is as good as none."""

    def socket_token(self, environ: dict[str, Any], auth: Any) -> str:
        return str(environ.get("HTTP_AUTHORIZATION", ""))

    def on_bad_token(self, error: Exception) -> str:
        return ANONYMOUS


@legal("socket-token-in-query", only=USERS)
class TokenInQuery(ChatServer):
    """A socket with a bad token is let in, and refused what it asks. Completions have three fields."""

    def socket_token(self, environ: dict[str, Any], auth: Any) -> str:
        query = dict(one.partition("=")[::2] for one in environ["QUERY_STRING"].split("&"))
        return f"Bearer {query['token']}" if "token" in query else ""

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        self.headers = getattr(self, "headers", {})
        self.headers[sid] = self.socket_token(environ, auth)

    def socket_user(self, sid: str, payload: Any) -> str:
        return self.user_named(self.headers[sid])

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        event = {name: value for name, value in event.items() if name not in ("user", "timestamp", "full_response")}
        await super().emit(sid, event, ask)


@legal("socket-token-in-payload", only=USERS)
class TokenInPayload(ChatServer):
    def socket_token(self, environ: dict[str, Any], auth: Any) -> str:
        return ""

    def socket_user(self, sid: str, payload: Any) -> str:
        return self.user_named(f"Bearer {payload['token']}" if "token" in payload else "")


@legal("sockets-without-users", only="AUTH-07 AUTH-08 AUTH-09 AUTH-10")
class SocketsWithoutUsers(ChatServer):
    """Whoever asks on a socket is nobody, with a token or without. Users see a list of their own sessions."""

    def socket_token(self, environ: dict[str, Any], auth: Any) -> str:
        return ""

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_get("/api/chat/sessions", self.on_list)
        return app

    async def on_list(self, request: web.Request) -> web.StreamResponse:
        if (user := self.user_of(request)) == ANONYMOUS:
            raise Refused(401, "Who are you?")
        return web.json_response([name for name, one in self.sessions.items() if one.owner == user])


@legal("socket-origins-by-header", only=SOCKETS)
class OriginsByHeader(ChatServer):
    """As Socket.IO in Node: no handshake is refused, and browsers are told which page may read it."""

    def socket_origins(self) -> Any:
        return []

    def app(self) -> web.Application:
        app = super().app()
        app.on_response_prepare.append(self.tell_browsers)
        return app

    async def tell_browsers(self, request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith("/socket.io/"):
            response.headers.update(self.told(request.headers.get("Origin", "")))

    def told(self, origin: str) -> dict[str, str]:
        allowed = {"Access-Control-Allow-Origin": origin} if self.is_allowed(origin) else {}
        return {**allowed, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}


@legal("socket-origins-star", only=SOCKETS)
class AnyPageWithoutCredentials(OriginsByHeader):
    """There are no cookies, so any page may open a socket, and none sends credentials."""

    def told(self, origin: str) -> dict[str, str]:
        return {"Access-Control-Allow-Origin": "*"}


@legal("cors-one-origin", only="CORS-02 CORS-03 CORS-07")
class OneOrigin(ChatServer):
    """Every answer names the one origin that is allowed, whoever asks: it does not depend on who does."""

    async def add_cors(self, request: web.Request, response: web.StreamResponse) -> None:
        if request.path.startswith("/api/"):
            headers = self.cors_headers(request, response, self.config.origins[0])
            response.headers.update({name: value for name, value in headers.items() if name != "Vary"})


@legal("socket-guests-with-names", only="AUTH-07")
class GuestsWithNames(SocketsWithoutUsers):
    """Whoever asks on a socket gets a name for this time."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        await super().emit(sid, {**event, "user": f"guest-{sid}"} if "user" in event else event, ask)
