"""Faults that show with several clients, while a reply runs, or when many replies are over."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import ClassVar
from urllib.parse import urlsplit

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed, Session
from tests.servers.plain_server import ChatServer

HOARDED = 3 << 18  # bytes for each reply


class _Few(ChatServer):
    """Serves few clients at once, over some transports; the others wait for their turn."""

    at_once = 1
    over: ClassVar[tuple[str, ...]] = ("sse", "socket", "chat")

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.slots = asyncio.Semaphore(self.at_once)

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        if ask.over not in self.over:
            async with aclosing(super().reply(ask)) as events:
                async for event in events:
                    yield event
            return
        async with self.slots, aclosing(super().reply(ask)) as events:
            async for event in events:
                yield event


@fault("one-at-a-time", "PERF-05", "PERF-05", says="1 had begun")
class OneAtATime(_Few):
    """As a framework's development server without threads."""


@fault("three-at-a-time", "PERF-05", "PERF-05", says="one more client beside 3 replies")
class ThreeAtATime(_Few):
    """Over Socket.IO only."""

    at_once = 3
    over = ("socket",)


@fault("five-at-a-time", "PERF-06", "PERF-06", says="of 8 replies asked for at the same time, 5 had begun")
class FiveAtATime(_Few):
    """As many as it has workers."""

    at_once = 5
    over = ("sse",)


@fault("ten-at-a-time", "PERF-06", "PERF-06", says="of 50 replies asked for at the same time, 10 had begun")
class TenAtATime(FiveAtATime):
    at_once = 10


@fault("chat-in-everybodys-way", "PERF-05", "PERF-05", says="one more client beside 3 replies got no token")
class ChatInEverybodysWay(ChatServer):
    """`/api/chat` waits for its reply in the way of all: a blocking client in an asynchronous handler."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.free = asyncio.Event()
        self.free.set()
        self.waiting = 0

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        if ask.over != "chat":
            await self.free.wait()
            async with aclosing(super().reply(ask)) as events:
                async for event in events:
                    yield event
            return
        self.waiting += 1
        self.free.clear()
        try:
            async with aclosing(super().reply(ask)) as events:
                async for event in events:
                    yield event
        finally:
            self.waiting -= 1
            if not self.waiting:
                self.free.set()


@fault("two-connections", "PERF-05", "PERF-05", says="2 had begun")
class TwoConnections(ChatServer):
    """Below the framework: a relay in front takes the next connection when one of two is over."""

    async def start(self, port: int = 0) -> int:
        inside, slots = await super().start(), asyncio.Semaphore(2)

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async with slots:
                back, forth = await asyncio.open_connection("127.0.0.1", inside)
                ways = [asyncio.ensure_future(_copy(reader, forth)), asyncio.ensure_future(_copy(back, writer))]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                for end in (forth, writer):
                    end.close()

        self.relay = await asyncio.start_server(relay, "127.0.0.1", port)
        return int(self.relay.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self.relay.close()
        await super().stop()


async def _copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            to.write(data)
            await to.drain()


@fault("mixes-replies", "PERF-05", "PERF-05", says="which another client's reply says")
class MixesReplies(ChatServer):
    """The newest token of all stands in one variable."""

    newest: ClassVar[dict[str, str]] = {}

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(super().tokens(messages, ask)) as tokens:
                async for token in tokens:
                    self.newest[ask.session_id] = token
                    others = [text for name, text in self.newest.items() if name != ask.session_id]
                    yield others[-1] if len(others) > 1 else token
        finally:
            self.newest.pop(ask.session_id, None)


class _Locks(ChatServer):
    """Locks something while a reply runs, and has some requests wait for it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.locks: dict[str, asyncio.Lock] = {}

    def lock(self, session_id: str) -> asyncio.Lock:
        return self.locks.setdefault(session_id, asyncio.Lock())

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        async with self.lock(ask.session_id), aclosing(super().reply(ask)) as events:
            async for event in events:
                yield event


