"""Servers that serve clients without a token well, and signed-in users not so, or too many of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import ANONYMOUS, Ask, Config, Event, Refused, name_of
from tests.servers.plain_server import ChatServer
from tests.servers.unheard import unheard


@fault("users-get-jobs", "INT-01 INT-03", "INT-01 INT-03", says="a signed-in client that", contract=2)
class UsersGetJobs(ChatServer):
    """A user's reply is a job that is saved, and so runs to its end. Others are not saved."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        events = super().reply(ask)
        if ask.user != ANONYMOUS:
            events = unheard(events, self.background)
        async with aclosing(events):
            async for event in events:
                yield event


@fault("silent-jobs-for-users", "INT-02", "INT-02", says="a signed-in client that", contract=2)
class SilentJobsForUsers(UsersGetJobs):
    """The same, where the provider is silent."""


@fault(
    "users-wait-for-the-whole",
    "SSE-06 SIO-12 SES-15",
    "SSE-06 SIO-12 SES-15",
    says="a reply to a signed-in user: ",
    contract=2,
)
class UsersWaitForTheWhole(ChatServer):
    """A user's reply is stored before it is sent. A user has no second one in a session: the stored one has no role."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        if ask.user != ANONYMOUS and self.session_of(ask).messages:
            yield {"error": "The stored conversation cannot be read."}
            return
        stored: list[Event] = []
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                stored.append(event)
                if ask.user == ANONYMOUS:
                    yield stored.pop()
        for event in stored:
            yield event


@fault(
    "chat-knows-no-users",
    "AUTH-04 SES-04",
    "AUTH-04 CHAT-06 SES-04",
    says="what the owner had said over /api/chat went to the provider for another user",
    may="SES-05",
    contract=2,
)
class ChatKnowsNoUsers(ChatServer):
    """`/api/chat` and DELETE are older than tokens: both take everybody for nobody."""

    async def ask_of(self, request: web.Request, over: str) -> Ask:
        ask = await super().ask_of(request, over)
        return replace(ask, user=ANONYMOUS) if over == "chat" else ask

    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        self.need_owner(self.session_named(request), ANONYMOUS)
        return await super().on_delete_session(request)


@fault("users-delete-nothing", "SES-05", "SES-04 SES-05", says="with its owner's token: GET afterwards", contract=2)
class UsersDeleteNothing(ChatServer):
    """A name space for each user, but DELETE looks into that of clients without a token, and is always content."""

    def own_name(self, session_id: str, user: str) -> str:
        return session_id if user == ANONYMOUS else f"{user}\0{session_id}"

    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        if not self.forget(self.session_named(request)) and self.user_of(request) == ANONYMOUS:
            raise Refused(404, "No such session.")
        return web.json_response({"success": True, "message": "Session deleted"})


@fault("users-share-their-sockets", "SIO-06", "SIO-06 SIO-03", says="a signed-in user's other tab", contract=2)
class UsersShareTheirSockets(ChatServer):
    """Every socket of a user gets the user's replies."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        user = self.socket_users.get(sid, ANONYMOUS)
        sids = [sid] if user == ANONYMOUS else [one for one, name in self.socket_users.items() if name == user]
        for one in sids:
            await self.sio.emit(name_of(event), event, to=one)


@fault("chat-null-is-an-id", "CHAT-06", "CHAT-06 SES-09", says="with `session_id: null`", contract=2)
class ChatNullIsAnId(ChatServer):
    """`str(None)` over `/api/chat`."""

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        if over == "chat" and isinstance(body, dict) and "session_id" in body:
            body = {**body, "session_id": str(body["session_id"])}
        return super().read_ask(body, over, default_session)


@fault("users-share-their-default-session", "SES-09", "SES-09", says="a signed-in user's", contract=2)
class UsersDefaultSession(ChatServer):
    """All asks of a user that name no session belong to one."""

    async def ask_of(self, request: web.Request, over: str) -> Ask:
        ask = await super().ask_of(request, over)
        body = await self.read_object(request)
        if ask.user != ANONYMOUS and body.get("session_id") is None:
            return replace(ask, session_id=f"default of {ask.user}")
        return ask


class TokenUser(str):
    """A user with the token that names them."""

    token = ""


@fault("history-by-token", "SES-07", "SES-07 SES-15", says="with a renewed token", contract=2)
class HistoryByToken(ChatServer):
    """A user's chats hang on the token. One that is renewed finds none of them."""

    def user_named(self, header: str) -> str:
        user = TokenUser(super().user_named(header))
        if user != ANONYMOUS:
            user.token = str(hash(self.token_in(header)))
        return user

    def own_name(self, session_id: str, user: str) -> str:
        token = getattr(user, "token", "")
        return f"{token}/{session_id}" if token else session_id


@fault("deletes-all-of-a-user", "SES-07", "SES-04 SES-05 SES-07", says="who had deleted another one", contract=2)
class DeletesAllOfUser(ChatServer):
    """DELETE of one chat deletes all of its user."""

    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        answer = await super().on_delete_session(request)
        user = self.user_of(request)
        if user != ANONYMOUS:
            for name in [name for name, session in self.sessions.items() if session.owner == user]:
                del self.sessions[name]
        return answer


@fault("users-locked-by-failures", "ERR-05", "ERR-05", says="a signed-in user, after", contract=2)
class UserLockedByFailure(ChatServer):
    """A user's session stays locked after a failure of the provider."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.busy: set[str] = set()

    async def ask_of(self, request: web.Request, over: str) -> Ask:
        ask = await super().ask_of(request, over)
        if ask.user != ANONYMOUS and ask.session_id in self.busy:
            raise Refused(409, "A reply runs in this session.")
        return ask

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        self.busy.add(ask.session_id)
        try:
            async with aclosing(super().reply(ask)) as events:
                async for event in events:
                    if "done" in event:
                        self.busy.discard(ask.session_id)
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.busy.discard(ask.session_id)
            raise


@fault("token-refused-in-other-words", "REQ-05", "REQ-05 AUTH-03", says="a Bearer token that is", contract=2)
class Msg401(ChatServer):
    """A bad token is refused with `{"msg": …}`, as flask-jwt-extended does."""

    def refusal(self, refused: Refused) -> web.Response:
        if refused.status == 401:
            return web.json_response({"msg": refused.text}, status=401)
        return super().refusal(refused)
