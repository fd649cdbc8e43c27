"""Faults of servers that speak other apis. What any server can do wrong is done to a server of each."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from typing import Any, ClassVar

from aiohttp import web

from tests.servers.apis.good_servers import DONE, AgUiServer, AiSdkServer, OpenAiServer
from tests.servers.apis.stream_server import Frame, StreamServer
from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Message

SERVERS: dict[str, type[StreamServer]] = {"openai-chat": OpenAiServer, "ai-sdk": AiSdkServer, "ag-ui": AgUiServer}


class LosesAWord(StreamServer):
    """The thirtieth token."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        count = 0
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                count += 1
                if count != 30:
                    yield token


class HoldsBack(StreamServer):
    """The whole reply comes at its end."""

    async def reply(self, messages: list[Message], body: dict[str, Any]) -> AsyncGenerator[Frame, None]:
        async with aclosing(super().reply(messages, body)) as frames:
            whole = [frame async for frame in frames]
        for frame in whole:
            yield frame


class GoesOnForNobody(StreamServer):
    """Reads the provider's reply to its end after its client has gone."""

    hears_hang_ups = False

    async def on_ask(self, request: web.Request) -> web.StreamResponse:
        body = await self.body_of(request)
        response = web.StreamResponse(headers=self.headers)
        await response.prepare(request)
        async with aclosing(self.reply(self.messages_of(body), body)) as frames:
            async for frame in frames:
                with suppress(ConnectionError):
                    await response.write(frame)
        return response


class FailsSilently(StreamServer):
    """A provider's failure looks like the reply's good end."""

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return self.closing(name, {"threadId": "t", "runId": name}, said)


class TakesACutForTheEnd(StreamServer):
    """A provider's stream that breaks off without a finish is a whole reply."""

    def on_early_end(self) -> None:
        return


class SharesItsHistory(StreamServer):
    """One list of messages for all conversations."""

    said: ClassVar[list[Message]]

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        before = self.said[-4:]
        self.said.append(messages[-1])
        async with aclosing(super().tokens([*before, *messages], ask)) as tokens:
            async for token in tokens:
                yield token


class SendsTheLastTurnOnly(StreamServer):
    """The model has no memory."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages[-1:], ask)) as tokens:
            async for token in tokens:
                yield token


class ThinksAloud(StreamServer):
    """The model's reasoning stands in the text."""

    def question(self, messages: list[Message]) -> dict[str, Any]:
        return {**super().question(messages), "model": "qwen3:8b"}

    def read_chunk(self, data: str) -> tuple[str, bool]:
        text, finished = super().read_chunk(data)
        delta = (json.loads(data).get("choices") or [{}])[0].get("delta", {})
        return delta.get("reasoning_content") or delta.get("reasoning") or text, finished


class CrashesOnBadBodies(StreamServer):
    """500 for what is no JSON object."""

    async def body_of(self, request: web.Request) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(await request.read())
        return body | {}


MIXINS: tuple[tuple[str, type[StreamServer], str, str, str], ...] = (
    ("loses-a-word", LosesAWord, "TOK-04 TOK-05", "TOK-04 TOK-05", ""),
    ("holds-back", HoldsBack, "SSE-06 SSE-11", "SSE-06 SSE-11", ""),
    ("goes-on-for-nobody", GoesOnForNobody, "INT-01 INT-02", "INT-01 INT-02", ""),
    ("fails-silently", FailsSilently, "ERR-02 ERR-03", "ERR-02 ERR-03 ERR-05", ""),
    ("takes-a-cut-for-the-end", TakesACutForTheEnd, "ERR-03", "ERR-02 ERR-03", ""),
    ("shares-its-history", SharesItsHistory, "API-01", "API", ""),
    ("sends-the-last-turn-only", SendsTheLastTurnOnly, "API-01", "API", ""),
    ("thinks-aloud", ThinksAloud, "TOK-08", "TOK-08", "the reply shows the model's thoughts"),
    ("crashes-on-bad-bodies", CrashesOnBadBodies, "API-03", "API-03", "status 500"),
)
for api, good in SERVERS.items():
    for name, mixin, must, only, says in MIXINS:
        server = type(f"{mixin.__name__}Of{good.__name__}", (mixin, good), {"__doc__": mixin.__doc__, "said": []})
        thinks = mixin is ThinksAloud  # a local model shows its thoughts
        fault(f"{api}-{name}", must, only, says=says, api=api, provider="local" if thinks else "openai")(server)


