"""Faults that only a later exchange shows: of a session, of a socket, of a connection."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import Crash, fault
from tests.servers.broken.interruption import _Deaf
from tests.servers.parts import Ask, Config, Event, Message, Session
from tests.servers.plain_server import ChatServer

SES = "SES-15 TOK-03 END-03"


class _Counts(ChatServer):
    """Knows how many replies a session has begun before."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.begun: Counter[str] = Counter()

    def on_begin(self, session: Session, ask: Ask) -> None:
        super().on_begin(session, ask)
        self.begun[ask.session_id] += 1

    def is_later(self, ask: Ask) -> bool:
        return self.begun[ask.session_id] > 1


@fault("tokens-add-up", "SES-15", SES, says="the sum of this reply's")
class TokensAddUp(ChatServer):
    """`tokens` counts all replies of the session."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.total: Counter[str] = Counter()

    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        self.total[ask.session_id] += count
        return {**super().completion(count, partial, ask, first_at), "tokens": self.total[ask.session_id]}


@fault("partial-goes-on", "SES-15", SES, says="`partial` begins with the reply of an earlier exchange")
class PartialGoesOn(ChatServer):
    """A session's buffer is never emptied."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        before = "".join(one["content"] for one in self.session_of(ask).messages if one["role"] == "assistant")
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                yield {**event, "partial": before + event["partial"]} if "token" in event else event


@fault("count-goes-on", "SES-15", SES, says="`count` begins at")
class CountGoesOn(ChatServer):
    """Tokens are counted from the session's first one."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.total: Counter[str] = Counter()

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        before = self.total[ask.session_id]
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if "token" in event:
                    self.total[ask.session_id] += 1
                    event = {**event, "count": event["count"] + before}
                elif "done" in event:
                    event = {**event, "tokens": event["tokens"] + before}
                yield event


@fault("third-fails", "SES-15", SES, says="the third exchange of a session: status 500")
class ThirdFails(ChatServer):
    """Four messages are more than it can hold."""

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        if len(self.session_of(ask).messages) >= 4:
            raise Crash
        return await super().send_stream(request, ask)


@fault("later-cut-off", "SES-15", SES, says="the second exchange of a session: peer closed connection")
class LaterCutOff(_Counts):
    """Below the framework: where there is a history, the connection is closed without the last chunk."""

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        response = await super().send_stream(request, ask)
        if self.is_later(ask) and request.transport:
            request.transport.close()
        return response


@fault("stopped-comes-back", "SES-15", SES, says="stopped")
class StoppedComesBack(ChatServer):
    """What a stopped reply had said stands in front of the session's next one."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.left: dict[str, str] = {}

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        self.left[ask.session_id] = partial

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        if rest := self.left.pop(ask.session_id, ""):
            yield rest
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token


@fault("failed-for-good", "SES-15", SES, says="after one that failed in mid-reply of a session")
class FailedForGood(ChatServer):
    """A failure is remembered: the session's next reply ends as the failed one did."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.failed: set[str] = set()

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if "done" in event and ask.session_id in self.failed:
                    self.failed.remove(ask.session_id)
                    event = {"error": "The connection to the language model failed."}
                elif "error" in event:
                    self.failed.add(ask.session_id)
                yield event


@fault("duration-of-session", "SES-15", SES, says="duration 1")
class DurationOfSession(ChatServer):
    """The clock starts with the session's first exchange."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.since: dict[str, float] = {}

    def duration(self, ask: Ask, first_at: float) -> float:
        return super().duration(replace(ask, began=self.since.setdefault(ask.session_id, ask.began)), first_at)


@fault("second-not-streamed", "SSE-12", "SSE-12 SSE-06", says="the second exchange of a session")
class CollectsWithHistory(ChatServer):
    """Where there is a history, the reply is collected first, to be stored."""

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        has_history = bool(self.session_of(ask).messages)
        async with aclosing(super().reply(ask)) as events:
            if has_history:
                for event in [event async for event in events]:
                    yield event
            else:
                async for event in events:
                    yield event


