"""Odd ways to keep what a trouble leaves of a session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed, Refused, Session
from tests.servers.plain_server import ChatServer

TROUBLE = "SES-18 INT-07 ERR-05 SES-07"


@legal("keeps-what-came", only=TROUBLE)
class KeepsWhatCame(ChatServer):
    """A broken reply stays as far as it came, with its question; a question without a reply stays alone."""

    def keep_broken(self, session: Session, ask: Ask, partial: str) -> None:
        session.messages.append({"role": "user", "content": ask.message})
        if partial:
            session.messages.append({"role": "assistant", "content": partial})

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        self.keep_broken(session, ask, partial)

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        self.keep_broken(self.session_of(ask), ask, partial)
        async with aclosing(super().on_failure(failure, count, partial, ask)) as events:
            async for event in events:
                yield event


@legal("greets-and-merges", only=TROUBLE)
class GreetsAndMerges(KeepsWhatCame):
    """A greeting of the assistant begins each session; questions in a row become one message of two parts; a note
    behind a broken reply says so, in the words of the system."""

    def keep_broken(self, session: Session, ask: Ask, partial: str) -> None:
        super().keep_broken(session, ask, partial)
        if partial:
            session.messages.append({"role": "system", "content": "The last reply was interrupted."})

    def prompt(self, session: Session, message: str) -> list[Message]:
        merged: list[Message] = [{"role": "assistant", "content": "Hello, what can I do for you?"}]
        for one in super().prompt(session, message):
            part = {"type": "text", "text": one["content"]}
            if merged[-1]["role"] == one["role"] == "user":
                merged[-1]["content"].append(part)
            else:
                merged.append({"role": one["role"], "content": [part]})
        return merged


@legal("refuses-meanwhile", only="SES-05 SES-12 SES-13")
class RefusesMeanwhile(ChatServer):
    """While a reply runs, its session takes neither another message nor a deletion; a deleted id is used no more."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.busy: set[str] = set()
        self.gone: set[str] = set()

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        name = ask.session_id
        if name in self.gone:
            raise Refused(410, "This session was deleted.")
        if name in self.busy:
            raise Refused(409, "A reply is still running in this session.")
        self.busy.add(name)
        try:
            return await super().send_stream(request, ask)
        finally:
            self.busy.discard(name)

    def forget(self, session_id: str) -> bool:
        if session_id in self.busy:
            raise Refused(409, "A reply is still running in this session.")
        self.gone.add(session_id)
        return super().forget(session_id)


@legal("refuses-by-event", only="SES-12")
class RefusesByEvent(RefusesMeanwhile):
    """Says so in the stream."""

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        try:
            return await super().send_stream(request, ask)
        except Refused as refused:
            response = web.StreamResponse(headers=self.stream_headers(request))
            await response.prepare(request)
            await self.send_event(response, {"error": refused.text})
            return response


@legal("new-ask-wins", only="SIO-03 SIO-10 SIO-11")
class NewAskWins(ChatServer):
    """A new message on a socket ends the reply that runs there."""

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        if old := self.running.pop(sid, None):
            old.cancel()
            await asyncio.wait([old])
            await self.emit(sid, {"error": "Stopped by a new message."}, None)
        await super().on_chat_stream(sid, *args)


@legal("one-reply-a-session", only="SES-12 SES-19")
class OneReplyASession(ChatServer):
    """A second message meanwhile gets an error, over whichever transport it comes."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.busy: set[str] = set()

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        if ask.session_id in self.busy:
            yield {"error": "A reply is still running in this session."}
            return
        self.busy.add(ask.session_id)
        try:
            async with aclosing(super().reply(ask)) as events:
                async for event in events:
                    yield event
        finally:
            self.busy.discard(ask.session_id)
