"""AG-UI: a run of an agent, as its `HttpAgent` asks for it, and the events that the run sends.

Source: https://docs.ag-ui.com/concepts/events
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chatproof.harness.protocol.apis import api
from chatproof.harness.protocol.apis.openai_chat import REASONING
from chatproof.harness.protocol.apis.turns import bearer, text_of_error
from chatproof.harness.protocol.messages import JsonObject

_OTHER: Final = (api.Other(),)
_TEXTS: Final = {
    **dict.fromkeys(("TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_CHUNK"), api.ANSWER),
    # the names before and since the protocol's draft on reasoning
    **dict.fromkeys(
        ("THINKING_TEXT_MESSAGE_CONTENT", "REASONING_MESSAGE_CONTENT", "REASONING_MESSAGE_CHUNK"), REASONING
    ),
}


@dataclass(frozen=True, slots=True)
class AgUi(api.HttpOnly):
    """The client carries the turns. A run ends with `RUN_FINISHED` or `RUN_ERROR`."""

    name: str = "ag-ui"
    history: api.History = api.History.CLIENT
    framing: api.Framing = api.Framing.SSE
    path: str = "/"

    def ask(self, conversation: api.Conversation) -> api.HttpAsk:
        thread = conversation.id or conversation.run
        body: dict[str, Any] = {"threadId": thread, "runId": conversation.run, "messages": _messages(conversation)}
        body |= {"state": {}, "tools": [], "context": [], "forwardedProps": {}}
        return api.HttpAsk(self.path, (("Accept", "text/event-stream"), *bearer(conversation.credential)), body)

    def read(self, name: str, text: str, body: JsonObject | None) -> Sequence[api.Part]:
        if body is None:
            return ()
        kind = body.get("type")
        if isinstance(kind, str) and (channel := _TEXTS.get(kind)):
            delta = body.get("delta")
            if not isinstance(delta, str) or not delta:  # it may be empty, and says nothing then
                return _OTHER
            piece = api.Text(delta, channel=channel, block=str(body.get("messageId")))
            if kind == "TEXT_MESSAGE_CHUNK":
                return (api.Named(message=str(body.get("messageId") or "")), piece)
            return (piece,)
        if kind == "TEXT_MESSAGE_START":
            return (api.Named(message=str(body.get("messageId") or "")), *_OTHER)
        if kind == "RUN_FINISHED":
            outcome = body.get("outcome")
            is_cut = isinstance(outcome, Mapping) and outcome.get("type") == "cancelled"  # stopped before it was whole
            return (api.Failure("the run was cancelled") if is_cut else api.Finish(),)
        if kind == "RUN_ERROR":
            error = body.get("message")
            return (api.Failure(error if isinstance(error, str) else None),)
        return _OTHER

    def error_of(self, body: bytes) -> str | None:
        return text_of_error(body, "error", "message", "detail")


def _messages(conversation: api.Conversation) -> list[dict[str, Any]]:
    """Each turn with the id under which the client keeps it: servers that keep messages, too, know them by that."""
    return [
        {"id": turn.id or f"{conversation.id or 'm'}-{number}", "role": str(turn.role), "content": turn.text}
        for number, turn in enumerate(conversation.turns)
    ]


AG_UI: Final = AgUi()
