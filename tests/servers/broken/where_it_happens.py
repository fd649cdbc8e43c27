"""What goes wrong for some replies only: long, failed, later or empty ones, or those of asks without an id."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed, Session
from tests.servers.plain_server import ChatServer

ENOUGH = 200  # characters


@fault(
    "makes-do-with-what-it-has",
    "ERR-02 ERR-03 SIO-08 CHAT-03",
    "ERR-02 ERR-03 SIO-08 CHAT-03",
    may="SIO-03 ERR-01",
    says="behind a long text: a completion",
    contract=2,
)
class MakesDoWithWhatItHas(ChatServer):
    """Tells a failed reply as a whole one where there is much of it, and gives the last answer where there is none."""

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        said = [one["content"] for one in self.session_of(ask).messages if one["role"] == "assistant"]
        if len(partial) >= ENOUGH or (count and said):
            yield self.completion(count, partial, ask, 0.0)
        elif said:
            yield self.token_event(said[-1], 1, said[-1])
            yield self.completion(1, said[-1], ask, 0.0)
        else:
            yield {"error": str(failure)}


@fault("breaks-off-behind-the-error", "SSE-09 ERR-01", "SSE-09 ERR-01", says="a reply that failed: ", contract=2)
class BreaksOffBehindTheError(ChatServer):
    """Raises what it has just told, as a generator does that yields the error and raises it: no last chunk is written.
    Before the first token it tells the error as an object."""

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        yield {"error": str(failure) if count else {"message": str(failure)}}

    async def send_event(self, response: web.StreamResponse, event: Event) -> None:
        await super().send_event(response, event)
        if "error" in event:
            await asyncio.sleep(0.05)
            assert response._req
            assert response._req.transport
            response._req.transport.close()
            raise asyncio.CancelledError


@fault("no-stream-without-a-session", "SSE-06", "SSE-06 REQ-02", says="an ask without a session_id: ", contract=2)
class NoStreamWithoutASession(ChatServer):
    """Makes the session first where there is no id, and has no way to stream into it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.made: set[str] = set()

    def new_session_id(self) -> str:
        self.made.add(name := super().new_session_id())
        return name

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with aclosing(super().reply(ask)) as events:
            held = [event async for event in events] if ask.session_id in self.made else []
            for event in held:
                yield event
            async for event in events:
                yield event


@fault("shows-code-when-it-is-whole", "SSE-06", "SSE-06", says="a reply with code", contract=2)
class ShowsCodeWhenItIsWhole(ChatServer):
    """Holds a block of code until its fence is closed, so that it can be rendered."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        held = ""
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                held += token
                if held.count("```") % 2 == 0:
                    yield held
                    held = ""
        if held:
            yield held


@fault("keeps-it-for-a-page", "SES-07 SES-17 REQ-07", "SES-07 SES-17 REQ-07", says="changed on its way", contract=2)
class KeepsItForAPage(ChatServer):
    """Escapes what it stores, and stores nothing twice: the key is the text. Takes the message `0` for none."""

    def is_message(self, text: str) -> bool:
        return super().is_message(text) and text != "0"

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        said = {"user": ask.message, "assistant": answer}
        new = [{"role": role, "content": html.escape(text)} for role, text in said.items()]
        session.messages += [one for one in new if one not in session.messages]


@fault(
    "figures-that-come-or-not",
    "END-02 END-03 END-04",
    "END-02 END-03 END-04",
    says="with `no-usage`",
    contract=2,
)
class FiguresThatComeOrNot(ChatServer):
    """Takes the number of tokens from the provider's usage or takes none, divides 0 by 0, and reads `full_response`
    from a table whose letters have three bytes at most."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.heard: dict[Any, dict[str, Any]] = {}

    def question(self, messages: list[Message]) -> dict[str, Any]:
        return {**super().question(messages), "stream_options": {"include_usage": True}}

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        self.heard[asyncio.current_task()] = {}
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token

    def read_chunk(self, data: str) -> tuple[str, bool]:
        heard = self.heard[asyncio.current_task()]
        if data == "[DONE]" and "finished" in heard:
            return "", True
        text, is_last = super().read_chunk(data)
        if usage := json.loads(data).get("usage"):
            heard["tokens"] = usage["completion_tokens"]
        if is_last:
            heard["finished"] = True
        return text, False

    def on_early_end(self) -> None:
        if "finished" not in self.heard[asyncio.current_task()]:
            super().on_early_end()

    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        tokens = self.heard.pop(asyncio.current_task(), {}).get("tokens", 0)
        return super().completion(tokens, partial, ask, first_at)

    def speed(self, tokens: int, duration: float) -> Any:
        return super().speed(tokens, duration) if tokens else None

    def full_response(self, partial: str) -> str:
        return re.sub("[\U00010000-\U0010ffff]", "?", partial)
