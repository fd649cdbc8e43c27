"""Faults that the rows of ERR and CHAT notice."""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import aiohttp
from aiohttp import web

from tests.servers.broken.fault import FAILURES, WHOLE, fault
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed
from tests.servers.plain_server import ChatServer


@fault(
    "error-as-token",
    "ERR-02 ERR-03 SIO-08 CHAT-03",
    WHOLE,
    may="ERR-06",
    unjudged="ERR-01",
)
class ErrorAsToken(ChatServer):
    """And a completion, as if the model had said it."""

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        text = f"Error: {failure}"
        yield self.token_event(text, count + 1, partial + text)
        yield self.completion(count + 1, partial + text, ask, 0.0)


@fault("early-end", "ERR-03 SIO-08", FAILURES)
class EarlyEndIsTheEnd(ChatServer):
    def on_early_end(self) -> None:
        """Taken for a completion."""


@fault("malformed-skipped", "ERR-03 SIO-08", FAILURES)
class SkipsMalformed(ChatServer):
    def read_chunk(self, data: str) -> tuple[str, bool]:
        try:
            return super().read_chunk(data)
        except ValueError:
            return "", False


@fault("traceback", "ERR-04", FAILURES)
class ShowsTraceback(ChatServer):
    def error_text(self, failure: ProviderFailed) -> str:
        return "".join(traceback.format_exception(failure))


@fault("api-key", "ERR-04", FAILURES)
class ShowsKey(ChatServer):
    def error_text(self, failure: ProviderFailed) -> str:
        return f"{failure} (request with {self.credentials()})"


@fault(
    "empty-error",
    "ERR-02 ERR-03 SIO-08",
    FAILURES,
    may="CHAT-03 SIO-08",
    unjudged="ERR-01",
)
class EmptyError(ChatServer):
    def error_text(self, failure: ProviderFailed) -> str:
        return ""


@fault("completion-after-error", "ERR-01 ERR-03", "SSE-01 END-01 ERR SIO-03 SIO-08 CHAT", may="ERR-02 SIO-03 SIO-08")
class CompletionAfterError(ChatServer):
    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        yield {"error": str(failure)}
        yield self.completion(count, partial, ask, 0.0)


@fault("lasting-failure", "ERR-05", "SSE-01 ERR-01 ERR-02 ERR-03 ERR-04 ERR-05 CHAT", may="")
class FailsFromThenOn(ChatServer):
    """A session whose reply failed once never answers again."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.failed: set[str] = set()

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        self.failed.add(ask.session_id)
        yield {"error": str(failure)}

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        if ask.session_id in self.failed:
            raise ProviderFailed("It failed before.")
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token


@fault("no-timeout", "ERR-06", "SSE-01 END-01 ERR-01 ERR-06")
class NoTimeout(ChatServer):
    def __init__(self, config: Config) -> None:
        super().__init__(replace(config, timeout=600.0))


@fault("chat-error-as-answer", "CHAT-03", FAILURES)
class ErrorAsAnswer(ChatServer):
    def chat_failure(self, error: str) -> web.Response:
        return web.json_response({"response": f"Error: {error}"})


@fault("chat-closes", "CHAT-01 CHAT-03", "CHAT SSE-01", unjudged="CHAT-02", says="no answer: the connection was closed")
class ClosesChat(ChatServer):
    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        if request.transport:
            request.transport.close()
        return await super().on_chat(request)


@fault("chat-is-text", "CHAT-01 CHAT-02", "CHAT SSE-01")
class ChatIsText(ChatServer):
    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        response = await super().on_chat(request)
        if isinstance(response, web.Response) and response.status == 200:
            return web.Response(text=json.loads(response.text or "")["response"])
        return response


@fault(
    "chat-skips-error-objects",
    "ERR-08 CHAT-03",
    "ERR-08 CHAT-01 CHAT-03",
    says="/api/chat after error-with-200",
    contract=2,
)
class ChatSkipsErrorObjects(ChatServer):
    """/api/chat reads texts alone, and takes `[DONE]` or the end of the stream for the end of the reply."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        if ask.over != "chat":
            async with aclosing(super().tokens(messages, ask)) as tokens:
                async for token in tokens:
                    yield token
            return
        try:
            body = self.question(messages)
            async with self.upstream.post(self.config.url, json=body, headers=self.credentials()) as response:
                if response.status != 200:
                    raise ProviderFailed("The language model failed.")
                async for data in self.provider_events(response.content.iter_any()):
                    if data != "[DONE]" and "choices" in json.loads(data):
                        yield self.read_chunk(data)[0]
        except aiohttp.ClientError as error:
            raise ProviderFailed("The connection to the language model failed.") from error
