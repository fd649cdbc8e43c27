"""The AI SDK's UI message stream, version 1: what `useChat` asks, and `toUIMessageStreamResponse` answers.

Source: https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from chatproof.harness.protocol.apis import api
from chatproof.harness.protocol.apis.openai_chat import REASONING
from chatproof.harness.protocol.apis.turns import bearer, text_of_error
from chatproof.harness.protocol.messages import JsonObject

VERSION_HEADER: Final = ("x-vercel-ai-ui-message-stream", "v1")
_OTHER: Final = (api.Other(),)
_STEP: Final = ({"type": "step-start"},)
_CHANNELS: Final = {"text-delta": api.ANSWER, "reasoning-delta": REASONING}


@dataclass(frozen=True, slots=True)
class AiSdk(api.HttpOnly):
    """The client carries the turns. A reply ends with the part `finish`; the mark `[DONE]` closes the stream."""

    name: str = "ai-sdk"
    history: api.History = api.History.CLIENT
    framing: api.Framing = api.Framing.SSE
    path: str = "/api/chat"

    def ask(self, conversation: api.Conversation) -> api.HttpAsk:
        body = {
            "id": conversation.id or conversation.run,
            "trigger": "submit-message",
            "messages": _messages(conversation),
        }
        return api.HttpAsk(self.path, bearer(conversation.credential), body)

    def read(self, name: str, text: str, body: JsonObject | None) -> Sequence[api.Part]:
        if body is None:
            return ()  # the end mark, which is no JSON
        kind = body.get("type")
        if isinstance(kind, str) and (channel := _CHANNELS.get(kind)):
            delta = body.get("delta")
            if not isinstance(delta, str) or not delta:
                return _OTHER
            return (api.Text(delta, channel=channel, block=str(body.get("id"))),)
        match kind:
            case "start" if isinstance(told := body.get("messageId"), str):
                return (api.Named(message=told), *_OTHER)
            case "start-step":
                return (api.Named(stepped=True), *_OTHER)
            case "finish":
                reason = body.get("finishReason")
                if reason == "error":  # a part `error` may stand before it
                    return (api.Failure("the reply finished with the reason error"),)
                return (api.Finish(reason if isinstance(reason, str) else None),)
            case "error":
                error = body.get("errorText")
                return (api.Failure(error if isinstance(error, str) else None),)
            case "abort":  # the server itself stopped, and says so
                return (api.Failure("the server aborted the reply"),)
        return _OTHER

    def error_of(self, body: bytes) -> str | None:
        """Its client shows the body of an answer that is no stream as it is; frameworks write `error` or `message`."""
        return text_of_error(body, "error", "message")


def _messages(conversation: api.Conversation) -> list[dict[str, Any]]:
    """Each turn with an id that stays the same from ask to ask, as `useChat` sends it: with the steps that it got."""
    return [
        {
            "id": turn.id or f"{conversation.id or 'm'}-{number}",
            "role": str(turn.role),
            "parts": [*_STEP[: turn.stepped], {"type": "text", "text": turn.text}],
        }
        for number, turn in enumerate(conversation.turns)
    ]


AI_SDK: Final = AiSdk()
