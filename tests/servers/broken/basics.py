"""Faults of the plainest kind, for rows that no other server here breaks alone."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Event, Message, ProviderFailed, Refused, Session
from tests.servers.plain_server import ChatServer


@fault("one-json-document", "REQ-01", "REQ-01 REQ-02", unjudged="REQ-02", contract=2)
class OneJsonDocument(ChatServer):
    """Answers 201 with the whole reply as one JSON object: no stream."""

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        async with aclosing(self.reply(ask)) as events:
            said = [event async for event in events]
        return web.json_response(said[-1], status=201)


@fault("session-id-needed", "REQ-02", "REQ-01 REQ-02", contract=2)
class SessionIdNeeded(ChatServer):
    """Reads `body["session_id"]`."""

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        if isinstance(body, dict) and "session_id" not in body and over == "sse":
            raise Refused(500, "KeyError: 'session_id'")
        return super().read_ask(body, over, default_session)


@fault("one-current-socket", "SIO-07", "SIO-07", contract=2)
class OneCurrentSocket(ChatServer):
    """The socket that asked last gets the tokens of all replies."""

    current = ""

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        self.current = sid
        await super().on_chat_stream(sid, *args)

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        await super().emit(self.current if "token" in event else sid, event, ask)


@fault("messages-as-a-list", "SES-01", "SES-01 SES-04", says="messages", contract=2)
class MessagesAsAList(ChatServer):
    """A session shows its messages, not how many they are."""

    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        name, user = self.session_named(request), self.user_of(request)
        if self.messages_in(self.own_name(name, user)) is None:
            raise Refused(404, "No such session.")
        messages = self.sessions[self.key(self.own_name(name, user))].messages
        return web.json_response({"session_id": name, "messages": messages, "timestamp": self.timestamp()})


@fault("deleted-without-a-word", "SES-04", "SES-01 SES-04", says="204", contract=2)
class DeletedWithoutAWord(ChatServer):
    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        await super().on_delete_session(request)
        return web.Response(status=204)


@fault("one-stop-for-all", "INT-05", "INT-05", contract=2)
class OneStopForAll(ChatServer):
    """A client that leaves sets a flag, and every reply that is under way ends by it."""

    stops = 0

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        stops = self.stops
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                if self.stops != stops:
                    raise ProviderFailed("The reply was stopped.")
                yield token

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        self.stops += 1
