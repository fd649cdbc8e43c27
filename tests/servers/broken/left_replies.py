"""Faults of replies that are left late, before they begin, or beside others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Config, Event
from tests.servers.plain_server import ChatServer
from tests.servers.session_turns import OneInASession
from tests.servers.unheard import unheard


@fault("cancels-early-replies-only", "INT-01", "INT-01", says="after 60 tokens of long-begun", contract=2)
class CancelsEarlyRepliesOnly(ChatServer):
    """Looks after its client for the first forty tokens; then the reply runs to its end by itself."""

    looks = 40  # tokens

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        events = super().reply(ask)
        count = 0
        try:
            async for event in events:
                count += 1
                yield event
                if count == self.looks:
                    break
        except (asyncio.CancelledError, GeneratorExit):
            await events.aclose()
            raise
        async for event in unheard(events, self.background):
            yield event


@fault(
    "knows-one-task-a-session", "INT-05 INT-03", "INT-03 INT-05", says="with the same session, the first", contract=2
)
class KnowsOneTaskASession(ChatServer):
    """Keeps the task that streams under the session's id: of two tabs, the one that leaves stops the later reply."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.session_of_socket: dict[str, str] = {}
        self.task_of_session: dict[str, asyncio.Task[Any]] = {}

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        task = asyncio.current_task()
        for sid, one in self.running.items():
            if one is task:
                self.session_of_socket[sid], self.task_of_session[ask.session_id] = ask.session_id, one
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                yield event

    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        if task := self.task_of_session.pop(self.session_of_socket.get(sid, ""), None):
            task.cancel()


@fault("session-busy-after-an-early-stop", "INT-07", "INT-07", says="before the first token of silent", contract=2)
class BusyAfterAnEarlyStop(OneInASession):
    """Gives a session free with its first token, or at the end: a client that leaves before leaves it busy."""

    def is_freed(self, was_left: bool, has_begun: bool) -> bool:
        return has_begun or not was_left


@fault("sockets-leak-slots", "INT-04", "INT-04", says="Too many replies at a time.", contract=2)
class SocketsLeakSlots(ChatServer):
    """Some replies at a time; one whose socket left counts for ever. Over SSE all is well."""

    slots = 40

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        if not self.slots:
            yield {"error": "Too many replies at a time."}
            return
        self.slots -= 1
        try:
            async with aclosing(super().reply(ask)) as events:
                async for event in events:
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.slots += ask.over != "socket"
            raise
        self.slots += 1


@fault("tells-a-socket-one-error", "SIO-05", "SIO-05", says="the second one on its socket: no answer", contract=2)
class TellsASocketOneError(ChatServer):
    """A page should not show the same error twice, so a socket is told of one only."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.told: set[str] = set()

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if "error" not in event or sid not in self.told:
            await super().emit(sid, event, ask)
        if "error" in event:
            self.told.add(sid)


@fault(
    "awaits-the-providers-headers",
    "INT-02 INT-11 CHAT-08",
    "INT-02 INT-11 CHAT-08",
    says="before the first token of no-headers",
    contract=2,
)
class AwaitsTheHeaders(ChatServer):
    """A handler awaits the provider's answer before it begins its own. Until its headers come, nobody hears that the
    client has gone."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.came: dict[asyncio.Task[Any] | None, asyncio.Event] = {}

    async def on_stream(self, request: web.Request) -> web.StreamResponse:
        return await self.deaf(asyncio.create_task(super().on_stream(request)))

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        return await self.deaf(asyncio.create_task(super().on_chat(request)))

    async def deaf(self, task: asyncio.Task[web.StreamResponse]) -> web.StreamResponse:
        """Wait for an answer, which only hears a cancellation once the provider's headers have come."""
        self.background.add(task)
        task.add_done_callback(self.background.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.cancel_late(task)
            raise

    def cancel_late(self, task: asyncio.Task[Any]) -> None:
        """Cancel a reply, once the provider's headers have come."""

        async def cancel() -> None:
            await self.came.setdefault(task, asyncio.Event()).wait()
            task.cancel()

        late = asyncio.create_task(cancel())
        self.background.add(late)
        late.add_done_callback(self.background.discard)

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        self.came.setdefault(asyncio.current_task(), asyncio.Event()).set()
        async with aclosing(super().provider_events(chunks)) as events:
            async for event in events:
                yield event

    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        if task := self.running.get(sid):
            self.cancel_late(task)


@fault("busy-with-a-call", "INT-02", "INT-01 INT-02", says="nothing-to-say", contract=2)
class BusyWithACall(ChatServer):
    """Looks for its client when it writes, and when the provider is silent for a while: not while it reads a long call
    of a tool."""

    hears_hang_ups = False
    looks_after = 0.8  # seconds of silence
    heard_at: ContextVar[list[float]] = ContextVar("heard_at")

    async def on_stream(self, request: web.Request) -> web.StreamResponse:
        heard_at, task = [time.monotonic()], asyncio.current_task()
        self.heard_at.set(heard_at)
        assert task is not None
        watch = asyncio.create_task(self.watch(request, task, heard_at))
        try:
            return await super().on_stream(request)
        finally:
            watch.cancel()

    async def watch(self, request: web.Request, task: asyncio.Task[Any], heard_at: list[float]) -> None:
        while True:
            await asyncio.sleep(0.1)
            has_left = request.transport is None or request.transport.is_closing()
            if has_left and time.monotonic() - heard_at[0] > self.looks_after:
                task.cancel()

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        async with aclosing(super().provider_events(chunks)) as events:
            async for data in events:
                self.heard_at.get([0.0])[0] = time.monotonic()
                yield data
