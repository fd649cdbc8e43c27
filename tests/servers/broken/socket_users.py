"""Faults of tokens and users that the rows AUTH-05 to AUTH-10 notice."""

from __future__ import annotations

from typing import Any

import jwt
from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import ANONYMOUS, SESSIONS, Ask, Refused, Session
from tests.servers.plain_server import ChatServer

SOCKETS = "AUTH-05 AUTH-06 AUTH-07 SIO-01"
LISTS = "AUTH-01 AUTH-08"
TOKENS = "AUTH-01 AUTH-09 AUTH-10"


@fault("socket-users-mixed", "AUTH-05", "AUTH-05 AUTH-06 SIO-01", says="the first ask over websocket: user")
class LastOneIn(ChatServer):
    """One variable for the user of all sockets."""

    def socket_user(self, sid: str, payload: Any) -> str:
        return [ANONYMOUS, *self.socket_users.values()][-1]


@fault("socket-users-anonymous", "AUTH-05", SOCKETS, says="although the server reads it")
class VerifiesAndForgets(ChatServer):
    def socket_user(self, sid: str, payload: Any) -> str:
        return ANONYMOUS


@fault("socket-users-not-polling", "AUTH-05", SOCKETS, says="over polling: user")
class NotOverPolling(ChatServer):
    def socket_token(self, environ: dict[str, Any], auth: Any) -> str:
        is_polling = "transport=polling" in environ["QUERY_STRING"]
        return "" if is_polling else super().socket_token(environ, auth)


@fault("socket-tokens-of-another-secret", "AUTH-05", SOCKETS, says="with a valid token in auth.token")
class ReadsAnotherSecret(ChatServer):
    """Its sockets were given the secret of the example configuration."""

    def socket_token(self, environ: dict[str, Any], auth: Any) -> str:
        if token := super().socket_token(environ, auth):
            try:
                jwt.decode(token.removeprefix("Bearer "), "secret", algorithms=["HS256"])
            except jwt.InvalidTokenError as error:
                raise Refused(401, "The token is not valid.") from error
        return token


class _Believes(ChatServer):
    """Sockets have a reader of tokens of their own."""

    def socket_token(self, environ: dict[str, Any], auth: Any) -> str:
        return str(auth.get("token", "")) if isinstance(auth, dict) else ""

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        if token := self.socket_token(environ, auth):
            try:
                self.socket_users[sid] = self.claims(token)["sub"]
            except jwt.InvalidTokenError:
                return

    def claims(self, token: str) -> dict[str, Any]:
        return jwt.decode(token, options={"verify_signature": False})


@fault("socket-tokens-unverified", "AUTH-06", SOCKETS, says="its payload changed, in auth.token: user")
class DecodesOnly(_Believes):
    pass


@fault("socket-tokens-expired", "AUTH-06", SOCKETS, says="expired an hour ago, in auth.token")
class NeverExpires(_Believes):
    def claims(self, token: str) -> dict[str, Any]:
        return jwt.decode(token, self.config.secret, algorithms=["HS256"], options={"verify_exp": False})


@fault("socket-tokens-unverified-over-polling", "AUTH-06", SOCKETS, says=", in auth.token: ")
class TrustsPolling(DecodesOnly):
    """What comes over polling has passed the proxy, which verifies."""

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        if "transport=polling" in environ["QUERY_STRING"]:
            await super().on_connect(sid, environ, auth)
        elif token := self.socket_token(environ, auth):
            self.socket_users[sid] = self.user_named(f"Bearer {token}")


@fault("socket-tokens-in-query-unverified", "AUTH-06", SOCKETS, says="in the handshake's query: user")
class DecodesTheQuery(_Believes):
    """Where a proxy should have verified it."""

    def socket_token(self, environ: dict[str, Any], auth: Any) -> str:
        query = dict(one.partition("=")[::2] for one in environ["QUERY_STRING"].split("&"))
        return str(query.get("token", ""))


@fault("socket-sessions-open", "AUTH-07", SOCKETS, says="over SSE went to the provider for a client without a token")
class SocketsOpenAll(ChatServer):
    """The owner is checked on HTTP routes only."""

    def need_owner(self, session_id: str, user: str, over: str = "sse") -> None:
        if over != "socket":
            super().need_owner(session_id, user, over)


