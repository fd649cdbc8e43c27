"""A plain server with a cache: what was answered once is answered again in the same words, without the provider."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing

from tests.servers.parts import Ask, Config, Message
from tests.servers.plain_server import ChatServer


class ReplyCache(ChatServer):
    """Keeps whole replies by a key of the request."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.kept: dict[str, list[str]] = {}

    @abstractmethod
    def key_of(self, messages: list[Message], ask: Ask) -> str:
        """By what a reply is kept."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        key = self.key_of(messages, ask)
        if key in self.kept:
            for token in self.kept[key]:
                yield token
            return
        said: list[str] = []
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                said.append(token)
                yield token
        self.kept[key] = said
