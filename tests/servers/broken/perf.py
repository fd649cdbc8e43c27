"""Faults that the rows of PERF notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Config, Event, Message, Session
from tests.servers.plain_server import ChatServer

LEAK = 12 << 20  # bytes a session
WARM_UP = 20  # sessions that the suite opens first; its own number is not imported, which would load the whole suite


@fault("slow-to-start", "PERF-01", "PERF-01 SSE-01")
class SlowToStart(ChatServer):
    """1.2 s of thinking before it asks."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        await asyncio.sleep(1.2)
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token


@fault("slow-to-pass-on", "PERF-02 PERF-03", "PERF-02 PERF-03 SSE-01", may="PERF-03")
class SlowToPassOn(ChatServer):
    """Four tokens a second, over SSE."""

    async def send_event(self, response: web.StreamResponse, event: Event) -> None:
        await asyncio.sleep(0.25)
        await super().send_event(response, event)


@fault("adds-150-ms", "PERF-03", "PERF-01 PERF-02 PERF-03 SSE-01")
class AddsDelay(ChatServer):
    """To each token alike: the speed is kept."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        queue: asyncio.Queue[tuple[float, str | None]] = asyncio.Queue()

        async def run() -> None:
            async with aclosing(super(AddsDelay, self).tokens(messages, ask)) as tokens:
                async for token in tokens:
                    queue.put_nowait((time.monotonic(), token))
            queue.put_nowait((time.monotonic(), None))

        task = asyncio.create_task(run())
        try:
            while True:
                came, token = await queue.get()
                await asyncio.sleep(max(0.0, came + 0.15 - time.monotonic()))
                if token is None:
                    return
                yield token
        finally:
            task.cancel()


@fault("adds-now-and-then", "PERF-03", "PERF-03 SSE-01")
class AddsNowAndThen(ChatServer):
    """Every tenth event over SSE waits for 150 ms: the median does not tell."""

    async def send_event(self, response: web.StreamResponse, event: Event) -> None:
        if event.get("count", 1) % 10 == 0:
            await asyncio.sleep(0.15)
        await super().send_event(response, event)


@fault("leaks-memory", "PERF-04", "PERF-04 SSE-01")
class LeaksMemory(ChatServer):
    """12 MB for each of twenty SSE sessions; `judge_process` allows this server 10, so that any machine has them."""

    leaks = 20
    opened = 0

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.held: list[bytes] = []

    def on_begin(self, session: Session, ask: Ask) -> None:
        counts = ask.over == "sse" and "Tell me a lot" in ask.message
        self.opened += counts
        if counts and self.opened > WARM_UP and self.leaks:
            self.leaks -= 1
            self.held.append(b"\xff" * LEAK)


@fault("slow-with-history", "PERF-01", "PERF-01", contract=2)
class SlowWithHistory(ChatServer):
    """Looks for what fits in the history before it asks the provider."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        if self.session_of(ask).messages:
            await asyncio.sleep(1.3)
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                yield event
