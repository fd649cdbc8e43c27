"""Faults that show only where two circumstances meet: the covering array of situations finds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.broken.later import _Counts
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed
from tests.servers.plain_server import ChatServer

ARRAY = "SES-15 TOK-03 TOK-04"


@fault("cut-after-failure", "TOK-04", ARRAY, in_situations=True, says="with place=after-failed, size=large")
class CutAfterFailure(ChatServer):
    """Once a session's reply has failed, its tokens go through a short buffer."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.failed: set[str] = set()

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        if count:
            self.failed.add(ask.session_id)
        async for event in super().on_failure(failure, count, partial, ask):
            yield event

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token[:1024] if ask.session_id in self.failed else token


@fault("crlf-with-history", "SES-15", ARRAY, in_situations=True, says="wire=framing")
class CrLfWithHistory(_Counts):
    """Below the HTTP client: where there is a history, CRLF in the provider's stream is taken for a broken line."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.is_split = False

    def prompt(self, session: Any, message: str) -> list[Message]:
        self.is_split = len(session.messages) > 1
        return super().prompt(session, message)

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        async with aclosing(super().provider_events(self.checked(chunks, self.is_split))) as events:
            async for event in events:
                yield event

    async def checked(self, chunks: AsyncIterator[bytes], is_split: bool) -> AsyncGenerator[bytes, None]:
        async for chunk in chunks:
            if is_split and b"\r\n" in chunk:
                raise ValueError
            yield chunk


@fault("kept-and-large", "TOK-03", ARRAY, in_situations=True, says="with request=kept, size=large")
class KeptAndLarge(ChatServer):
    """Below the framework: an event that does not fit the buffer of a used connection loses its end."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.served: Counter[Any] = Counter()

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        self.served[request.protocol] += 1
        response = web.StreamResponse(headers=self.stream_headers(request))
        await response.prepare(request)
        async with aclosing(self.reply(ask)) as events:
            async for event in events:
                data = self.encode(event)
                if len(data) > 4096 and self.served[request.protocol] > 1:
                    data = data[:4000] + b'"}\n\n'
                await self.write(response, data)
        return response
