"""What any server of another api can do wrong, each done to a server of one or two of them."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing, suppress
from contextvars import ContextVar
from typing import Any, ClassVar

from aiohttp import web

from tests.servers.apis.good_servers import DONE
from tests.servers.apis.stream_server import Frame, StreamServer
from tests.servers.broken.fault import fault
from tests.servers.broken.other_apis import SERVERS
from tests.servers.legal.public_apis import Squeezes
from tests.servers.parts import Ask, Config, Message, ProviderFailed


class Passing(StreamServer):
    """To be mixed in: something happens to each token on its way."""

    def passed(self, token: str, last: str) -> str:
        """What becomes of a token. `last`: the one before."""
        raise NotImplementedError

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        last = ""
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                if passed := self.passed(token, last):
                    yield passed
                last = token


class Retelling(StreamServer):
    """To be mixed in: the provider is told something else than the turns that came."""

    def retold(self, messages: list[Message]) -> list[Message]:
        """The messages to the provider."""
        raise NotImplementedError

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(self.retold(messages), ask)) as tokens:
            async for token in tokens:
                yield token


class DropsBlankTokens(Passing):
    def passed(self, token: str, last: str) -> str:
        return token if token.strip() else ""


class DropsRepeats(Passing):
    """The token before came again: a reconnect, surely."""

    def passed(self, token: str, last: str) -> str:
        return token if token != last else ""


class EscapesText(Passing):
    """HTML entities, for safety."""

    def passed(self, token: str, last: str) -> str:
        return html.escape(token, quote=False)


class HoldsOneBack(StreamServer):
    """The newest token waits for the next one, to know whether it is the last."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        held = ""
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                if held:
                    yield held
                held = token
        if held:
            yield held


class SaysItsErrors(StreamServer):
    """Sorry, something went wrong: as if the model had said it."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(super().tokens(messages, ask)) as tokens:
                async for token in tokens:
                    yield token
        except ProviderFailed:
            yield "Sorry, something went wrong."


class ErrorThenEnd(StreamServer):
    """An error, and behind it the usual good end."""

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        error = [frame for frame in super().failure(name, text, said) if frame != DONE]
        return [*error, *self.closing(name, {"threadId": "t", "runId": "r"}, said)]


class TellsTheAddress(StreamServer):
    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return super().failure(name, f"{text} ({self.config.url})", said)


class UsesTheLastRequest(StreamServer):
    """`self.messages` belongs to whoever asked last."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        self.messages = messages
        await asyncio.sleep(0.02)  # looks up the user
        async with aclosing(super().tokens(self.messages, ask)) as tokens:
            async for token in tokens:
                yield token


class KeepsAThreadToo(Retelling):
    """Keeps the turns under their first message, and adds all that the client sends."""

    threads: ClassVar[dict[str, list[Message]]] = {}

    def retold(self, messages: list[Message]) -> list[Message]:
        thread = self.threads.setdefault(messages[0]["content"], [])
        thread += messages
        return list(thread)


class EverybodyIsTheUser(Retelling):
    def retold(self, messages: list[Message]) -> list[Message]:
        return [{**one, "role": "user"} for one in messages]


class TellsTheHistoryAgain(Retelling):
    """The last message begins with all others."""

    def retold(self, messages: list[Message]) -> list[Message]:
        told = "\n".join(f"{one['role']}: {one['content']}" for one in messages)
        return [*messages[:-1], {"role": "user", "content": told}]


class OneAtATime(StreamServer):
    """A lock across the reply."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.lock = asyncio.Lock()

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with self.lock, aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token


class TakesOneAcceptOnly(StreamServer):
    """406 for `Accept: */*`."""

    async def on_ask(self, request: web.Request) -> web.StreamResponse:
        if "text/event-stream" not in request.headers.get("Accept", ""):
            return web.json_response(self.refusal("Please accept a stream."), status=406)
        return await super().on_ask(request)


class UsesTheClientsKey(StreamServer):
    """The bearer of the request is the provider's key."""

    key = ""

    async def on_ask(self, request: web.Request) -> web.StreamResponse:
        self.key = request.headers.get("Authorization", "Bearer undefined")
        return await super().on_ask(request)

    def credentials(self) -> dict[str, str]:
        return {"Authorization": self.key}


class ForwardsEveryHeader(StreamServer):
    given: Mapping[str, str] = {}

    async def on_ask(self, request: web.Request) -> web.StreamResponse:
        self.given = {k: v for k, v in request.headers.items() if k.lower().startswith(("x-", "cookie"))}
        return await super().on_ask(request)

    def credentials(self) -> dict[str, str]:
        return {**self.given, **super().credentials()}


