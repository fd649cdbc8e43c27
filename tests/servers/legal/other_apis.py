"""Odd servers of other apis that keep their specifications."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, ClassVar

from tests.servers.apis.good_servers import DONE, AgUiServer, AiSdkServer, OpenAiServer
from tests.servers.apis.stream_server import Frame
from tests.servers.legal.variant import legal

JUDGED = "API OAI AIS AGU SSE TOK END ERR INT-01 INT-02"


@legal("openai-chat-as-proxies-do", only=JUDGED, api="openai-chat")
class AsProxiesDo(OpenAiServer):
    """Comments, unknown fields, deltas without content, the text and the finish in one chunk, and a chunk of usage."""

    def chunk(self, name: str, delta: dict[str, Any], reason: str | None = None) -> Frame:
        return b": ROUTED\n\n" + super().chunk(name, {**delta, "refusal": None, "provider_fields": {"x": 1}}, reason)

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [self.chunk(name, {"role": "assistant", "content": None})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        head = {"id": f"chatcmpl-{name}", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        return [self.chunk(name, {"content": ""}, "stop"), self.frame({**head, "choices": [], "usage": usage}), DONE]


@legal("openai-chat-spare", only=JUDGED, api="openai-chat")
class Spare(OpenAiServer):
    """No role, no mark behind an error, CR LF, no space behind `data:`, and no word of caches, which store no POST."""

    headers: ClassVar[dict[str, str]] = {"Content-Type": "text/event-stream"}

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return ()

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.frame({"error": {"message": text}})]

    def frame(self, event: dict[str, Any]) -> Frame:
        return b"data:" + json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\r\n\r\n"


@legal("ai-sdk-with-extras", only=JUDGED, api="ai-sdk")
class WithExtras(AiSdkServer):
    """Thoughts in a block of their own, data parts, metadata, and a text block for each few tokens."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        steps = ("start", "delta", "end")
        thought: list[Any] = [{"type": f"reasoning-{step}", "id": "r", "delta": "Hm"} for step in steps]
        extras = [{"type": "data-status", "data": {"state": "thinking"}, "transient": True}, *thought]
        return [*super().opening(name, body), *map(self.frame, extras)]

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        last = [] if is_first else [self.frame({"type": "text-end", "id": "0"})]
        return [*last, *super().text(name, token, True)]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [
            self.frame({"type": "message-metadata", "messageMetadata": {"cost": 0}}),
            *super().closing(name, body, said),
        ]


@legal("ai-sdk-without-steps", only=JUDGED, api="ai-sdk")
class WithoutSteps(AiSdkServer):
    """No steps and no reason, a `finish` with the reason error behind an error, and pings as comments."""

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [self.frame({"type": "start"})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        end = [self.frame({"type": "text-end", "id": "0"})] if said else []
        return [*end, b": ping\n\n", self.frame({"type": "finish"}), DONE]

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        end = self.frame({"type": "finish", "finishReason": "error"})
        return [self.frame({"type": "error", "errorText": text}), end, DONE]


@legal("ag-ui-chunks-of-text", only=JUDGED, api="ag-ui")
class ChunksOfText(AgUiServer):
    """`TEXT_MESSAGE_CHUNK`, which needs no start and no end."""

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        return [self.frame({"type": "TEXT_MESSAGE_CHUNK", "messageId": name, "role": "assistant", "delta": token})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return super().closing(name, body, False)


@legal("ag-ui-with-state", only=f"{JUDGED} REQ-08", api="ag-ui")
class WithState(AgUiServer):
    """State, steps, reasoning and raw events, named in `event:` lines, empty deltas, the run's input in its first
    event, and no word of caches."""

    headers: ClassVar[dict[str, str]] = {"Content-Type": "text/event-stream"}

    def frame(self, event: dict[str, Any]) -> Frame:
        return f"event: {event['type']}\n".encode() + super().frame({**event, "timestamp": 1, "rawEvent": {}})

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        extras: list[dict[str, Any]] = [
            {"type": "STEP_STARTED", "stepName": "chat"},
            {"type": "STATE_SNAPSHOT", "snapshot": {"busy": True}},
            {"type": "REASONING_MESSAGE_START", "messageId": f"r{name}", "role": "reasoning"},
            {"type": "REASONING_MESSAGE_CONTENT", "messageId": f"r{name}", "delta": "Hm"},
            {"type": "REASONING_MESSAGE_END", "messageId": f"r{name}"},
        ]
        began = {"type": "RUN_STARTED", "threadId": body["threadId"], "runId": body["runId"], "input": body}
        return [self.frame(began), *map(self.frame, extras)]

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        frames = super().text(name, token, is_first)
        return [*frames, self.frame({"type": "TEXT_MESSAGE_CONTENT", "messageId": name, "delta": ""})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.frame({"type": "STEP_FINISHED", "stepName": "chat"}), *super().closing(name, body, said)]