@fault("buffered-after-a-stop", "SSE-12", "SSE-12 SSE-06", says="after one that its client stopped")
class BuffersAfterStop(ChatServer):
    """Below the framework: after a stopped reply a session's bytes wait until there are many."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.stopped: set[str] = set()

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        self.stopped.add(ask.session_id)

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        if ask.session_id not in self.stopped:
            return await super().send_stream(request, ask)
        response = web.StreamResponse(headers=self.stream_headers(request))
        await response.prepare(request)
        waiting = b""
        async with aclosing(self.reply(ask)) as events:
            async for event in events:
                waiting += self.encode(event)
                if len(waiting) > 250:
                    await self.write(response, waiting)
                    waiting = b""
        await self.write(response, waiting)
        return response


@fault("first-cancelled-only", "INT-10", "INT-10 SSE-01", says="the second exchange of a session")
class CancelsFirstOnly(_Deaf):
    """Where there is a history, a reply goes on without its client."""

    def is_deaf_to(self, ask: Ask) -> bool:
        return bool(self.session_of(ask).messages)


@fault("kept-not-cancelled", "INT-10", "INT-10 SSE-01", says="the second exchange on a kept connection")
class KeptNotCancelled(_Deaf):
    """Below the framework: a connection is watched during its first request only."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.served: defaultdict[Any, int] = defaultdict(int)
        self.unwatched: set[str] = set()

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        self.served[request.protocol] += 1
        if self.served[request.protocol] > 1:
            self.unwatched.add(ask.session_id)
        return await super().send_stream(request, ask)

    def is_deaf_to(self, ask: Ask) -> bool:
        return ask.session_id in self.unwatched


@fault("old-task-cancelled", "INT-10", "INT-10 SIO-10", says="of a socket: a client that")
class CancelsOldTask(ChatServer):
    """A socket that goes ends the task of its first reply."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.first: dict[str, asyncio.Task[Any]] = {}

    def take_turn(self, sid: str) -> None:
        super().take_turn(sid)
        self.first.setdefault(sid, self.running[sid])

    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        if task := self.first.pop(sid, None):
            task.cancel()


@fault("third-never", "SIO-14", "SIO-14 SIO-10", may="SIO-10", says="the third exchange of a socket")
class ThirdNever(ChatServer):
    """A socket's third request is never answered."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.asked: Counter[str] = Counter()

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        self.asked[sid] += 1
        if self.asked[sid] != 3:
            await super().on_chat_stream(sid, *args)


@fault("handlers-pile-up", "SIO-14", "SIO-14 SIO-02", says="each token came twice")
class HandlersPileUp(ChatServer):
    """Each request of a socket adds one more listener, which emits too."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.listeners: Counter[str] = Counter()

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        self.listeners[sid] += 1
        await super().on_chat_stream(sid, *args)

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        for _ in range(self.listeners[sid] if ask and "token" in event else 1):
            await super().emit(sid, event, ask)


@fault("socket-state-left", "SIO-14", "SIO-14 SIO-02", says="`partial` begins with the reply of an earlier exchange")
class SocketStateLeft(ChatServer):
    """A socket's `partial` goes on, whatever the session."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.said: defaultdict[str, str] = defaultdict(str)

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if "token" in event:
            self.said[sid] += event["token"]
            event = {**event, "partial": self.said[sid]}
        await super().emit(sid, event, ask)


@fault("socket-late-later", "SIO-14", "SIO-14 SIO-12", says="the second exchange of a socket")
class SocketLateLater(ChatServer):
    """Below the framework: from the second request on, a socket's events leave together at the end."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.asked: Counter[str] = Counter()
        self.held: defaultdict[str, list[Event]] = defaultdict(list)

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        self.asked[sid] += 1
        await super().on_chat_stream(sid, *args)

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if self.asked[sid] > 1 and "token" in event:
            self.held[sid].append(event)
            return
        for one in [*self.held.pop(sid, []), event]:
            await super().emit(sid, one, ask)
