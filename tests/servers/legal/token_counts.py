"""Other ways to count a reply's tokens."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from chatproof.fake_providers.scripting.tokenizer import count as tokens_in
from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Config, Event, Message
from tests.servers.plain_server import ChatServer

ROWS = "END-03 END-05 SIO-04"


class InPairs(ChatServer):
    """Sends two of the provider's tokens in each event."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        held = ""
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                if held:
                    yield held + token
                held = "" if held else token
        if held:
            yield held


class UsageOfProvider(ChatServer):
    """Reads a reply to its very end, where the provider says how many tokens it was."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.usage: dict[Ask, int] = {}

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        body = {**self.question(messages), "stream_options": {"include_usage": True}}
        async with self.upstream.post(self.config.url, json=body, headers=self.credentials()) as response:
            async for data in self.provider_events(response.content.iter_any()):
                chunk = {"choices": []} if data == "[DONE]" else json.loads(data)
                if usage := chunk.get("usage"):
                    self.usage[ask] = usage["completion_tokens"]
                for choice in chunk["choices"]:
                    if text := choice["delta"].get("content"):
                        yield text


@legal("tokens-by-usage", only=ROWS)
class TokensByUsage(InPairs, UsageOfProvider):
    """`tokens` is what the provider says in its `usage`."""

    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        return super().completion(self.usage.pop(ask), partial, ask, first_at)


@legal("tokens-by-tokenizer", only=ROWS)
class TokensByTokenizer(InPairs):
    """`tokens` is what a tokenizer finds in the whole reply."""

    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        return super().completion(tokens_in(partial, "cl100k"), partial, ask, first_at)
