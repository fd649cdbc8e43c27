"""Faults that the rows of SSE notice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from tests.servers.broken.fault import WHOLE, WIRE, fault
from tests.servers.parts import Ask, Event
from tests.servers.plain_server import ChatServer


@fault(
    "held-back",
    "SSE-06 SSE-11 SIO-12",
    WHOLE,
    may="END-06 SIO-04",
)
class HoldsTokensBack(ChatServer):
    """All tokens at the end."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with aclosing(super().reply(ask)) as events:
            for event in [event async for event in events]:
                yield event


@fault("one-behind", "SSE-06", "SSE-01 SSE-06 TOK-01 END-01")
class OneBehind(ChatServer):
    """A token waits until the next one comes."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        held: Event | None = None
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if held:
                    yield held
                held = event
        if held:
            yield held


@fault("buffering-gzip", "SSE-11", "SSE TOK-01 END-01")
class BuffersCompressed(ChatServer):
    async def before_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        response.enable_compression()


@fault("done-mark", "SSE-04", WIRE)
class LeaksDoneMark(ChatServer):
    async def after_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await self.write(response, b"data: [DONE]\n\n")


@fault("event-name", "SSE-05", WIRE)
class NamesItsEvents(ChatServer):
    def encode(self, event: Event) -> bytes:
        return (b"event: token\n" if "token" in event else b"") + super().encode(event)


@fault("encoded-twice", "SSE-03", WIRE)
class EncodesTwice(ChatServer):
    def dumps(self, event: Event) -> str:
        return json.dumps(super().dumps(event))


@fault("two-data-lines", "SSE-02", WIRE)
class TwoDataLines(ChatServer):
    def dumps(self, event: Event) -> str:
        return super().dumps(event).replace(',"count"', ',\ndata: "count"').replace(',"tokens"', ',\ndata: "tokens"')


@fault(
    "no-blank-line",
    "SSE-02",
    f"{WIRE} SSE-06",
)
class NoBlankLine(ChatServer):
    def encode(self, event: Event) -> bytes:
        return super().encode(event)[:-1]


@fault("no-space", "SSE-02", WIRE)
class NoSpace(ChatServer):
    def encode(self, event: Event) -> bytes:
        return super().encode(event).replace(b"data: ", b"data:", 1)


@fault("nan", "SSE-03 END-02", WIRE, unjudged="END-05")
class NanAsSpeed(ChatServer):
    def speed(self, tokens: int, duration: float) -> float:
        return float("nan")


@fault("latin-1", "SSE-03", WIRE, may="TOK-05")
class WritesLatin1(ChatServer):
    def encode(self, event: Event) -> bytes:
        return super().encode(event).decode().encode("latin-1", "replace")


@fault("text-plain", "SSE-01", WIRE)
class PlainText(ChatServer):
    def stream_headers(self, request: web.Request) -> dict[str, str]:
        return {**super().stream_headers(request), "Content-Type": "text/plain"}


@fault("cacheable", "SSE-10", WIRE)
class Cacheable(ChatServer):
    def stream_headers(self, request: web.Request) -> dict[str, str]:
        return {"Content-Type": "text/event-stream"}


@fault(
    "stays-open",
    "SSE-08",
    "SSE-01 SSE-02 SSE-08 SSE-09 TOK-01 END-01",
    unjudged="SSE-09",
)
class StaysOpen(ChatServer):
    async def after_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await asyncio.sleep(60)


@fault("chunks-not-ended", "SSE-09", WIRE)
class ChunksNotEnded(ChatServer):
    async def after_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        assert request.transport is not None
        request.transport.close()


@fault("wrong-length", "SSE-09", WIRE)
class WrongLength(ChunksNotEnded):
    def stream_headers(self, request: web.Request) -> dict[str, str]:
        return {**super().stream_headers(request), "Content-Length": "30000000"}


@fault("slow-writes", "SSE-07", "SSE-01 SSE-02 SSE-07 SSE-08 SSE-09 TOK-01 TOK-04 END-01", may="TOK-04")
class PausesInsideEvents(ChatServer):
    """Large events only."""

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        if 10_000 < len(data) < 16_000:
            await super().write(response, data[:4096])
            await asyncio.sleep(0.12)
            data = data[4096:]
        await super().write(response, data)
