"""Odd ways to treat long messages, the text of replies, and a provider's odd endings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Event, Message, ProviderFailed, Refused, Session
from tests.servers.plain_server import ChatServer

LONGEST = 8_000  # characters of a message
LARGEST_FRAME = 60_000  # characters that a socket takes
FEW = 1_000  # tokens that a reply may have


@legal("short-messages", only="REQ-07 REQ-11 TOK-01 SIO-02")
class ShortMessages(ChatServer):
    """Long messages are refused, over sockets with an error; a very long one closes the socket."""

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        ask = super().read_ask(body, over, default_session)
        if len(ask.message) > LONGEST:
            raise Refused(413, f"message: at most {LONGEST} characters.")
        return ask

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        if len(json.dumps(args)) > LARGEST_FRAME:
            await self.sio.disconnect(sid)
            return
        await super().on_chat_stream(sid, *args)


@legal("one-text", only="REQ-07 REQ-11 SES-17 TOK-04 TOK-06 END-12")
class OneText(ChatServer):
    """The conversation is one text, with instructions before it; replies have a thousand tokens at most;
    `full_response` is trimmed."""

    def question(self, messages: list[Message]) -> dict[str, Any]:
        names = {"user": "User", "assistant": "You"}
        said = "\n\n".join(f"{names[one['role']]}: {one['content']}" for one in messages)
        text = f"Go on with this conversation. Answer in at most {FEW} tokens.\n\n{said}"
        return {**super().question([{"role": "user", "content": text}]), "max_tokens": FEW}

    def full_response(self, partial: str) -> str:
        return partial.strip()


@legal("word-by-word", only="TOK-04 TOK-06 TOK-07 TOK-09 TOK-10 END-09 END-10 END-12 ERR-08")
class WordByWord(ChatServer):
    """Tokens are put together to words; what follows an empty reply is an error, and what was cut off ends in one; a
    failed request is tried once more while nothing was said."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        for is_last in (False, True):
            held, count = "", 0
            try:
                async with aclosing(super().tokens(messages, ask)) as tokens:
                    async for token in tokens:
                        count += 1
                        held += token
                        if token[-1].isspace():
                            yield held
                            held = ""
            except ProviderFailed:
                if held:
                    yield held
                if count or is_last:
                    raise
                continue
            if held:
                yield held
            if not count:
                raise ProviderFailed("The language model said nothing.")
            return

    def read_chunk(self, data: str) -> tuple[str, bool]:
        if '"finish_reason":"length"' in data or '"finish_reason":"content_filter"' in data:
            raise ProviderFailed("The language model broke its answer off.")
        return super().read_chunk(data)


@legal("errors-before-streams", only="END-09 END-10 ERR-08 REQ-01")
class ErrorsBeforeStreams(ChatServer):
    """Whether a reply begins well is known before its headers: until then an error has a status of its own."""

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        events = self.reply(ask)
        async with aclosing(events):
            first = await anext(events)
            if "error" in first or "done" in first:
                return web.json_response({"error": first.get("error") or "There was no answer."}, status=502)
            response = web.StreamResponse(headers=self.stream_headers(request))
            await response.prepare(request)
            await self.send_event(response, first)
            async for event in events:
                await self.send_event(response, event)
        return response


@legal("claude", provider="anthropic", only="REQ-04 SSE-02 TOK-01 TOK-07 TOK-08 END-01 ERR-01 ERR-03 SES-02")
class AsksAnthropic(ChatServer):
    """A model of Anthropic's that thinks, asked with its thoughts shown: they stay out of the answer. The text of an
    answer is what its blocks say, one after the other; a message without an end is an error, whatever was said."""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        event = json.loads(data)
        if event.get("delta", {}).get("stop_reason") == "end_turn":
            return "", True  # the answer is over; what follows are counts
        return super().read_chunk(data)


@legal("thoughts-beside", provider="local", only="TOK-01 TOK-07 TOK-08 SSE-02 SSE-05 END-01")
class ThoughtsBeside(ChatServer):
    """The model's thoughts are shown in events of their own, and go to the provider again in their own field."""

    thought = ""

    def question(self, messages: list[Message]) -> dict[str, Any]:
        return {**super().question(messages), "model": "qwen3:8b"}

    def read_chunk(self, data: str) -> tuple[str, bool]:
        if '"choices":[]' not in data:
            self.thought += json.loads(data)["choices"][0]["delta"].get("reasoning") or ""
        return super().read_chunk(data)

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        self.thought = ""
        is_shown = False
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if self.thought and not is_shown:
                    yield {"thinking": self.thought}
                is_shown = True
                yield event

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if "thinking" not in event:
            await super().emit(sid, event, ask)

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer)
        if self.thought:
            session.messages[-1]["reasoning"] = self.thought


@legal("asks-for-a-stop", only="TOK-04 TOK-09")
class AsksForAStop(ChatServer):
    """Asks its provider for a reply that stops where a line of the user's would begin."""

    def question(self, messages: list[Message]) -> dict[str, Any]:
        return {**super().question(messages), "stop": ["\nUser:", "\nHuman:"]}


@legal("leaves-slow-readers", only="TOK-06 INT-08")
class LeavesSlowReaders(ChatServer):
    """Hangs up on a client that takes nothing for half a second."""

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        try:
            await asyncio.wait_for(super().write(response, data), 0.5)
        except TimeoutError:
            response["request"].transport.abort()
            raise asyncio.CancelledError from None

    async def before_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        response["request"] = request
        await super().before_stream(request, response)