class SaysItsToolCalls(StreamServer):
    """The arguments of a tool call are shown to the user."""

    def read_chunk(self, data: str) -> tuple[str, bool]:
        text, finished = super().read_chunk(data)
        delta = (json.loads(data).get("choices") or [{}])[0].get("delta", {})
        calls = delta.get("tool_calls") or ()
        return text + "".join(call.get("function", {}).get("arguments", "") for call in calls), finished


class SaysACallAlone(StreamServer):
    """A reply must say something: where the model only calls a tool, the call's arguments are shown."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.called: ContextVar[list[str]] = ContextVar("called")

    def read_chunk(self, data: str) -> tuple[str, bool]:
        delta = (json.loads(data).get("choices") or [{}])[0].get("delta", {})
        self.called.get().extend(call["function"]["arguments"] for call in delta.get("tool_calls") or ())
        return super().read_chunk(data)

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        called, is_said = list[str](), False
        self.called.set(called)
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                is_said = True
                yield token
        if not is_said and called:
            yield "".join(called)


class EmptyNeverEnds(StreamServer):
    """Waits for a first token to close the block."""

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return super().closing(name, body, said) if said else ()


class NeedsASpace(StreamServer):
    """`data: ` with a blank, line feeds, and no comments."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        rest = b""
        async for chunk in chunks:
            *events, rest = (rest + chunk).split(b"\n\n")
            for event in events:
                yield event.decode().removeprefix("data: ")


class OneEventARead(StreamServer):
    """Takes one read for one event."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        async for chunk in chunks:
            for line in chunk.split(b"\n"):
                if line.startswith(b"data:") and line.rstrip().endswith((b"}", b"]")):
                    yield line[5:].decode("utf-8", "replace").strip()


class DecodesReads(StreamServer):
    """Decodes each read by itself."""

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        rest = ""
        async for chunk in chunks:
            *lines, rest = (rest + chunk.decode("utf-8", "ignore")).split("\n")
            for line in lines:
                if line.startswith("data:"):
                    yield line[5:].strip()


class BuffersAKilobyte(StreamServer):
    """As a proxy with `proxy_buffering on`."""

    async def send(self, request: web.Request, response: web.StreamResponse, frames: AsyncIterator[Frame]) -> None:
        held = b""
        async for frame in frames:
            held += frame
            if len(held) > 1024:
                await response.write(held)
                held = b""
        await response.write(held)
        await response.write_eof()


class CompressesLate(Squeezes):
    """gzip without a flush."""

    flushes = False


class StaysOpen(StreamServer):
    """Keeps its accounts before it ends the answer."""

    async def send(self, request: web.Request, response: web.StreamResponse, frames: AsyncIterator[Frame]) -> None:
        async for frame in frames:
            await response.write(frame)
        await asyncio.sleep(4)


class NoLastChunk(StreamServer):
    """Hangs up instead."""

    async def send(self, request: web.Request, response: web.StreamResponse, frames: AsyncIterator[Frame]) -> None:
        async for frame in frames:
            await response.write(frame)
        if request.transport:
            request.transport.close()


class NoticesOnWrite(StreamServer):
    """A client that has gone is noticed at the next write."""

    hears_hang_ups = False


class ReadsAheadForGood(StreamServer):
    """A task reads the provider into a queue, and nobody cancels it."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        queue: asyncio.Queue[Any] = asyncio.Queue()

        async def read() -> None:
            try:
                async with aclosing(super(ReadsAheadForGood, self).tokens(messages, ask)) as tokens:
                    async for token in tokens:
                        queue.put_nowait(token)
                queue.put_nowait(None)
            except ProviderFailed as failure:
                queue.put_nowait(failure)

        task = asyncio.create_task(read())
        self.background.add(task)
        while (token := await queue.get()) is not None:
            if isinstance(token, ProviderFailed):
                raise token
            yield token