@fault("socket-users-by-payload", "AUTH-07", SOCKETS, says="for a client that merely says that it is the owner")
class TakesTheirWord(ChatServer):
    """Whoever has no token may say who they are."""

    def socket_user(self, sid: str, payload: Any) -> str:
        user = super().socket_user(sid, payload)
        return str(payload.get("user_id", user)) if user == ANONYMOUS else user


@fault("socket-sessions-owned-by-nobody", "AUTH-07", SOCKETS, says="over Socket.IO went to the provider for a client")
class SocketsOwnNothing(ChatServer):
    """What is begun on a socket belongs to nobody."""

    def session_of(self, ask: Ask) -> Session:
        owner = ANONYMOUS if ask.over == "socket" else ask.user
        return self.sessions.setdefault(self.key(ask.session_id, ask.over), Session(owner=owner))


@fault("socket-sessions-joined", "AUTH-07", SOCKETS, says="the owner's session holds what")
class WritesToAll(ChatServer):
    """A stranger is shown nothing, and what they say is stored."""

    def need_owner(self, session_id: str, user: str, over: str = "sse") -> None:
        session = self.sessions.get(session_id)
        if over == "socket" and session and session.owner not in (user, ANONYMOUS):
            session.messages.append({"role": "user", "content": self.heard})
        super().need_owner(session_id, user, over)

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        ask = super().read_ask(body, over, default_session)
        self.heard = ask.message
        return ask


class _Lists(ChatServer):
    """A route that lists sessions, for whoever `may_see`."""

    path = "/api/chat/sessions"

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_get(self.path, self.on_list)
        return app

    async def on_list(self, request: web.Request) -> web.StreamResponse:
        user = self.user_of(request)
        return web.json_response({"sessions": self.listed(user)})

    def listed(self, user: str) -> list[str]:
        return list(self.sessions)


@fault("lists-sessions", "AUTH-08", LISTS, says="GET /api/chat/sessions shows a client without a token a signed-in")
class ListsSessions(_Lists):
    pass


@fault("lists-sessions-to-users", "AUTH-08", LISTS, says="GET /api/chat/history shows another user what a signed-in")
class ListsToUsers(_Lists):
    """Whoever has a token sees what everybody said."""

    path = "/api/chat/history"

    def listed(self, user: str) -> list[str]:
        said = [session.messages[0]["content"] for session in self.sessions.values() if session.messages]
        return [] if user == ANONYMOUS else said


@fault("lists-guests", "AUTH-08", LISTS, says="the session of a client without a token")
class ListsGuests(_Lists):
    """Everybody without a token is one person."""

    path = SESSIONS

    def app(self) -> web.Application:
        return super().app()

    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        return await (self.on_list(request) if request.path == SESSIONS else super().on_get_session(request))

    def listed(self, user: str) -> list[str]:
        return [name for name, session in self.sessions.items() if session.owner == user]


@fault("bearer-in-capitals-only", "AUTH-09", TOKENS, says="user 'anonymous'")
class NeedsTheCapital(ChatServer):
    """Another scheme is none of its business."""

    def user_named(self, header: str) -> str:
        return super().user_named(header) if header.startswith("Bearer ") else ANONYMOUS


@fault("bearer-refused", "AUTH-09", TOKENS, says="status 401")
class RefusesSmallLetters(ChatServer):
    def token_in(self, header: str) -> str:
        return header.removeprefix("Bearer ")


@fault("bearer-not-for-sessions", "AUTH-09", TOKENS, says="GET /api/chat/sessions/")
class NotForSessions(NeedsTheCapital):
    def user_of(self, request: web.Request) -> str:
        header = request.headers.get("Authorization", "")
        return self.user_named(header if request.method == "GET" else header.replace("bearer ", "Bearer "))


class _EarlyTokens(ChatServer):
    def claims(self, token: str) -> dict[str, Any]:
        return jwt.decode(token, self.config.secret, algorithms=["HS256"], options={"verify_nbf": False})

    def identity(self, token: str) -> str:
        return str(self.claims(token)["sub"])


@fault("jwt-early", "AUTH-10", TOKENS, says="not valid for another hour (nbf): user")
class AcceptsEarlyTokens(_EarlyTokens):
    pass


@fault("jwt-early-sessions", "AUTH-10", TOKENS, says="GET showed the owner's session")
class ShowsToEarlyTokens(_EarlyTokens):
    """The route of sessions verifies by hand."""

    def user_of(self, request: web.Request) -> str:
        self.is_early = request.method == "GET"
        return super().user_of(request)

    def identity(self, token: str) -> str:
        return super().identity(token) if self.is_early else ChatServer.identity(self, token)
