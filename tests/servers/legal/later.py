"""Odd, legal ways to answer later exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Event, Message, Session
from tests.servers.plain_server import ChatServer

LATER = "SES-15 SIO-14 SSE-12 INT-10 SSE-06 INT-01"


@legal("first-is-special", only=LATER)
class FirstIsSpecial(ChatServer):
    """A session's first reply brings its title, in an event and a field of their own; each later one says how many
    messages there are, and is cut into tokens its own way."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        messages = len(self.session_of(ask).messages)
        if not messages:
            yield {"title": "A talk about trains"}
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                yield {**event, "messages": messages} if messages and "done" in event else event

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                half = len(token) // 2 if len(messages) > 1 else 0
                for part in (token[:half], token[half:]):
                    if part:
                        yield part

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if "title" in event:
            await self.sio.emit("chat_title", event, to=sid)
        else:
            await super().emit(sid, event, ask)


@legal("stored-late", only=LATER)
class StoredLate(ChatServer):
    """The history is written 100 ms after the completion; a stopped or failed exchange keeps its question."""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        asyncio.get_running_loop().call_later(0.1, super().keep, session, ask, answer)

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        session.messages.append({"role": "user", "content": ask.message})

    async def on_failure(self, failure: Any, count: int, partial: str, ask: Ask) -> AsyncGenerator[Event, None]:
        self.session_of(ask).messages.append({"role": "user", "content": ask.message})
        async for event in super().on_failure(failure, count, partial, ask):
            yield event
