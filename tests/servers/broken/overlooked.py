"""Faults where nobody looks twice: headers, paths, the database's idea of an equal id, what is stored too late."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_to_bytes

import jwt
from aiohttp import web

from tests.servers.broken.fault import Crash, fault
from tests.servers.client_request import KnowsItsClient
from tests.servers.parts import Ask, Event, Message, ProviderFailed, Refused, Session
from tests.servers.plain_server import ChatServer, Handler

DELAY = 0.7  # seconds


@fault("brings-its-own", "REQ-14 REQ-15", "REQ-14 REQ-15", says="options")
class BringsItsOwn(KnowsItsClient):
    """A client may bring a key in `X-OpenAI-Api-Key`, and in `options` whatever the provider takes."""

    def credentials(self) -> dict[str, str]:
        own = self.headers.get("x-openai-api-key")
        return {"Authorization": f"Bearer {own}"} if own else super().credentials()

    def question(self, messages: list[Message]) -> dict[str, Any]:
        options = self.body.get({}).get("options")
        return {**super().question(messages), **(options if isinstance(options, dict) else {})}


@fault("odd-paths", "REQ-16", "REQ-16", says="DELETE /api/chat/sessions/")
class OddPaths(ChatServer):
    """A path that is no UTF-8 is not decoded, and DELETE splits a credential that has no second part."""

    @web.middleware
    async def as_json(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            path = request.raw_path.partition("?")[0]
            if re.search("%(?![0-9A-Fa-f]{2})", path):
                raise Crash
            unquote_to_bytes(path).decode()
            if request.method == "DELETE":
                _scheme, _token = request.headers.get("Authorization", "Bearer x").split(" ")
        except (Crash, ValueError):
            return self.refusal(Refused(500, "Something went wrong."))
        return await super().as_json(request, handler)


@fault("time-of-the-socket", "END-11", "END-11", says="chat_complete")
class TimeOfTheSocket(ChatServer):
    """Each reply on a socket has the time at which that connected."""

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        await super().on_connect(sid, environ, auth)
        environ["began"] = datetime.now(UTC).isoformat()

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if "timestamp" in event:
            event = {**event, "timestamp": self.sio.get_environ(sid)["began"]}
        await super().emit(sid, event, ask)


@fault("names-for-tokens", "AUTH-02 AUTH-04 AUTH-10", "AUTH-02 AUTH-04 AUTH-10", says="headers X-User-Id")
class NamesForTokens(ChatServer):
    """A word that is no token is a user's name, as in tests; so is what a gateway once sent. Sockets know no `nbf`."""

    def user_of(self, request: web.Request) -> str:
        return request.headers.get("X-User-Id") or super().user_of(request)

    def user_named(self, header: str) -> str:
        token = self.token_in(header)
        return token if token and "." not in token and " " not in token else super().user_named(header)

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        token = auth.get("token", "") if isinstance(auth, dict) else ""
        try:
            claims = jwt.decode(token, self.config.secret, algorithms=["HS256"], options={"verify_nbf": False})
        except jwt.InvalidTokenError:
            await super().on_connect(sid, environ, auth)
        else:
            self.socket_users[sid] = str(claims["sub"])


@fault("collated-ids", "SES-10", "SES-08 SES-10", says="provider got what was said in", contract=2)
class CollatedIds(ChatServer):
    """The database sees no accents, and takes what begins with digits for a number."""

    def key(self, session_id: str, over: str = "sse") -> str:
        number = re.match(r"\d{9,}", session_id)
        letters = unicodedata.normalize("NFD", session_id)
        return str(int(number[0])) if number else "".join(one for one in letters if not unicodedata.combining(one))

    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        if self.session_named(request) not in self.sessions:
            raise Refused(404, "No such session.")
        return await super().on_delete_session(request)

    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        if self.session_named(request) not in self.sessions:
            raise Refused(404, "No such session.")
        return await super().on_get_session(request)


@fault("loop-guard", "TOK-09", "TOK-09", says="a token that comes eight times")
class LoopGuard(ChatServer):
    """What comes five times in a row is taken for a model that hangs."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        last, times = "", 0
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                times = times + 1 if token == last else 1
                last = token
                if times < 5:
                    yield token


@fault("stops-at-dialogues", "TOK-09", "TOK-09", says="lines of a dialogue")
class StopsAtDialogues(ChatServer):
    """A small local model goes on with words of the user, so a reply ends where such a line begins."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        text = ""
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                before, text = len(text), text + token
                if found := re.search(r"\n(?:User|Human):", text):
                    if rest := text[before : found.start()]:
                        yield rest
                    return
                yield token


@fault("error-by-its-first-word", "TOK-09", "TOK-09 TOK-04", says="lines that report an error")
class ErrorByItsFirstWord(ChatServer):
    """Hands its own failures on as texts that begin with `Error`, and takes such a token of the model for one."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                if token.startswith("Error"):
                    raise ProviderFailed("It failed.")
                yield token


@fault("stopped-and-stored-late", "SES-18", "SES-18", says="empty")
class StoredLate(ChatServer):
    """A stopped exchange is written a little later, with the empty reply of its last state."""

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        asyncio.get_running_loop().call_later(DELAY, self.keep, session, ask, "")


@fault("debug-headers", "ERR-04", "REQ-03 ERR-04 CHAT-03", says="x-debug-exception-file", contract=2)
class DebugHeaders(ChatServer):
    """Symfony's headers of a failure, in production."""

    def refusal(self, refused: Refused) -> web.Response:
        answer = super().refusal(refused)
        answer.headers["X-Debug-Exception-File"] = "%2Fvar%2Fwww%2Fchat%2Fsrc%2FController%2FChatController.php:41"
        return answer
