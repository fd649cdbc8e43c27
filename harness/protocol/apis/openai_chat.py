"""OpenAI's chat completions, as proxies and gateways offer them: `POST /v1/chat/completions` with `stream: true`.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chatproof.harness.protocol.apis import api
from chatproof.harness.protocol.apis.turns import bearer, role_and_content
from chatproof.harness.protocol.messages import JsonObject, decode_object, is_number, is_text

END_MARK: Final = "[DONE]"
REASONING: Final = "reasoning"
# where servers put the model's thoughts: DeepSeek and vLLM, OpenRouter and newer vLLM
_THOUGHTS: Final = ("reasoning_content", "reasoning")
_OTHER: Final = (api.Other(),)


@dataclass(frozen=True, slots=True)
class OpenAiChat(api.HttpOnly):
    """The client carries the turns. A reply ends with a `finish_reason`; the mark `[DONE]` closes the stream."""

    name: str = "openai-chat"
    history: api.History = api.History.CLIENT
    framing: api.Framing = api.Framing.SSE
    path: str = "/v1/chat/completions"
    model: str = "gpt-4o-mini"

    def ask(self, conversation: api.Conversation) -> api.HttpAsk:
        body = {"model": self.model, "stream": True, "messages": role_and_content(conversation)}
        return api.HttpAsk(self.path, bearer(conversation.credential), body)

    def read(self, name: str, text: str, body: JsonObject | None) -> Sequence[api.Part]:
        if body is None:
            return ()  # the end mark, which is no JSON
        return tuple(_parts(body)) or _OTHER

    def error_of(self, body: bytes) -> str | None:
        return _said(decode_object(body.decode("utf-8", "replace")).body or {})


def _parts(body: JsonObject) -> Iterator[api.Part]:
    if body.get("error"):
        yield api.Failure(_said(body))
        return
    choices = body.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and choice.get("index", 0) == 0:  # of several replies the client reads one
            yield from _of_choice(choice)
    usage = body.get("usage")
    if isinstance(usage, Mapping):
        tokens = usage.get("completion_tokens")
        yield api.Usage(tokens if is_number(tokens) else None)


def _of_choice(choice: Mapping[str, Any]) -> Iterator[api.Part]:
    delta = choice.get("delta")
    delta = delta if isinstance(delta, Mapping) else {}
    thought = next((delta[name] for name in _THOUGHTS if isinstance(delta.get(name), str)), "")
    if thought:
        yield api.Text(thought, channel=REASONING)
    content = delta.get("content")
    if isinstance(content, str) and content:
        yield api.Text(content)
    reason = choice.get("finish_reason")
    if reason is not None:
        yield api.Finish(reason if isinstance(reason, str) else None)


def _said(body: JsonObject) -> str | None:
    """`error` is an object with a `message`, or, as some servers have it, the text itself."""
    error = body.get("error")
    text = error.get("message") if isinstance(error, Mapping) else error
    return text if is_text(text) else None


OPENAI_CHAT: Final = OpenAiChat()
