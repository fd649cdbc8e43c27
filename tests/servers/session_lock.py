"""A plain server that makes new sessions one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from tests.servers.parts import Ask, Config, Message
from tests.servers.plain_server import ChatServer

TAKES = 0.4  # seconds to make a session


class SessionLock(ChatServer):
    """A lock around each new session: of many clients that come at once, the last one waits for all others."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.lock = asyncio.Lock()
        self.made: set[str] = set()

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        name = self.key(ask.session_id, ask.over)
        if name not in self.made:
            async with self.lock:
                await asyncio.sleep(TAKES)
                self.made.add(name)
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token
