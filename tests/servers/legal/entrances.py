"""Odd ways to answer `/api/chat`, to know users on sockets, to answer pages of other origins."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import aiohttp
from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Message, ProviderFailed, Refused
from tests.servers.plain_server import ChatServer


@legal("chat-in-one-piece", only="CHAT")
class ChatInOnePiece(ChatServer):
    """`/api/chat` asks the provider for a whole reply and trims it; what it refuses is a 422, and a failure a 503."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        if ask.over != "chat":
            async for token in super().tokens(messages, ask):
                yield token
            return
        body = {**self.question(messages), "stream": False}
        try:
            async with self.upstream.post(self.config.url, json=body, headers=self.credentials()) as response:
                if response.status != 200:
                    raise ProviderFailed(f"The language model answered with status {response.status}.")
                text = (await response.json())["choices"][0]["message"]["content"]
        except (aiohttp.ClientError, OSError, ValueError, LookupError) as error:
            raise ProviderFailed("The language model did not answer.") from error
        yield text.strip()

    def refusal(self, refused: Refused) -> web.Response:
        status = 422 if refused.status == 400 else refused.status
        return super().refusal(Refused(status, refused.text, refused.headers))

    def chat_failure(self, error: str) -> web.Response:
        return web.json_response({"error": error}, status=503)
