"""Servers that mix up what people say or who they are: for the second one who says it, at another place, or later."""

from __future__ import annotations

import json
from typing import Any

import jwt
from aiohttp import web

from tests.servers.broken.fault import Crash, fault
from tests.servers.parts import ANONYMOUS, Ask, Config, Message, Refused, Session
from tests.servers.plain_server import ChatServer
from tests.servers.reply_cache import ReplyCache


@fault("replies-by-message", "SES-08", "SES-08", says="only with what the first one had said before", contract=2)
class RepliesByMessage(ReplyCache):
    """A cache keeps replies by the message alone, so that two people who ask the same get one reply."""

    def key_of(self, messages: list[Message], ask: Ask) -> str:
        return ask.message


@fault("forgets-repeated-messages", "SES-07", "SES-07", says="the second time that", contract=2)
class ForgetsRepeatedMessages(ChatServer):
    """It takes a message that was said before for a retry, and sends it once."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        asked = {"role": "user", "content": message}
        return [*(one for one in session.messages if one != asked), asked]


@fault("remembers-a-404", "SES-01", "SES-01", says="GET before its first exchange: status 404", contract=2)
class RemembersA404(ChatServer):
    """A cache in front keeps the 404 of a session that begins a moment later."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.missing: set[str] = set()

    def messages_in(self, session_id: str) -> int | None:
        count = None if session_id in self.missing else super().messages_in(session_id)
        if count is None:
            self.missing.add(session_id)
        return count


@fault("query-token-unverified", "AUTH-02", "AUTH-02", says="in the query", contract=2)
class QueryTokenUnverified(ChatServer):
    """`?token=` is for EventSource, which sends no headers; nobody looks at its signature."""

    def user_of(self, request: web.Request) -> str:
        if (token := request.query.get("token")) is None:
            return super().user_of(request)
        try:
            return str(jwt.decode(token, options={"verify_signature": False})["sub"])
        except (jwt.InvalidTokenError, KeyError) as error:
            raise Refused(401, "The token is not valid.") from error


@fault("owner-in-the-id", "AUTH-04", "AUTH-04", says="shows a client without a token 2 messages", contract=2)
class OwnerInTheId(ChatServer):
    """A user's session is stored as `ann:s1`, which is an id that anybody may ask for."""

    def own_name(self, session_id: str, user: str) -> str:
        return session_id if user == ANONYMOUS else f"{user}:{session_id}"

    def need_owner(self, session_id: str, user: str, over: str = "sse") -> None:
        return


@fault("long-number-crash", "REQ-16", "REQ-16", says="a field of 5,000 digits", contract=2)
class LongNumberCrash(ChatServer):
    """`except json.JSONDecodeError` lets the ValueError of a long number pass."""

    async def read_object(self, request: web.Request) -> Any:
        try:
            return json.loads((await request.read()).decode("utf-8"))
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(400, "The body must be JSON.") from error
        except ValueError as error:
            raise Crash from error
