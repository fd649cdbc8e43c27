"""Odd ways to tell a model what was said."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Message, Refused, Session
from tests.servers.plain_server import ChatServer

MARK = re.compile(r"<\|\w+\|>")


@legal("careful-with-models", only="SES-07 SES-15 SES-17 SES-18 CHAT-06 REQ-16 TOK-09 END-09")
class CarefulWithModels(ChatServer):
    """The question goes upstream once more behind what was found about it; an empty reply becomes words of its own;
    a model's marks are refused in messages and stripped in replies; of a long conversation the last ten exchanges go
    upstream."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        found = {"role": "user", "content": f"Nothing was found that helps. The question is: {message}"}
        return [*super().prompt(session, message)[-21:], found]

    def is_kept(self, answer: str) -> bool:
        return True

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer or "(no answer)")

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        ask = super().read_ask(body, over, default_session)
        if MARK.search(ask.message):
            raise Refused(422, "message: without marks of models, please.")
        return ask

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                if text := MARK.sub("", token):
                    yield text
