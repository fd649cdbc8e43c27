"""The Chat Completions API: OpenAI's own, and that of all who speak it.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import Generator, Sequence

import orjson

from reference_server.config import Config
from reference_server.providers.upstream import (
    BROKE_OFF,
    REPORTED,
    ProviderError,
    Upstream,
    Usage,
    checked,
    read_tokens,
)
from reference_server.sessions import Message
from reference_server.sse import decode_events


class OpenAI:
    """OpenAI itself."""

    name = "openai"

    def __init__(self, config: Config) -> None:
        headers = {"Authorization": f"Bearer {config.openai_api_key}", "Accept": "text/event-stream"}
        self._upstream = Upstream(config.openai_base_url, headers, config.provider_timeout)
        self._model = config.openai_model

    def stream(self, messages: Sequence[Message], usage: Usage) -> Generator[list[str], None, None]:
        """See Provider."""
        return complete_chat(self._upstream, "/chat/completions", self._model, messages)

    def close(self) -> None:
        """See Provider."""
        self._upstream.close()


def complete_chat(
    upstream: Upstream, path: str, model: str, messages: Sequence[Message]
) -> Generator[list[str], None, None]:
    """One streamed chat completion; see Provider.stream."""
    with upstream.post(path, {"model": model, "messages": messages, "stream": True}) as body:
        yield from read_tokens(decode_events(body), _read_chunk)


def _read_chunk(data: bytes) -> tuple[str, bool]:
    """The text of one chunk, and whether it is the reply's last. Raises ValueError, ProviderError."""
    if data == b"[DONE]":
        raise ProviderError(BROKE_OFF)  # without a finish_reason before it
    chunk = orjson.loads(data)
    if chunk.get("error"):
        raise ProviderError(REPORTED)
    match chunk["choices"]:
        case []:  # an accounting chunk
            return "", False
        case [{"delta": {**delta}, **choice}, *_]:  # the first one only names the role
            return checked(delta.get("content")), choice.get("finish_reason") is not None
    raise ValueError("not a chunk of a chat completion")
