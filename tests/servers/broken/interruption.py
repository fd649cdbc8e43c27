"""Faults that the rows of INT notice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import WHOLE, fault
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed, Session
from tests.servers.plain_server import ChatServer
from tests.servers.session_lock import SessionLock
from tests.servers.unheard import unheard


class _Deaf(ChatServer):
    """Replies that nobody hears go on."""

    def is_deaf_to(self, ask: Ask) -> bool:
        return True

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        events = super().reply(ask)
        if not self.is_deaf_to(ask):
            async with aclosing(events):
                async for event in events:
                    yield event
            return
        async for event in unheard(events, self.background):
            yield event


@fault("not-cancelled", "INT-01 INT-02 INT-03 INT-09", WHOLE)
class NotCancelled(_Deaf):
    pass


@fault("locked-not-cancelled", "INT-01 INT-03", "INT-01 INT-03 SSE-01")
class LockedAndDeaf(_Deaf, SessionLock):
    """A crowd of clients takes longer to come in than the suite waits for one of them."""


@fault("cancels-mostly", "INT-01 INT-02 INT-03", "INT-01 INT-02 INT-03 SSE-01")
@fault("cancels-mostly-polling", "INT-09", "INT-09 SSE-01")
class CancelsMostly(_Deaf):
    """Ten of eleven replies of each scenario over each transport. Not by chance: that would miss a row now and then."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.asked: Counter[tuple[str, str]] = Counter()

    def is_deaf_to(self, ask: Ask) -> bool:
        kind = (ask.over, ask.message.partition("scenario ")[2].partition(" ")[0])
        self.asked[kind] += 1
        return self.asked[kind] % 11 == 0


@fault("cancelled-on-write", "INT-02", "INT SSE-01")
class CancelsOnWrite(ChatServer):
    hears_hang_ups = False


@fault("socket-not-cancelled", "INT-03 INT-09", "INT SIO-03")
class SocketNotCancelled(ChatServer):
    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        self.running.pop(sid, None)


@fault("doubled", "INT-07", "INT SES-07 SES-02")
class DoublesInterrupted(ChatServer):
    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        session.messages += [{"role": "user", "content": ask.message}] * 2


@fault("orphaned", "INT-07", "INT SES-07 SES-02")
class OrphansFragment(ChatServer):
    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        session.messages.append({"role": "assistant", "content": partial})


@fault("session-locked", "INT-07", "INT SES-07 SES-02", may="INT-06")
class LocksForEver(ChatServer):
    """An interrupted reply leaves its session closed."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.locked: set[int] = set()

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        self.locked.add(id(session))

    def prompt(self, session: Session, message: str) -> list[Message]:
        if id(session) in self.locked:
            raise ProviderFailed("A reply is still under way.")
        return super().prompt(session, message)


@fault(
    "old-stream",
    "INT-03 INT-09 INT-06",
    "INT SIO-03 SIO-06 SIO-07",
    may="INT-06",
)
class OldStreamGoesOn(_Deaf):
    """A reply goes to whichever socket asked last in its session."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.sockets: dict[str, str] = {}

    def is_deaf_to(self, ask: Ask) -> bool:
        return False

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        body = args[0] if args else None
        if isinstance(body, dict) and isinstance(body.get("session_id"), str):
            self.sockets[body["session_id"]] = sid
        await super().on_chat_stream(sid, *args)

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        await super().emit(self.sockets.get(ask.session_id, sid) if ask else sid, event, ask)

    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        self.running.pop(sid, None)


@fault(
    "stuck-reader",
    "INT-08",
    "INT-04 INT-08 SSE-01 SSE-08",
    may="INT-08",
)
class StuckByAReader(ChatServer):
    """All write through one door."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.door = asyncio.Lock()

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        async with self.door:
            await super().write(response, data)


@fault("leaks-slots", "INT-04", "INT-04 SSE-01")
class LeaksSlots(ChatServer):
    """Some replies at a time, and those that are interrupted count for ever."""

    slots = 50

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        if not self.slots:
            raise ProviderFailed("Too many replies at a time.")
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        self.slots -= 1
