"""Odd servers of public apis, as well-known servers are odd."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from contextlib import aclosing
from typing import Any

from aiohttp import web

from tests.servers.apis.good_servers import DONE, AgUiServer, AiSdkServer, OpenAiServer
from tests.servers.apis.stream_server import Frame, StreamServer
from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Config, Message, ProviderFailed, Refused

JUDGED = (
    "API OAI AIS AGU SSE-01 SSE-03 SSE-04 SSE-06 SSE-08 SSE-09 SSE-10 SSE-11 "
    "TOK-04 TOK-05 TOK-08 END-09 END-10 ERR-02 ERR-03 ERR-05 ERR-08"
)
ALL = "REQ SSE TOK END ERR SES INT PERF API OAI AIS AGU"
legal("openai-chat-good", only=ALL, api="openai-chat")(OpenAiServer)
legal("ai-sdk-good", only=ALL, api="ai-sdk")(AiSdkServer)
legal("ag-ui-good", only=ALL, api="ag-ui")(AgUiServer)


class FailsAsStatus(StreamServer):
    """A failure before the first token is a status with a body; heartbeats come with each event."""

    comment = b":\n\n"
    pulse = 0.1

    async def on_ask(self, request: web.Request) -> web.StreamResponse:
        try:
            messages = self.messages_of(await self.body_of(request))
            async with aclosing(self.tokens(messages, Ask(messages[-1]["content"], ""))) as tokens:
                await anext(tokens, "")
        except Refused:
            return await super().on_ask(request)
        except ProviderFailed as failure:
            return self.failed(str(failure))
        return await super().on_ask(request)

    def failed(self, text: str) -> web.Response:
        return web.json_response(self.refusal(text), status=502)


class Squeezes(StreamServer):
    """gzip, flushed with each event."""

    flushes = True

    async def on_ask(self, request: web.Request) -> web.StreamResponse:
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return await super().on_ask(request)
        body = await self.body_of(request)
        response = web.StreamResponse(headers={**self.headers, "Content-Encoding": "gzip"})
        await response.prepare(request)
        squeezer = zlib.compressobj(wbits=31)
        async with aclosing(self.reply(self.messages_of(body), body)) as frames:
            async for frame in frames:
                flushed = squeezer.flush(zlib.Z_SYNC_FLUSH) if self.flushes else b""
                if data := squeezer.compress(frame) + flushed:
                    await response.write(data)
        await response.write(squeezer.flush())
        return response


@legal("openai-chat-as-azure", only=JUDGED, api="openai-chat")
class AsAzure(Squeezes, OpenAiServer):
    """A first chunk without choices and ids, the role in each chunk, empty deltas, unknown fields, null usage; gzip."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        first = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": []}
        return [self.frame(first), *super().opening(name, body)]

    def frame(self, event: dict[str, Any]) -> Frame:
        return super().frame({**event, "system_fingerprint": "fp", "obfuscation": "xk", "usage": None})

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        delta = {"role": "assistant", "content": token, "tool_calls": None, "refusal": None}
        return [self.chunk(name, delta), self.chunk(name, {}), self.chunk(name, {"content": ""})]


@legal("openai-chat-fails-as-status", only=JUDGED, api="openai-chat")
class OpenAiFailsAsStatus(FailsAsStatus, OpenAiServer):
    """The end in one packet, and thoughts in a field of their own."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [self.chunk(name, {"role": "assistant", "reasoning_content": "Hm"})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [b"".join(super().closing(name, body, said))]


@legal("ai-sdk-as-stream-text", only=JUDGED, api="ai-sdk")
class AsStreamText(AiSdkServer):
    """A failure is an error, the end of the step and a finish whose reason is error; data stands before the start and
    behind the finish; thoughts, a tool, a source and a file stand before the text."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        parts: list[dict[str, Any]] = [
            {"type": "data-notification", "data": {"message": "Working"}, "transient": True},
            {"type": "start", "messageId": name, "messageMetadata": {"model": "m"}},
            {"type": "start-step"},
            {"type": "reasoning-start", "id": "r"},
            {"type": "reasoning-delta", "id": "r", "delta": "Hm"},
            {"type": "reasoning-end", "id": "r"},
            {"type": "tool-input-start", "toolCallId": "c", "toolName": "find"},
            {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": "{}"},
            {"type": "tool-input-available", "toolCallId": "c", "toolName": "find", "input": {}},
            {"type": "tool-output-available", "toolCallId": "c", "output": {"text": "found"}},
            {"type": "finish-step"},
            {"type": "start-step"},
            {"type": "source-url", "sourceId": "s", "url": "https://example.com"},
            {"type": "file", "url": "https://example.com/a.png", "mediaType": "image/png"},
        ]
        return map(self.frame, parts)

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        *rest, mark = super().closing(name, body, said)
        return [*rest, self.frame({"type": "data-usage", "data": {"tokens": 3}}), mark]

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        end = {"type": "finish", "finishReason": "error"}
        parts: list[dict[str, Any]] = [{"type": "error", "errorText": text}, {"type": "finish-step"}, end]
        return [*map(self.frame, parts), DONE]


