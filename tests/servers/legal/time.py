"""Servers that are patient, each in a way of its own, and servers that keep something for good reasons."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import aiohttp
from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed, Refused, Session
from tests.servers.plain_server import ChatServer

CACHE, CACHED = 1 << 20, 40  # bytes for each of the first replies: the heap of a good server grows at first


@legal("patient", also="ERR-06 ERR-07 SSE-13 SIO-19 SES-16", only="ERR-06 ERR-07 SSE-13 SIO-19 SES-16")
class Patient(ChatServer):
    """Pings by events, nearly as rarely as allowed; behind nginx, which takes `X-Accel-Buffering` out; a watchdog looks
    for silent providers now and then; headers come with the first event."""

    hurried = True
    pulse = 1.9

    def patience(self, timeout: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=None)

    def stream_headers(self, request: web.Request) -> dict[str, str]:
        return {"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "Server": "nginx/1.24.0"}

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        response = web.StreamResponse(headers=self.stream_headers(request))
        async with aclosing(self.reply(ask)) as events:
            async for event in self.with_pings(events):
                if not response.prepared:
                    await response.prepare(request)
                await self.write(response, self.encode(event) if event else b"event: ping\ndata: {}\n\n")
        return response

    async def with_pings(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event | None, None]:
        """The events, and None while none comes."""
        following = asyncio.ensure_future(anext(events))
        try:
            while True:
                await asyncio.wait([following], timeout=self.pulse)
                if not following.done():
                    yield None
                    continue
                try:
                    yield following.result()
                except StopAsyncIteration:
                    return
                following = asyncio.ensure_future(anext(events))
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await following

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        """The watchdog looks twice a second."""
        async with aclosing(super().tokens(messages, ask)) as tokens:
            heard, following = time.monotonic(), asyncio.ensure_future(anext(tokens))
            try:
                while True:
                    await asyncio.wait([following], timeout=0.5)
                    if following.done():
                        try:
                            token = following.result()
                        except StopAsyncIteration:
                            return
                        heard, following = time.monotonic(), asyncio.ensure_future(anext(tokens))
                        yield token
                    elif time.monotonic() - heard > self.config.timeout:
                        raise ProviderFailed("The language model went silent.")
            finally:
                following.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await following


@legal("pooled", also="PERF-07 PERF-08", only="SES-21 PERF-05 PERF-07 PERF-08")
class Pooled(ChatServer):
    """Five workers; connections to the provider are kept for the next request; a cache that fills up; a session is not
    shown and not deleted while its reply runs."""

    closes_upstream = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.workers = asyncio.Semaphore(5)
        self.cache: list[bytes] = []
        self.busy: set[str] = set()

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with self.workers, aclosing(super().reply(ask)) as events:
            self.busy.add(ask.session_id)
            try:
                async for event in events:
                    yield event
            finally:
                self.busy.discard(ask.session_id)

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer)
        if len(self.cache) < CACHED:
            self.cache.append(b"\xff" * CACHE)

    def need_idle(self, request: web.Request) -> None:
        if self.session_named(request) in self.busy:
            raise Refused(409, "A reply is under way in this session.")

    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        self.need_idle(request)
        return await super().on_get_session(request)

    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        self.need_idle(request)
        return await super().on_delete_session(request)
