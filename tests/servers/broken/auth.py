"""Faults that the rows of AUTH notice."""

from __future__ import annotations

from dataclasses import replace

import jwt
from aiohttp import web

from tests.servers.broken.fault import Crash, fault
from tests.servers.parts import ANONYMOUS, Ask, Config, Refused, Session
from tests.servers.plain_server import ChatServer

FORGED = "AUTH-02 AUTH-03"
ONLY = "AUTH SSE-01 END-07"


class _Lenient(ChatServer):
    """Reads a token that does not verify, where `believes` says so."""

    def identity(self, token: str) -> str:
        try:
            return super().identity(token)
        except jwt.InvalidTokenError as error:
            header = jwt.get_unverified_header(token)
            if not self.believes(error, header):
                raise
            return str(jwt.decode(token, options={"verify_signature": False})["sub"])

    def believes(self, error: jwt.InvalidTokenError, header: dict[str, object]) -> bool:
        raise NotImplementedError


@fault("jwt-signature-ignored", FORGED, ONLY)
class IgnoresSignature(_Lenient):
    def believes(self, error: jwt.InvalidTokenError, header: dict[str, object]) -> bool:
        return not isinstance(error, jwt.ExpiredSignatureError)


@fault("jwt-alg-none", FORGED, ONLY)
class AcceptsNone(_Lenient):
    def believes(self, error: jwt.InvalidTokenError, header: dict[str, object]) -> bool:
        return header.get("alg") == "none"


@fault("jwt-alg-none-spelled", FORGED, ONLY)
class AcceptsNoneSpelled(_Lenient):
    """It has "none" on a list of what it refuses."""

    def believes(self, error: jwt.InvalidTokenError, header: dict[str, object]) -> bool:
        return header.get("alg") != "none" and str(header.get("alg")).lower() == "none"


@fault("jwt-expired", FORGED, ONLY)
class AcceptsExpired(_Lenient):
    def believes(self, error: jwt.InvalidTokenError, header: dict[str, object]) -> bool:
        return isinstance(error, jwt.ExpiredSignatureError)


@fault("jwt-other-key", FORGED, ONLY)
class TrustsTheDefaultKey(ChatServer):
    """The key of its example configuration still opens."""

    def identity(self, token: str) -> str:
        try:
            return super().identity(token)
        except jwt.InvalidSignatureError:
            return str(jwt.decode(token, "secret", algorithms=["HS256"])["sub"])


@fault("jwt-crash", "AUTH-03", ONLY)
class CrashesOnBadToken(ChatServer):
    def on_bad_token(self, error: jwt.InvalidTokenError) -> str:
        raise Crash


@fault("jwt-bad-is-nobody", "AUTH-03", ONLY)
class BadTokenIsNobody(ChatServer):
    """As if there were none: AUTH-02 allows it, AUTH-03 asks for more."""

    def on_bad_token(self, error: jwt.InvalidTokenError) -> str:
        return ANONYMOUS


@fault("jwt-ignored", "AUTH-01 AUTH-03 AUTH-04", ONLY)
class IgnoresTokens(ChatServer):
    def user_of(self, request: web.Request) -> str:
        return ANONYMOUS


@fault("jwt-own-secret", "", ONLY, unjudged="AUTH-01 AUTH-02 AUTH-03 AUTH-04", says="not the one in JWT_SECRET, JWT_")
class ReadsItsOwnSecret(ChatServer):
    """From a file."""

    def __init__(self, config: Config) -> None:
        super().__init__(replace(config, secret="its own, and nobody else knows it"))


@fault("jwt-wrong-claim", "AUTH-01", ONLY)
class NamesTheSubjectWrongly(ChatServer):
    """In capital letters."""

    def identity(self, token: str) -> str:
        return super().identity(token).upper()


@fault("jwt-session-only", "AUTH-02", ONLY)
class TrustsTokensOfSessions(ChatServer):
    """The stream verifies; the route of sessions reads the payload."""

    def user_of(self, request: web.Request) -> str:
        if request.method != "GET":
            return super().user_of(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return str(jwt.decode(token, options={"verify_signature": False})["sub"]) if token else ANONYMOUS


@fault("sessions-open", "AUTH-04", ONLY)
class SessionsOpenToAll(ChatServer):
    def need_owner(self, session_id: str, user: str, over: str = "sse") -> None:
        """Whoever knows the id."""


class _HalfOpen(ChatServer):
    """Sessions are shown to nobody else; one way stays open."""

    def is_open(self, request: web.Request) -> bool:
        raise NotImplementedError

    def user_of(self, request: web.Request) -> str:
        user = super().user_of(request)
        return "root" if self.is_open(request) else user

    def need_owner(self, session_id: str, user: str, over: str = "sse") -> None:
        if user != "root":
            super().need_owner(session_id, user, over)


@fault("sessions-deleted-by-all", "AUTH-04", ONLY)
class DeletedByAll(_HalfOpen):
    def is_open(self, request: web.Request) -> bool:
        return request.method == "DELETE"


@fault("sessions-shown-to-all", "AUTH-04", ONLY)
class ShownToAll(_HalfOpen):
    def is_open(self, request: web.Request) -> bool:
        return request.method == "GET"


@fault("sessions-written-by-all", "AUTH-04", ONLY)
class WrittenByAll(_HalfOpen):
    """Over /api/chat."""

    def is_open(self, request: web.Request) -> bool:
        return request.path == "/api/chat"

    def session_of(self, ask: Ask) -> Session:
        return self.sessions.setdefault(self.key(ask.session_id, ask.over), Session(owner=ask.user))


@fault("delete-only-decodes", "AUTH-02", "AUTH-02 AUTH-03 AUTH-04", says="after DELETE with", contract=2)
class DeleteOnlyDecodes(ChatServer):
    """DELETE reads the token without verifying it, which all other routes do."""

    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        header = request.headers.get("Authorization", "")
        if not header or not self.config.secret:
            return await super().on_delete_session(request)
        try:
            claims = jwt.decode(self.token_in(header), options={"verify_signature": False})
        except jwt.InvalidTokenError as error:
            raise Refused(401, "The token is not valid.") from error
        user = str(claims.get("sub", ANONYMOUS))
        name = self.own_name(self.session_named(request), user)
        self.need_owner(name, user)
        if not self.forget(name):
            raise Refused(404, "No such session.")
        return web.json_response({"success": True, "message": "Session deleted"})