class RetriesInTheMiddle(StreamServer):
    """A stream that broke off is asked for again, and its text comes again."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        for _ in range(2):
            with suppress(ProviderFailed):
                async with aclosing(super().tokens(messages, ask)) as tokens:
                    async for token in tokens:
                        yield token
                return
        raise ProviderFailed("It failed twice.")


class SpeaksToTheLastClient(StreamServer):
    """What the model says goes to whoever asked last."""

    last: Ask
    left: ClassVar[list[str]] = []

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        self.last = ask
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                self.left.append(token)
                if self.last is ask:
                    said = "".join(self.left)
                    self.left.clear()
                    yield said


class LaterIsBuffered(StreamServer):
    """With a history the reply is checked first."""

    async def reply(self, messages: list[Message], body: dict[str, Any]) -> AsyncGenerator[Frame, None]:
        async with aclosing(super().reply(messages, body)) as frames:
            if len(messages) == 1:
                async for frame in frames:
                    yield frame
                return
            whole = [frame async for frame in frames]
        for frame in whole:
            yield frame


MIXINS: tuple[tuple[str, type[StreamServer], str, str, str, str], ...] = (
    ("drops-blank-tokens", DropsBlankTokens, "ai-sdk", "TOK-09", "TOK-09", ""),
    ("drops-repeats", DropsRepeats, "openai-chat", "TOK-09", "TOK-09", ""),
    ("escapes-text", EscapesText, "ag-ui", "TOK-05", "TOK-05", ""),
    ("holds-one-back", HoldsOneBack, "ag-ui", "SSE-06", "SSE-06", ""),
    ("says-its-errors", SaysItsErrors, "ai-sdk", "ERR-02 ERR-03", "ERR-02 ERR-03", ""),
    ("error-then-end", ErrorThenEnd, "ag-ui", "AGU-01", "AGU", "after RUN_ERROR came"),
    ("tells-the-address", TellsTheAddress, "ag-ui", "ERR-09", "ERR-09", ""),
    ("uses-the-last-request", UsesTheLastRequest, "openai-chat", "API-01", "API-01", ""),
    ("keeps-a-thread-too", KeepsAThreadToo, "ag-ui", "API-01", "API-01", ""),
    ("everybody-is-the-user", EverybodyIsTheUser, "ai-sdk", "API-01", "API-01", "as the user's"),
    ("tells-the-history-again", TellsTheHistoryAgain, "openai-chat", "API-01", "API-01", ""),
    ("one-at-a-time", OneAtATime, "ag-ui", "PERF-05", "PERF-05", ""),
    ("takes-one-accept-only", TakesOneAcceptOnly, "openai-chat", "REQ-12", "REQ-12", ""),
    ("uses-the-clients-key", UsesTheClientsKey, "ai-sdk", "REQ-14", "REQ-14", ""),
    ("forwards-every-header", ForwardsEveryHeader, "openai-chat", "REQ-15", "REQ-15", ""),
    ("says-its-tool-calls", SaysItsToolCalls, "openai-chat ag-ui", "API-02", "API-02", "the call of a tool"),
    ("says-a-call-alone", SaysACallAlone, "ai-sdk", "API-02", "API-02", "the call of a tool"),
    ("empty-never-ends", EmptyNeverEnds, "ag-ui", "END-09", "END-09", ""),
    ("needs-a-space", NeedsASpace, "openai-chat", "TOK-07", "TOK-07", ""),
    ("one-event-a-read", OneEventARead, "ag-ui", "TOK-07", "TOK-07", ""),
    ("decodes-reads", DecodesReads, "ai-sdk", "TOK-05", "TOK-05", ""),
    ("buffers-a-kilobyte", BuffersAKilobyte, "ai-sdk", "SSE-06", "SSE-06", ""),
    ("compresses-late", CompressesLate, "openai-chat", "SSE-11", "SSE-11", ""),
    ("stays-open", StaysOpen, "ag-ui", "SSE-08", "SSE-08", ""),
    ("no-last-chunk", NoLastChunk, "openai-chat", "SSE-09", "SSE-09", ""),
    ("notices-on-write", NoticesOnWrite, "ai-sdk", "INT-02", "INT-02", ""),
    ("reads-ahead-for-good", ReadsAheadForGood, "ag-ui", "INT-01", "INT-01", ""),
    ("retries-in-the-middle", RetriesInTheMiddle, "ai-sdk", "ERR-03", "ERR-03", ""),
    ("speaks-to-the-last-client", SpeaksToTheLastClient, "ag-ui", "PERF-05", "PERF-05", ""),
    ("later-is-buffered", LaterIsBuffered, "openai-chat", "SSE-12", "SSE-12", ""),
)
for name, mixin, apis, must, only, says in MIXINS:
    for api in apis.split():
        server = type(f"{mixin.__name__}Of{SERVERS[api].__name__}", (mixin, SERVERS[api]), {"__doc__": mixin.__doc__})
        fault(f"{api}-{name}", must, only, says=says, api=api)(server)
