"""Faults that REQ-16 and SES-20 notice: odd requests, and ids that are long."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import Crash, fault
from tests.servers.broken.request_forms import Guarded
from tests.servers.parts import Refused
from tests.servers.plain_server import ChatServer

ODD, IDS = "REQ-01 REQ-16", "SES-01 SES-20"


@fault("nested-crash", "REQ-16", ODD, says="nested lists: status 500")
class NestedCrash(ChatServer):
    async def read_object(self, request: web.Request) -> Any:
        try:
            return json.loads((await request.read()).decode())
        except ValueError as error:
            raise Refused(400, "The body must be JSON.") from error


@fault("nested-copy-crash", "REQ-16", ODD, says="a field of 2000 nested lists: status 500")
class NestedCopyCrash(ChatServer):
    """Its parser bears more than what copies its result."""

    async def read_object(self, request: web.Request) -> Any:
        text = (await request.read()).decode()
        if 1_000 < text.count("[") < 10_000:
            raise Crash("maximum recursion depth exceeded")
        return await super().read_object(request)


@fault("nul-crash", "REQ-16", ODD, says="a NUL in `message`: status 500")
class NulCrash(ChatServer):
    """Keeps messages in a database whose texts hold no NUL."""

    def is_message(self, text: str) -> bool:
        if "\0" in text:
            raise Crash("invalid byte sequence for encoding")
        return super().is_message(text)


@fault("id-is-a-file", "REQ-16", ODD, says="a NUL in the conversation's id: status 500")
class IdIsAFile(ChatServer):
    """Keeps sessions in files."""

    def is_session_id(self, text: str) -> bool:
        if "\0" in text:
            raise ValueError("embedded null byte")
        return super().is_session_id(text)


@fault("scheme-alone-crash", "REQ-16", ODD, says="an Authorization header with a scheme alone: status 500")
class SchemeAloneCrash(Guarded):
    def instead(self, request: web.Request) -> web.StreamResponse | None:
        if header := request.headers.get("Authorization"):
            assert header.split(" ")[1]
        return None


@fault("basic-crash", "REQ-16", ODD, says="an Authorization header with a name and a password: status 500")
class BasicCrash(Guarded):
    """Takes the three parts of any token apart."""

    def instead(self, request: web.Request) -> web.StreamResponse | None:
        token = request.headers.get("Authorization", "").partition(" ")[2]
        assert not token or len(token.split(".")) == 3 or token == "abc"
        return None


@fault("session-token-crash", "REQ-16", ODD, says="header with a word that is no token: status 500")
class SessionTokenCrash(ChatServer):
    """Has an older way to read tokens on one of its routes."""

    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        header, payload, _ = (request.headers.get("Authorization") or "Bearer a.b.c").split(".")
        return await super().on_get_session(request) if header and payload else web.Response()


@fault("head-crash", "REQ-16", ODD, says="HEAD /api/chat/sessions/")
class HeadCrash(ChatServer):
    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        if request.method == "HEAD":
            raise Crash
        return await super().on_get_session(request)


@fault("delete-crash", "REQ-16", ODD, says="status 500")
class DeleteCrash(ChatServer):
    def forget(self, session_id: str) -> bool:
        del self.sessions[session_id]
        return True


@fault("delete-races", "REQ-16", ODD, says="two DELETEs of a session at once: status 500")
class DeleteRaces(ChatServer):
    """Looks whether the session is there, and deletes it a moment later."""

    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        name = self.session_named(request)
        if name in self.sessions:
            await asyncio.sleep(0.05)
            del self.sessions[name]
        return web.json_response({"success": True, "message": "Session deleted"})


@fault("nested-breaks-off", "REQ-16", ODD, says="a field of 2000 nested lists: no answer")
class NestedBreaksOff(ChatServer):
    """Hangs up on what it cannot read."""

    async def read_object(self, request: web.Request) -> Any:
        if b"[" * 1_000 in await request.read():
            assert request.transport is not None
            request.transport.abort()
        return await super().read_object(request)


@fault("id-cut", "SES-20", IDS, says="was sent, with a message of the second session, what was said in the first")
class IdCut(ChatServer):
    def key(self, session_id: str, over: str = "sse") -> str:
        return session_id[:128]


@fault("id-cut-on-sockets", "SES-20", IDS, says="was sent, with a message of the second session, what was said in the")
class IdCutOnSockets(ChatServer):
    """The last letter of a long id is lost on one of two ways in."""

    def key(self, session_id: str, over: str = "sse") -> str:
        return session_id[:199] if over == "socket" else session_id


@fault("deletes-by-prefix", "SES-20", IDS, says="after the DELETE of the first session, the second one has forgotten")
class DeletesByPrefix(ChatServer):
    def forget(self, session_id: str) -> bool:
        found = [name for name in self.sessions if name.startswith(session_id[:64])]
        for name in found:
            del self.sessions[name]
        return bool(found)


@fault("long-id-crash", "SES-20", IDS, says="an ask with an id of 200 characters: status 500")
class LongIdCrash(ChatServer):
    def is_session_id(self, text: str) -> bool:
        if len(text) > 191:
            raise Crash("Data too long for column")
        return super().is_session_id(text)
