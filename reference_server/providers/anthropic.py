"""Anthropic's Messages API.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from chatproof.reference_server.config import Config
from chatproof.reference_server.event_stream import decode_events
from chatproof.reference_server.providers.http_provider import HttpProvider, ProviderError, Reply, Usage
from chatproof.reference_server.sessions import ChatMessage

MOST_TOKENS = 64_000  # of a reply; the API wants a number, and no current model allows fewer
NO_ANSWER = {  # by stop_reason
    "refusal": "The language model withheld the rest of its reply.",
    "tool_use": "The language model asked for a tool, and this server has none.",
}


class Anthropic(HttpProvider):
    """Anthropic, with an API key."""

    name = "anthropic"

    def __init__(self, config: Config) -> None:
        headers = {"x-api-key": config.anthropic_api_key, "anthropic-version": "2023-06-01"}
        super().__init__(config.anthropic_base_url, headers, config.provider_timeout)
        self._model = config.anthropic_model

    def stream(self, messages: Sequence[ChatMessage], usage: Usage) -> Reply:
        """See ChatProvider."""
        said = [one for one in messages if one["content"].strip()]  # the API refuses an empty message
        body = {"model": self._model, "max_tokens": MOST_TOKENS, "messages": said, "stream": True}
        return self.ask("/v1/messages", body, decode_events, partial(_read_event, usage))


def _read_event(usage: Usage, event: Any) -> tuple[object, bool]:
    match event["type"]:
        case "message_start":
            usage.tokens_in = event["message"]["usage"]["input_tokens"]
        case "content_block_delta" if event["delta"]["type"] == "text_delta":  # others are thoughts and citations
            return event["delta"]["text"], False
        case "message_delta":
            usage.tokens_out = event["usage"]["output_tokens"]
            if (reason := event["delta"].get("stop_reason")) in NO_ANSWER:
                raise ProviderError(NO_ANSWER[reason])
    return "", event["type"] == "message_stop"
