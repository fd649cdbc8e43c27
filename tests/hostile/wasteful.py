"""Servers that answer honestly, and waste what is around them: their provider, and their standard output."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

import aiohttp

from tests.hostile.kinds import Kind, silent
from tests.servers.parts import Ask, Message
from tests.servers.plain_server import ChatServer

ALWAYS: Final = 1_000_000_000  # connections


class AsksTooMuch(ChatServer):
    """It asks its provider for each reply three times more, with a megabyte, and lets go of no request."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        for _ in range(3):
            task = asyncio.ensure_future(self._ask_in_vain(ask.message))
            self.background.add(task)
            task.add_done_callback(self.background.discard)
        async for token in super().tokens(messages, ask):
            yield token

    async def _ask_in_vain(self, message: str) -> None:
        body = self.question([{"role": "user", "content": f"{message} {'x' * (1 << 20)}"}])
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self.upstream.post(self.config.url, json=body, headers=self.credentials()) as response:
                await response.read()


class Talkative(ChatServer):
    """It prints without an end."""

    async def start(self, port: int = 0) -> int:
        threading.Thread(target=self._talk, daemon=True).start()
        return await super().start(port)

    def _talk(self) -> None:
        with suppress(OSError, ValueError):
            while True:
                sys.stdout.write("and another line\n" * 4_000)


BEHIND: Final[dict[str, type[ChatServer]]] = {"asks-too-much": AsksTooMuch, "prints-without-an-end": Talkative}
WASTEFUL: Final = {
    name: Kind(name, about, silent, ALWAYS, sockets=False)
    for name, about in (
        ("asks-too-much", "answers well, and asks its provider four times for each reply, with a megabyte each time"),
        ("prints-without-an-end", "answers well, and prints as fast as it can"),
    )
}
