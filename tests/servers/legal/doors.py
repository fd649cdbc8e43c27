"""Odd ways to know users and to answer pages of other origins."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import jwt
from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import ANONYMOUS, Ask, Config, Event, Refused
from tests.servers.plain_server import ChatServer, Handler


@legal("name-spaces", contract=1)
class NameSpaces(ChatServer):
    """Each user has sessions of their own, by the same names; the secret has another usual name; bad tokens are refused
    with 422; other origins are refused altogether, the allowed one is told to everybody, in capital letters and with
    more than was asked for."""

    def __init__(self, config: Config) -> None:
        super().__init__(replace(config, secret=config.secret_key))

    def own_name(self, session_id: str, user: str) -> str:
        return session_id if user == ANONYMOUS else f"{user}/{session_id}"

    def on_bad_token(self, error: Exception) -> str:
        raise Refused(422, "Signature verification failed")

    async def add_cors(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self.cors_headers(request, response, self.config.origins[0]))

    def preflight_headers(self) -> dict[str, str]:
        return {
            "Access-Control-Allow-Methods": "GET, HEAD",  # POST needs no permission
            "Access-Control-Allow-Headers": "X-REQUESTED-WITH,AUTHORIZATION , CONTENT-TYPE",
            "Access-Control-Max-Age": "600",
        }

    async def on_preflight(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Origin") not in self.config.origins:
            raise Refused(403, "Not from there.")
        return web.Response(status=200, text="OK")


class NeedsItsCookie(ChatServer):
    """Long polling is found again by a cookie, as a balancer in front of several workers would."""

    @web.middleware
    async def sticky(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith("/socket.io/") or request.query.get("transport") != "polling":
            return await handler(request)
        if "sid" in request.query and request.cookies.get("worker") != "2":
            raise web.HTTPBadRequest(text="another worker's session")
        response = await handler(request)
        response.set_cookie("balancer", "of this house", path="/", httponly=True)
        response.set_cookie("worker", "2", path="/", samesite="Lax")
        return response

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.append(self.sticky)
        return app


@legal("star-without-credentials", contract=1)
class StarForOthers(NeedsItsCookie):
    """Whoever is not known may read what anybody may read, without credentials."""

    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        if self.is_allowed(origin):
            return super().cors_headers(request, response, origin)
        return {"Access-Control-Allow-Origin": "*"}

    def need_owner(self, session_id: str, user: str, over: str = "sse") -> None:
        """Names are apart already."""

    def own_name(self, session_id: str, user: str) -> str:
        return f"{len(user)}:{user}:{session_id}" if user != ANONYMOUS else session_id


@legal("five-minutes-of-leeway", only="AUTH-02 AUTH-03 AUTH-06 AUTH-10")
class FiveMinutesOfLeeway(ChatServer):
    """Its clock and its users' may be five minutes apart, as .NET has it unless told otherwise."""

    def identity(self, token: str) -> str:
        return str(jwt.decode(token, self.config.secret, algorithms=["HS256"], leeway=300)["sub"])


@legal("one-reply-a-user", only="AUTH-04 CHAT-06 INT-01 INT-03 SES-04 SES-05 SES-09 SES-15 SIO-06 SSE-06")
class OneReplyAUser(ChatServer):
    """A signed-in user gets one reply at a time over HTTP, and has sessions of their own, also over `/api/chat`; an id
    that is null is refused."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.served: set[str] = set()

    def own_name(self, session_id: str, user: str) -> str:
        return session_id if user == ANONYMOUS else f"{user}\0{session_id}"

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        if isinstance(body, dict) and body.get("session_id", "") is None:
            raise Refused(400, "session_id: a text is needed, or nothing.")
        return super().read_ask(body, over, default_session)

    async def ask_of(self, request: web.Request, over: str) -> Ask:
        ask = await super().ask_of(request, over)
        if ask.user in self.served:
            raise Refused(429, "One reply at a time.", {"Retry-After": "1"})
        return ask

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        users = {ask.user} - {ANONYMOUS} if ask.over != "socket" else set()
        self.served |= users
        try:
            async with aclosing(super().reply(ask)) as events:
                async for event in events:
                    yield event
        finally:
            self.served -= users
