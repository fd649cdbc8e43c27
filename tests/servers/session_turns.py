"""A plain server that refuses an ask in a session in which a reply runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from tests.servers.parts import Ask, Config, Event, Refused
from tests.servers.plain_server import ChatServer


class OneInASession(ChatServer):
    """One reply in a session at a time."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.busy: set[str] = set()

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        ask = super().read_ask(body, over, default_session)
        if ask.session_id in self.busy:
            raise Refused(409, "A reply runs in this session.")
        return ask

    def is_freed(self, was_left: bool, has_begun: bool) -> bool:
        """Whether a reply that is over leaves its session free."""
        return True

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        self.busy.add(ask.session_id)
        was_left = has_begun = False
        try:
            async with aclosing(super().reply(ask)) as events:
                async for event in events:
                    has_begun = True
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            was_left = True
            raise
        finally:
            if self.is_freed(was_left, has_begun):
                self.busy.discard(ask.session_id)
