"""Faults of servers of other apis that an ordinary reply does not show: other ends, other words, other beginnings."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any

from tests.servers.apis.good_servers import DONE, AgUiServer, AiSdkServer, OpenAiServer
from tests.servers.apis.made_up import NamingServer
from tests.servers.apis.stream_server import Frame, StreamServer
from tests.servers.apis.tables import NAMING
from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Message, ProviderFailed

REASON: ContextVar[str] = ContextVar("REASON")  # each reply has a task of its own
CALLS: ContextVar[dict[int, str]] = ContextVar("CALLS")  # the ids of tools' calls, by their numbers


class PassesReasonsOn(StreamServer):
    """How a reply ended is told in the provider's own words."""

    async def reply(self, messages: list[Message], body: dict[str, Any]) -> AsyncGenerator[Frame, None]:
        REASON.set("stop")
        async with aclosing(super().reply(messages, body)) as frames:
            async for frame in frames:
                yield frame

    def read_chunk(self, data: str) -> tuple[str, bool]:
        text, finished = super().read_chunk(data)
        chunk = json.loads(data)
        if found := chunk.get("delta", {}).get("stop_reason"):
            REASON.set("stop" if found == "end_turn" else found)
        if choices := chunk.get("choices"):
            REASON.set(choices[0].get("finish_reason") or REASON.get())
        return text, finished


@fault(
    "openai-chat-passes-reasons-on",
    "OAI-03",
    "OAI END-10 API-02",
    says="a reply with ",
    api="openai-chat",
    provider="anthropic",
)
class OpenAiPassesReasonsOn(PassesReasonsOn, OpenAiServer):
    """Anthropic says `max_tokens`, and `tool_use`."""

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.chunk(name, {}, REASON.get()), DONE]


@fault("ai-sdk-passes-reasons-on", "AIS-05", "AIS END-10 API-02", says="a reply with ", api="ai-sdk")
class AiSdkPassesReasonsOn(PassesReasonsOn, AiSdkServer):
    """OpenAI says `content_filter`, and `tool_calls`."""

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        *rest, _, done = super().closing(name, body, said)
        return [*rest, self.frame({"type": "finish", "finishReason": REASON.get()}), done]


@fault("ag-ui-leaves-a-call-open", "AGU-02", "AGU API-02", says="a reply with ", api="ag-ui")
class LeavesACallOpen(AgUiServer):
    """A tool's call is ended where the next one begins: the last one never is."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        CALLS.set({})
        return super().opening(name, body)

    def read_chunk(self, data: str) -> tuple[str, bool]:
        text, finished = super().read_chunk(data)
        for choice in json.loads(data)["choices"]:
            for part in choice["delta"].get("tool_calls") or ():
                CALLS.get().setdefault(part["index"], part.get("id") or "")
        return text, finished

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        *end, last = super().closing(name, body, said)
        calls = list(CALLS.get().values())
        for number, call in enumerate(calls):
            end.append(self.frame({"type": "TOOL_CALL_START", "toolCallId": call, "toolCallName": "get_weather"}))
            if number + 1 < len(calls):
                end.append(self.frame({"type": "TOOL_CALL_END", "toolCallId": call}))
        return [*end, last]


@fault("ai-sdk-waits-for-blanks", "SSE-06", "SSE-06 SSE-11 TOK-04 TOK-05", says="in Chinese", api="ai-sdk")
class WaitsForBlanks(AiSdkServer):
    """Text is passed on word by word. Where no blanks part the words, it waits for the sentence's end."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        held = ""
        try:
            async with aclosing(super().tokens(messages, ask)) as tokens:
                async for token in tokens:
                    held += token
                    if not "\u2e80" <= held[-1] <= "\ud7af" or held[-1] in "。！？":
                        yield held
                        held = ""
        except ProviderFailed:
            if held:
                yield held
            raise
        if held:
            yield held


@fault("naming-knows-what-is-over", "SES-15", "SES-15 INT-06 API-01", says="that its client stopped", api=NAMING)
class KnowsWhatIsOver(NamingServer):
    """A conversation is stored when its first reply has ended, well or badly: not when its client stops it."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [self.frame({"op": "begin", "ref": name, "thread": body["thread"]})]

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(super().tokens(messages, ask)) as tokens:
                async for token in tokens:
                    yield token
        except ProviderFailed:
            self.threads.setdefault(ask.session_id, [])
            raise


@fault(
    "openai-chat-knows-first-words",
    "API-01",
    "API-01 OAI SES-08",
    says="began with the same message",
    api="openai-chat",
)
class KnowsFirstWords(OpenAiServer):
    """A gateway with a memory of its own knows a conversation by its first message."""

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self.kept: dict[str, list[Message]] = {}

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        messages = super().messages_of(body)
        kept = self.kept.get(messages[0]["content"], [])
        return [*kept, messages[-1]] if len(kept) >= len(messages) else messages

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        answer = ""
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                answer += token
                yield token
        self.kept[messages[0]["content"]] = [*messages, {"role": "assistant", "content": answer}]
