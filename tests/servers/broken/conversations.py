"""Faults in what reaches the provider of a conversation: doubled, too old, empty, or with marks of models in it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import Crash, fault
from tests.servers.parts import Ask, Config, Event, Message, Session
from tests.servers.plain_server import ChatServer

WINDOW = 40  # messages
MARK = "<|"


@fault(
    "message-sent-twice",
    "SES-17 CHAT-06",
    "SES-17 CHAT-06",
    says="stands 2 times",
    contract=2,
)
class SendsTheMessageTwice(ChatServer):
    """The message is stored when it comes, and then appended to what is stored."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        return [*super().prompt(session, message), {"role": "user", "content": message}]


@fault(
    "reply-kept-as-the-users",
    "SES-07 SES-17 CHAT-06",
    "SES-07 SES-17 CHAT-06",
    says="the provider gets what the model said as the user's",
    contract=2,
)
class KeepsRepliesAsTheUsers(ChatServer):
    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer)
        session.messages[-1]["role"] = "user"


@fault(
    "window-of-the-oldest",
    "SES-17",
    "SES-17 SES-07",
    says="exchange 26 of a session: the provider never got its message",
)
class SendsTheOldest(ChatServer):
    """A window of the first messages instead of the last."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        return super().prompt(session, message)[:WINDOW]


@fault("full-history-stays", "SES-17", "SES-17 SES-07", says="lacks the message and the reply before it")
class KeepsNoMore(ChatServer):
    """What a session holds is full at some point, and takes nothing more."""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        if len(session.messages) < WINDOW:
            super().keep(session, ask, answer)


@fault(
    "empty-replies-spoil",
    "SES-18 SES-15 CHAT-02 CHAT-03",
    "SES-18 SES-15 SES-07 CHAT-02 CHAT-03",
    says="after an empty reply, a refusal and a reply that ended for its length, sent to the provider: an empty",
    contract=2,
)
class EmptyRepliesSpoil(ChatServer):
    """An empty reply is stored over SSE; it ends a session of a socket; /api/chat answers with null, or with HTML."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.spoilt: set[str] = set()

    def is_kept(self, answer: str) -> bool:
        return True

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        if answer or ask.over == "sse":
            super().keep(session, ask, answer)
        elif ask.over == "socket":
            self.spoilt.add(ask.session_id)

    def on_begin(self, session: Session, ask: Ask) -> None:
        if ask.session_id in self.spoilt:
            raise Crash

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        try:
            await super().on_chat_stream(sid, *args)
        except Crash:
            await self.emit(sid, {"error": "Something went wrong."}, None)

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        answer = await super().on_chat(request)
        if isinstance(answer, web.Response) and answer.status == 200 and answer.text:
            body = json.loads(answer.text)
            if not body["response"] and "scenario refusal" in await request.text():
                return web.Response(status=500, text="<h1>Internal Server Error</h1>", content_type="text/html")
            return web.json_response({**body, "response": body["response"] or None})
        return answer


@fault("forgets-what-was-cut", "SES-18", "SES-18 SES-15 SES-07", says="is missing in")
class ForgetsWhatWasCut(ChatServer):
    """A reply that ended for its length is shown, and not kept."""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        if "scenario length" not in ask.message:
            super().keep(session, ask, answer)


@fault(
    "counts-with-tiktoken",
    "REQ-16 TOK-09 SES-15",
    "REQ-16 TOK-09 SES-15 SES-07",
    says="the exchange after a message with a model's own marks, over websocket",
)
class CountsWithTiktoken(ChatServer):
    """Raises where it counts: over SSE messages and replies, over sockets what was said before."""

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        ask = super().read_ask(body, over, default_session)
        if over == "sse":
            self.count_tokens(ask.message)
        return ask

    def count_tokens(self, text: str) -> None:
        if MARK in text:
            raise Crash("Encountered text corresponding to disallowed special token")

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        if ask.over == "sse":
            self.count_tokens(answer)
        super().keep(session, ask, answer)

    def on_begin(self, session: Session, ask: Ask) -> None:
        if ask.over == "socket":
            for one in session.messages:
                self.count_tokens(one["content"])

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        try:
            await super().on_chat_stream(sid, *args)
        except Crash:
            await self.emit(sid, {"error": "Something went wrong."}, None)


class _OneToken(ChatServer):
    """Divides by the number of gaps between tokens."""

    def gaps(self, count: int, over: str) -> Any:
        raise NotImplementedError

    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        event = super().completion(count, partial, ask, first_at)
        return event if count > 1 else event | self.gaps(count, ask.over)


@fault(
    "not-a-number-of-one-token",
    "SSE-03 SIO-03",
    "SSE-03 SIO-03 SIO-04",
    may="SSE-02 END-01 SIO-04",
    unjudged="SIO-04",
    says="a reply of one token",
    contract=2,
)
class NotANumberOfOneToken(_OneToken):
    """NaN over SSE; a socket hears nothing more."""

    def gaps(self, count: int, over: str) -> Any:
        if over == "socket":
            raise Crash
        return {"tokens_per_second": math.nan}


@fault(
    "no-end-of-one-token",
    "END-01 CHAT-05",
    "END-01 CHAT-05",
    says="a reply of one token",
    contract=2,
)
class NoEndOfOneToken(_OneToken):
    """The exception breaks the stream off, and /api/chat answers 500."""

    def gaps(self, count: int, over: str) -> Any:
        raise Crash


@fault("cookie-before-session-id", "SES-08", "SES-08", says="with the cookies of the first one", contract=2)
class CookieFirst(ChatServer):
    """A cookie that the first answer sets names the conversation of all later asks."""

    async def ask_of(self, request: web.Request, over: str) -> Ask:
        ask = await super().ask_of(request, over)
        if named := request.cookies.get("chat_sid"):
            self.need_owner(named, ask.user, over)
            return replace(ask, session_id=named)
        request["fresh"] = ask.session_id
        return ask

    async def before_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await super().before_stream(request, response)
        fresh = request.get("fresh", "")
        if re.fullmatch(r"[A-Za-z0-9_-]+", fresh):
            response.set_cookie("chat_sid", fresh, httponly=True, samesite="Lax")
