"""Odd ways to serve Socket.IO that keep the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from tests.servers.engine_sockets import EngineSockets
from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Config, Event, Message, Session
from tests.servers.plain_server import ChatServer


@legal("mends-surrogates", only="SIO-15 REQ-10")
class MendsSurrogates(ChatServer):
    """Lone surrogates become question marks, and ids of any type are read as texts, as Go and PHP do."""

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        if isinstance(body, dict):
            body = {name: self.mended(value) for name, value in body.items()}
            if (session := body.get("session_id")) is not None:
                body["session_id"] = self.mended(str(session))
        return super().read_ask(body, over, default_session)

    @staticmethod
    def mended(value: Any) -> Any:
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


@legal("frames-its-prompt", only="SIO-16 REQ-07")
class FramesItsPrompt(ChatServer):
    """A message stands trimmed inside a template, between a rule and a reminder."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        framed = f"Answer the question between the lines.\n---\n{message.strip()}\n---\nBe brief."
        return super().prompt(session, framed)


@legal("drops-slow-sockets", only="SIO-01 INT-12")
class DropsSlowSockets(EngineSockets):
    """Whoever does not read in time is disconnected."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        engine = self.engine_of(sid)
        if engine and engine.queue.qsize() > 200:
            await asyncio.sleep(0.2)
            if engine.queue.qsize() > 200:
                await engine.close(wait=False, abort=True)
        await super().emit(sid, event, ask)


@legal("sessions-in-line", only="SIO-11 SIO-18 INT-11")
class SessionsInLine(ChatServer):
    """Asks of one session wait for each other, those of one socket are refused, and who leaves gives up the place."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.lines: dict[str, asyncio.Lock] = {}

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        line = self.lines.setdefault(ask.session_id, asyncio.Lock())
        async with line, aclosing(super().reply(ask)) as events:
            async for event in events:
                yield event


@legal("late-timeouts", only="SIO-17")
class LateTimeouts(ChatServer):
    """A silent provider is noticed a second after the declared time, by a timer that looks around now and then."""

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if "error" in event and ask:
            await asyncio.sleep(1)
        await super().emit(sid, event, ask)
