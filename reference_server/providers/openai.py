"""The Chat Completions API, of OpenAI and of compatible servers.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import Sequence
from typing import Any

from chatproof.reference_server.config import Config
from chatproof.reference_server.event_stream import decode_events
from chatproof.reference_server.providers.http_provider import HttpProvider, ProviderError, Reply, Usage, refuse_tools
from chatproof.reference_server.sessions import ChatMessage

TOOLS = ("tool_calls", "function_call")  # finish reasons, and keys of a delta: some servers send the latter alone


class OpenAI(HttpProvider):
    """OpenAI, or the compatible server at OPENAI_BASE_URL."""

    name = "openai"

    def __init__(self, config: Config) -> None:
        headers = {"Authorization": f"Bearer {config.openai_api_key}", "Accept": "text/event-stream"}
        super().__init__(config.openai_base_url, headers, config.provider_timeout)
        self._model = config.openai_model

    def stream(self, messages: Sequence[ChatMessage], usage: Usage) -> Reply:
        """See ChatProvider."""
        return complete_chat(self, "/chat/completions", self._model, messages)


def complete_chat(upstream: HttpProvider, path: str, model: str, messages: Sequence[ChatMessage]) -> Reply:
    """Stream one chat completion; see ChatProvider.stream."""
    body = {"model": model, "messages": messages, "stream": True}
    return upstream.ask(path, body, decode_events, _read_chunk)


def _read_chunk(chunk: Any) -> tuple[object, bool]:
    match chunk["choices"]:
        case []:  # a chunk with usage only
            return "", False
        case [{"delta": {**delta}, **choice}, *_]:  # the first chunk has only the role
            reason = choice.get("finish_reason")
            refuse_tools(reason in TOOLS or any(map(delta.get, TOOLS)))
            if reason == "content_filter":
                raise ProviderError("The language model withheld the rest of its reply.")
            return delta.get("content") or delta.get("refusal"), reason is not None
    raise ValueError("not a chat completion chunk")