@fault("openai-chat-no-mark", "OAI-01", "OAI", says="the last of", api="openai-chat")
class NoMark(OpenAiServer):
    """The connection ends after the last chunk."""

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [frame for frame in super().closing(name, body, said) if frame != DONE]


@fault("openai-chat-mark-twice", "OAI-01", "OAI", says="after [DONE] came", api="openai-chat")
class MarkTwice(OpenAiServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [*super().closing(name, body, said), DONE]


@fault("openai-chat-new-ids", "OAI-02", "OAI", says="after 'chatcmpl-", api="openai-chat")
class NewIds(OpenAiServer):
    def chunk(self, name: str, delta: dict[str, Any], reason: str | None = None) -> Frame:
        return super().chunk(uuid.uuid4().hex, delta, reason)


@fault("openai-chat-foreign-reason", "OAI-03", "OAI", says="end_turn", api="openai-chat")
class ForeignReason(OpenAiServer):
    """As another provider names it."""

    def chunk(self, name: str, delta: dict[str, Any], reason: str | None = None) -> Frame:
        return super().chunk(name, delta, reason and "end_turn")


@fault("openai-chat-reason-in-each", "OAI-03", "OAI", may="END-01", says="after finish_reason", api="openai-chat")
class ReasonInEach(OpenAiServer):
    def chunk(self, name: str, delta: dict[str, Any], reason: str | None = None) -> Frame:
        return super().chunk(name, delta, "stop")


@fault("openai-chat-error-as-text", "OAI-04", "OAI", says="error '", api="openai-chat")
class ErrorAsText(OpenAiServer):
    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.frame({"error": text}), DONE]


@fault("ai-sdk-no-version", "AIS-01", "AIS", says="(none)", api="ai-sdk")
class NoVersion(AiSdkServer):
    headers = StreamServer.headers


@fault("ai-sdk-no-text-start", "AIS-02", "AIS", says="not open", api="ai-sdk")
class NoTextStart(AiSdkServer):
    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        return super().text(name, token, False)


@fault("ai-sdk-ids-differ", "AIS-02", "AIS", says="not open", api="ai-sdk")
class IdsDiffer(AiSdkServer):
    """Each delta has an id of its own."""

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        own, other = b'"text-delta", "id": "0"', b'"text-delta", "id": "1"'
        return [frame.replace(own, other) for frame in super().text(name, token, is_first)]


@fault("ai-sdk-no-finish", "AIS-03", "AIS", api="ai-sdk")
class NoFinish(AiSdkServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [frame for frame in super().closing(name, body, said) if b'"finish"' not in frame]


@fault("ai-sdk-no-mark", "AIS-03", "AIS", api="ai-sdk")
class NoMarkOfAiSdk(AiSdkServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [frame for frame in super().closing(name, body, said) if frame != DONE]


@fault("ai-sdk-no-start", "AIS-04", "AIS", says="the first part", api="ai-sdk")
class NoStart(AiSdkServer):
    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return ()


@fault("ag-ui-no-run-started", "AGU-01", "AGU", says="the first event", api="ag-ui")
class NoRunStarted(AgUiServer):
    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return ()


@fault("ag-ui-goes-on-after-the-end", "AGU-01", "AGU", may="END-01", says="after RUN_FINISHED came", api="ag-ui")
class GoesOnAfterTheEnd(AgUiServer):
    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [*super().closing(name, body, said), self.frame({"type": "STATE_SNAPSHOT", "snapshot": {}})]


@fault("ag-ui-no-message-start", "AGU-02", "AGU", says="not open", api="ag-ui")
class NoMessageStart(AgUiServer):
    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        return super().text(name, token, False)


@fault("ag-ui-own-ids", "AGU-03", "AGU", says="threadId", api="ag-ui")
class OwnIds(AgUiServer):
    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return super().opening(name, {"threadId": uuid.uuid4().hex, "runId": name})
