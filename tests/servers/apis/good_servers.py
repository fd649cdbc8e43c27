"""A good server for each api, as its specification says."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, ClassVar

from tests.servers.apis.stream_server import Frame, StreamServer
from tests.servers.parts import Message, Refused

DONE = b"data: [DONE]\n\n"


def plain_turns(messages: Any) -> list[Message]:
    """`role` and a text as `content`. Raises Refused."""
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "messages: a list of turns is needed.")
    for one in messages:
        if not (isinstance(one, dict) and isinstance(one.get("role"), str) and isinstance(one.get("content"), str)):
            raise Refused(400, "messages: each turn needs a role and a content.")
    return [{"role": one["role"], "content": one["content"]} for one in messages]


class OpenAiServer(StreamServer):
    """https://platform.openai.com/docs/api-reference/chat-streaming"""

    path = "/v1/chat/completions"

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        return plain_turns(body.get("messages"))

    def refusal(self, text: str) -> dict[str, Any]:
        return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": None}}

    def chunk(self, name: str, delta: dict[str, Any], reason: str | None = None) -> Frame:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        head = {"id": f"chatcmpl-{name}", "object": "chat.completion.chunk", "created": int(time.time())}
        return self.frame({**head, "model": "gpt-4o-mini", "choices": [choice]})

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [self.chunk(name, {"role": "assistant", "content": ""})]

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        return [self.chunk(name, {"content": token})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.chunk(name, {}, "stop"), DONE]

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.frame({"error": {"message": text, "type": "server_error", "param": None, "code": None}}), DONE]


class AiSdkServer(StreamServer):
    """https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol"""

    path = "/api/chat"
    headers: ClassVar[dict[str, str]] = {**StreamServer.headers, "x-vercel-ai-ui-message-stream": "v1"}

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages:
            raise Refused(400, "messages: a list of messages is needed.")
        try:
            return [
                {
                    "role": one["role"],
                    "content": "".join(part["text"] for part in one["parts"] if part["type"] == "text"),
                }
                for one in messages
            ]
        except (TypeError, KeyError) as error:
            raise Refused(400, "messages: each message needs a role and parts.") from error

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [self.frame({"type": "start", "messageId": name}), self.frame({"type": "start-step"})]

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        start = [self.frame({"type": "text-start", "id": "0"})] if is_first else []
        return [*start, self.frame({"type": "text-delta", "id": "0", "delta": token})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        end = [self.frame({"type": "text-end", "id": "0"})] if said else []
        last = self.frame({"type": "finish", "finishReason": "stop"})
        return [*end, self.frame({"type": "finish-step"}), last, DONE]

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.frame({"type": "error", "errorText": text}), DONE]


class AgUiServer(StreamServer):
    """https://docs.ag-ui.com/concepts/events"""

    path = "/"

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        if not isinstance(body.get("threadId"), str) or not isinstance(body.get("runId"), str):
            raise Refused(422, "threadId and runId are needed.")
        return plain_turns(body.get("messages"))

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [self.frame({"type": "RUN_STARTED", "threadId": body["threadId"], "runId": body["runId"]})]

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        start = self.frame({"type": "TEXT_MESSAGE_START", "messageId": name, "role": "assistant"})
        content = self.frame({"type": "TEXT_MESSAGE_CONTENT", "messageId": name, "delta": token})
        return [start, content] if is_first else [content]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        end = [self.frame({"type": "TEXT_MESSAGE_END", "messageId": name})] if said else []
        return [*end, self.frame({"type": "RUN_FINISHED", "threadId": body["threadId"], "runId": body["runId"]})]

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.frame({"type": "RUN_ERROR", "message": text, "code": "provider"})]
