"""Faults with the turns that a client sends, with replies that run together, and with a reply's last event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.servers.apis.good_servers import DONE, AiSdkServer, OpenAiServer
from tests.servers.apis.stream_server import Frame
from tests.servers.broken.fault import fault
from tests.servers.parts import Message


@fault(
    "openai-chat-drops-an-equal-turn",
    "API-01 OAI-01 SSE-13",
    "API-01 API-05 OAI SSE-13",
    says="of two turns",
    api="openai-chat",
)
class DropsAnEqualTurn(OpenAiServer):
    """A turn that says what an earlier one said is taken for a double. No blank line stands behind the end mark. In
    silence it sends events that hold no JSON."""

    hurried = True
    pulse = 1.5  # seconds
    comment = b"data: ping\n\n"

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        *before, last = super().messages_of(body)
        return [*{(one["role"], one["content"]): one for one in before}.values(), last]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.chunk(name, {}, "stop"), DONE.removesuffix(b"\n")]


@fault("ai-sdk-mixes-up-blocks", "AIS-02 API-01", "API-01 API-05 AIS", says="indentation", api="ai-sdk")
class MixesUpBlocks(AiSdkServer):
    """The id of the block that was begun last stands in a variable that all replies share. What was said before goes
    upstream in one line."""

    block = ""

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        *before, last = super().messages_of(body)
        return [*({**one, "content": " ".join(one["content"].split())} for one in before), last]

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        if is_first:
            self.block = name
        start = [self.frame({"type": "text-start", "id": name})] if is_first else []
        return [*start, self.frame({"type": "text-delta", "id": self.block, "delta": token})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        end = [self.frame({"type": "text-end", "id": self.block})] if said else []
        last = self.frame({"type": "finish", "finishReason": "stop"})
        return [*end, self.frame({"type": "finish-step"}), last, DONE]
