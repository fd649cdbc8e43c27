"""Faults that meet who asks the same again, asks more than is served at once, or reads late."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed, Session
from tests.servers.plain_server import ChatServer


@fault("newest-ask-waits", "SIO-03", "SIO-03 SIO-11", says="2 terminal events for three asks", contract=2)
class KeepsTheNewestAsk(ChatServer):
    """Of the asks that wait on a socket, the newest one alone is answered."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.waiting: dict[str, tuple[Any, ...]] = {}

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        if sid in self.running:
            self.waiting[sid] = args
            return
        await super().on_chat_stream(sid, *args)
        if sid in self.waiting:
            await self.on_chat_stream(sid, *self.waiting.pop(sid))

    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        self.waiting.pop(sid, None)
        await super().on_disconnect(sid, _reason)


@fault("half-a-reply-again", "SES-15", "SES-15 SES-07 INT-06", says="the same ask again", contract=2)
class GivesHalfAReplyAgain(ChatServer):
    """Keeps what it has of a reply, for a client that sends its ask once more; also where that client stopped it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.halves: dict[tuple[str, str], str] = {}

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        if partial:
            self.halves[ask.session_id, ask.message] = partial

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        if half := self.halves.pop((ask.session_id, ask.message), ""):
            yield half
            return
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token


@fault("old-error-again", "ERR-05", "ERR-05", says="did not reach the provider", contract=2)
class GivesTheOldErrorAgain(ChatServer):
    """For a minute, to whoever asks the same again, as a cache does that keeps failures too."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.failed: dict[tuple[str, str], tuple[ProviderFailed, float]] = {}

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        key = ask.session_id, ask.message
        failure, until = self.failed.get(key, (None, 0.0))
        if failure and time.monotonic() < until:
            raise failure
        try:
            async with aclosing(super().tokens(messages, ask)) as tokens:
                async for token in tokens:
                    yield token
        except ProviderFailed as error:
            self.failed[key] = error, time.monotonic() + 60
            raise


@fault("drops-for-slow-readers", "TOK-06", "TOK-06 INT-08", says="a client that read nothing for 1 s", contract=2)
class DropsForSlowReaders(ChatServer):
    """Tokens that do not fit the queue of a client are dropped. Who reads as fast as they come misses nothing."""

    most = 500

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        response = web.StreamResponse(headers=self.stream_headers(request))
        await response.prepare(request)
        queue: asyncio.Queue[Event | None] = asyncio.Queue(self.most)
        task = asyncio.create_task(self.fill(queue, ask))
        try:
            while (event := await queue.get()) is not None:
                await self.send_event(response, event)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        return response

    async def fill(self, queue: asyncio.Queue[Event | None], ask: Ask) -> None:
        async with aclosing(self.reply(ask)) as events:
            async for event in events:
                await asyncio.sleep(0)
                if not queue.full() or "token" not in event:
                    await queue.put(event)
        await queue.put(None)
