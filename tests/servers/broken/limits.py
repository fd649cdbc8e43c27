"""Faults that the rows of LIM notice."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import aclosing
from typing import ClassVar

from aiohttp import web

from tests.servers.broken.fault import WHOLE, fault
from tests.servers.parts import Config, Message, Refused, Session
from tests.servers.plain_server import ChatServer


@fault("no-limit", "LIM-02 LIM-04", WHOLE, unjudged="LIM-05 LIM-06 LIM-07 LIM-08 LIM-10 LIM-11 LIM-12")
class NoLimit(ChatServer):
    limits: ClassVar = {"stream": 1 << 30, "chat": 1 << 30}


@fault(
    "limit-per-server",
    "LIM-05",
    "LIM-05 LIM-06 LIM-07 LIM-10 LIM-12",
    may="LIM-05",
)
class LimitPerServer(ChatServer):
    """One budget for all addresses; of a short window, so that a run comes to its end."""

    window = 12.0

    def client(self, request: web.Request) -> str:
        return "all"


@fault("one-limit", "LIM-08", "LIM SSE-01")
class OneLimit(ChatServer):
    counts_refused = True

    def bucket(self, route: str, client: str) -> tuple[str, ...]:
        return (client,)


@fault("forwarded-for", "LIM-10", "LIM SSE-01")
class TrustsForwardedFor(ChatServer):
    def client(self, request: web.Request) -> str:
        return request.headers.get("X-Forwarded-For") or super().client(request)


@fault("no-retry-after", "LIM-07", "LIM SSE-01")
class NoRetryAfter(ChatServer):
    def too_many(self, wait: float) -> Refused:
        return Refused(429, "Too many requests.")


@fault("html-429", "LIM-06", "LIM SSE-01")
class HtmlRefusal(ChatServer):
    def refusal(self, refused: Refused) -> web.Response:
        if refused.status != 429:
            return super().refusal(refused)
        text = "<h1>Too Many Requests</h1>"
        return web.Response(text=text, content_type="text/html", status=429, headers=refused.headers)


@fault("refused-asked", "LIM-12", "LIM SSE-01")
class AsksForRefused(ChatServer):
    """The limit stands behind the provider."""

    async def on_stream(self, request: web.Request) -> web.StreamResponse:
        ask = self.read_ask(await self.read_object(request))
        prompt: list[Message] = [{"role": "user", "content": ask.message}]
        async with aclosing(self.tokens(prompt, ask)) as tokens:
            async for _ in tokens:
                break
        return await super().on_stream(request)


@fault("preflights-counted", "LIM-09", "LIM SSE-01")
class CountsPreflights(ChatServer):
    async def on_preflight(self, request: web.Request) -> web.StreamResponse:
        self.keep_to_limit(request, "stream")
        return await super().on_preflight(request)


@fault("limit-29", "LIM-01", "LIM SSE-01")
class OneTooFew(ChatServer):
    limits: ClassVar = {"stream": 29, "chat": 60}


@fault("limit-races", "LIM-02", "LIM SSE-01", may="LIM-05 LIM-06 LIM-07 LIM-08 LIM-10 LIM-12")
class LimitRaces(ChatServer):
    """Requests that come together are not seen by each other: a request is counted once it is over."""

    async def on_stream(self, request: web.Request) -> web.StreamResponse:
        seen = self.seen.setdefault(("stream", self.client(request)), deque())
        if len(seen) >= self.limits["stream"]:
            raise self.too_many(60)
        await asyncio.sleep(0.25)
        response = await super().on_stream(request)
        seen.append(time.monotonic())
        return response

    def keep_to_limit(self, request: web.Request, route: str) -> None:
        if route == "chat":
            super().keep_to_limit(request, route)


@fault("chat-limit-30", "LIM-03", "LIM SSE-01")
class ChatLimitTooLow(ChatServer):
    limits: ClassVar = {"stream": 30, "chat": 30}


@fault("never-again", "LIM-11", "LIM-11 SSE-01")
class NeverAgain(ChatServer):
    """A refused client is refused for two minutes."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.until: dict[str, float] = {}

    def keep_to_limit(self, request: web.Request, route: str) -> None:
        if time.monotonic() < self.until.get(self.client(request), 0):
            raise self.too_many(60)
        super().keep_to_limit(request, route)

    def on_refused(self, request: web.Request) -> None:
        self.until[self.client(request)] = time.monotonic() + 120


@fault(
    "chat-limiter-of-its-own",
    "LIM-06 LIM-07 LIM-11 LIM-12",
    "LIM-06 LIM-07 LIM-11 LIM-12",
    says="at /api/chat, 61 s after the last request",
    contract=2,
)
class ChatLimiterOfItsOwn(ChatServer):
    """`/api/chat` asks the provider before it refuses, sends a page of HTML without a Retry-After, and refuses for
    ever."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.barred: set[str] = set()

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        try:
            if self.client(request) in self.barred:
                raise self.too_many(60)
            return await super().on_chat(request)
        except Refused as refused:
            if refused.status != 429:
                raise
        self.barred.add(self.client(request))
        ask = self.read_ask(await self.read_object(request), "chat")
        async with aclosing(self.tokens(self.prompt(Session(), ask.message), ask)) as tokens:
            async for _ in tokens:
                break
        return web.Response(text="<h1>Too Many Requests</h1>", content_type="text/html", status=429)


@fault(
    "one-refusal-in-a-window", "LIM-02 LIM-04", "LIM-01 LIM-02 LIM-03 LIM-04", says="right after a refusal", contract=2
)
class OneRefusalAWindow(ChatServer):
    """Compares with `==`: the first request past the limit is refused, and all others pass."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.tally: dict[tuple[str, ...], tuple[float, int]] = {}

    def count(self, bucket: tuple[str, ...], limit: int) -> float | None:
        now = time.monotonic()
        since, before = self.tally.get(bucket, (now, 0))
        if now - since >= 60:
            since, before = now, 0
        self.tally[bucket] = (since, before + 1)
        return since + 60 - now if before == limit else None


@fault("limit-by-undecoded-path", "LIM-13", "LIM-13", says="an encoded letter in the path")
class LimitByRawPath(ChatServer):
    """The limiter looks at the path before it is decoded, the router afterwards."""

    def keep_to_limit(self, request: web.Request, route: str) -> None:
        if request.raw_path.partition("?")[0] in ("/api/chat/stream", "/api/chat"):
            super().keep_to_limit(request, route)