@fault("get-waits-for-the-reply", "SES-21", "SES-21", says="GET of its session, while a reply runs over sse")
class GetWaits(_Locks):
    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        async with self.lock(self.session_named(request)):
            return await super().on_get_session(request)


@fault("delete-waits-for-the-reply", "SES-21", "SES-21", says="DELETE of its session, while a reply runs over sse")
class DeleteWaits(_Locks):
    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        async with self.lock(self.session_named(request)):
            return await super().on_delete_session(request)


@fault("chat-locks-its-session", "SES-21", "SES-21", says="GET of its session, while a reply runs /api/chat")
class ChatLocksItsSession(GetWaits):
    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        events = super().reply(ask) if ask.over == "chat" else ChatServer.reply(self, ask)
        async with aclosing(events):
            async for event in events:
                yield event


@fault("store-locked-until-it-talks", "SES-21", "SES-21", says="before the first token")
class StoreLockedUntilItTalks(ChatServer):
    """The whole store, from the ask to the first token."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.store = asyncio.Lock()

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        await self.store.acquire()
        try:
            async with aclosing(super().tokens(messages, ask)) as tokens:
                async for token in tokens:
                    if self.store.locked():
                        self.store.release()
                    yield token
        finally:
            if self.store.locked():
                self.store.release()

    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        async with self.store:
            return await super().on_get_session(request)


@fault("database-is-locked", "SES-21", "SES-21", says="over websocket")
class DatabaseIsLocked(ChatServer):
    """500 for a session that a socket's reply writes to."""

    writing: ClassVar[set[str]] = set()

    def on_begin(self, session: Session, ask: Ask) -> None:
        if ask.over == "socket":
            self.writing.add(ask.session_id)

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        self.writing.discard(ask.session_id)
        super().keep(session, ask, answer)

    def messages_in(self, session_id: str) -> int | None:
        if session_id in self.writing:
            raise RuntimeError("database is locked")
        return super().messages_in(session_id)


@fault("keeps-left-sockets", "PERF-07", "PERF-07", says="for 8 interrupted replies")
class KeepsLeftSockets(ChatServer):
    """Of clients that left. Below the framework: by a copy of the descriptor."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.kept: list[int] = []

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        assert request.transport is not None
        copy = os.dup(request.transport.get_extra_info("socket").fileno())
        self.kept.append(copy)
        response = await super().send_stream(request, ask)
        self.kept.remove(copy)
        os.close(copy)
        return response

    async def stop(self) -> None:
        for descriptor in self.kept:
            os.close(descriptor)
        await super().stop()


@fault("keeps-failed-sockets", "PERF-07", "PERF-07", says="for 8 replies that fail by cut-mid")
class KeepsFailedSockets(ChatServer):
    """A connection to the provider for each reply that failed in the middle."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.kept: list[asyncio.StreamWriter] = []

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        provider = urlsplit(self.config.url)
        if count:
            self.kept.append((await asyncio.open_connection(provider.hostname, provider.port))[1])
        async for event in super().on_failure(failure, count, partial, ask):
            yield event

    async def stop(self) -> None:
        for writer in self.kept:
            writer.close()
        await super().stop()


@fault("hoards-replies", "PERF-08", "PERF-08", says="MB more after each further round")
class HoardsReplies(ChatServer):
    """In a list that nobody reads."""

    over = "sse"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.hoard: list[bytes] = []

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer)
        if ask.over == self.over:
            self.hoard.append(b"\xff" * HOARDED)


@fault("hoards-sockets", "PERF-08", "PERF-08", says="MB more after each further round")
class HoardsSockets(HoardsReplies):
    """What it knows of each socket, when that has gone."""

    over = ""

    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        await super().on_disconnect(sid, _reason)
        self.hoard.append(b"\xff" * HOARDED)