@legal("ai-sdk-plain-errors", only=JUDGED, api="ai-sdk")
class PlainErrors(FailsAsStatus, AiSdkServer):
    """An HTTP error is a plain text, which `useChat` shows; CR LF; empty deltas."""

    def failed(self, text: str) -> web.Response:
        return web.Response(text="An error occurred.", status=500)

    def frame(self, event: dict[str, Any]) -> Frame:
        return super().frame(event).replace(b"\n", b"\r\n")

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        return [*super().text(name, token, is_first), self.frame({"type": "text-delta", "id": "0", "delta": ""})]


@legal("ag-ui-with-tools", only=JUDGED, api="ag-ui")
class WithTools(FailsAsStatus, AgUiServer):
    """Thoughts by their older names, a tool's call around the first text, and an event of its own at the end."""

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        if not is_first:
            return super().text(name, token, False)
        before: list[dict[str, Any]] = [
            {"type": "THINKING_START"},
            {"type": "THINKING_TEXT_MESSAGE_START"},
            {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "Hm"},
            {"type": "THINKING_TEXT_MESSAGE_END"},
            {"type": "THINKING_END"},
            {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "find"},
        ]
        after: list[dict[str, Any]] = [
            {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": "{}"},
            {"type": "TOOL_CALL_END", "toolCallId": "c"},
            {"type": "TOOL_CALL_RESULT", "messageId": "t", "toolCallId": "c", "content": "found"},
        ]
        return [*map(self.frame, before), *super().text(name, token, True), *map(self.frame, after)]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        *end, last = super().closing(name, body, said)
        return [*end, self.frame({"type": "CUSTOM", "name": "usage", "value": 3}), last]


@legal("ag-ui-many-messages", only=JUDGED, api="ag-ui")
class ManyMessages(Squeezes, AgUiServer):
    """A message and a step for each token; `RUN_ERROR` as the only event of a run that fails at once; gzip."""

    count = 0

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.first: dict[str, list[Frame]] = {}  # the first event of runs that have not begun

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        self.first[name] = [*super().opening(name, body)]
        return ()

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        self.count += 1
        one = f"{name}-{self.count}"
        return [
            *self.first.pop(name, ()),
            self.frame({"type": "STEP_STARTED", "stepName": "say"}),
            *super().text(one, token, True),
            self.frame({"type": "TEXT_MESSAGE_END", "messageId": one}),
            self.frame({"type": "STEP_FINISHED", "stepName": "say"}),
        ]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [*self.first.pop(name, ()), *super().closing(name, body, False)]


@legal("ag-ui-keeps-its-threads", only="API-01 SES-17", api="ag-ui")
class KeepsItsThreads(AgUiServer):
    """It keeps the messages of each thread, and adds those whose ids it does not know, as LangGraph does."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.threads: dict[str, dict[str, Message]] = {}  # messages by their ids
        self.thread: dict[str, str] = {}  # of each reply

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        messages = super().messages_of(body)
        kept = self.threads.setdefault(body["threadId"], {})
        for one, message in zip(body["messages"], messages, strict=True):
            kept.setdefault(one["id"], message)
        return list(kept.values())

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        self.thread[name] = body["threadId"]
        return super().opening(name, body)

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        reply = self.threads[self.thread[name]].setdefault(name, {"role": "assistant", "content": ""})
        reply["content"] += token
        return super().text(name, token, is_first)


@legal("ag-ui-bare-chunks", only=JUDGED, api="ag-ui")
class BareChunks(AgUiServer):
    """Only the first chunk names its message."""

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        head = {"messageId": name, "role": "assistant"} if is_first else {}
        return [self.frame({"type": "TEXT_MESSAGE_CHUNK", **head, "delta": token})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return super().closing(name, body, False)
