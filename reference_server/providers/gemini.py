"""Google's Gemini API.

Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from chatproof.reference_server.config import Config
from chatproof.reference_server.event_stream import decode_events
from chatproof.reference_server.providers.http_provider import HttpProvider, ProviderError, Reply, Usage, refuse_tools
from chatproof.reference_server.sessions import ChatMessage

ROLES = {"user": "user", "assistant": "model"}
COMPLETE = (None, "STOP", "MAX_TOKENS")  # None: the reply goes on


class Gemini(HttpProvider):
    """Gemini, with an API key."""

    name = "gemini"

    def __init__(self, config: Config) -> None:
        headers = {"x-goog-api-key": config.gemini_api_key}
        super().__init__(config.google_gemini_base_url, headers, config.provider_timeout)
        self._path = f"/v1beta/models/{config.gemini_model}:streamGenerateContent?alt=sse"

    def stream(self, messages: Sequence[ChatMessage], usage: Usage) -> Reply:
        """See ChatProvider."""
        contents = [{"role": ROLES[one["role"]], "parts": [{"text": one["content"]}]} for one in messages]
        return self.ask(self._path, {"contents": contents}, decode_events, partial(_read_chunk, usage))


def _read_chunk(usage: Usage, chunk: Any) -> tuple[object, bool]:
    if chunk.get("promptFeedback", {}).get("blockReason"):
        raise ProviderError("The language model refused to answer this message.")
    counted = chunk.get("usageMetadata", {})
    usage.tokens_in = counted.get("promptTokenCount", usage.tokens_in)
    usage.tokens_out = counted.get("candidatesTokenCount", usage.tokens_out)
    if counted and not chunk.get("candidates"):
        return "", False
    candidate = chunk["candidates"][0]
    parts = candidate.get("content", {}).get("parts", [])
    refuse_tools(any("functionCall" in part for part in parts))
    text = "".join(part.get("text") or "" for part in parts if not part.get("thought"))
    reason = candidate.get("finishReason")
    if reason not in COMPLETE:
        raise ProviderError("The language model withheld the rest of its reply.")
    return text, reason is not None
