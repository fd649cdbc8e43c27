"""The Chat Completions API: OpenAI's own, and that of all who speak it.

Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

import json
from collections.abc import Generator, Sequence

from reference_server.config import Config
from reference_server.providers.upstream import BROKE_OFF, REPORTED, ProviderError, Upstream, Usage, checked, finish
from reference_server.sessions import Message
from reference_server.sse import decode_events


class OpenAI:
    """OpenAI itself."""

    name = "openai"

    def __init__(self, config: Config) -> None:
        headers = {"Authorization": f"Bearer {config.openai_api_key}", "Accept": "text/event-stream"}
        self._upstream = Upstream(config.openai_base_url, headers, config.provider_timeout)
        self._model = config.openai_model

    def stream(self, messages: Sequence[Message], usage: Usage) -> Generator[str, None, None]:
        """See Provider."""
        return complete_chat(self._upstream, "/chat/completions", self._model, messages)

    def close(self) -> None:
        """See Provider."""
        self._upstream.close()


def complete_chat(upstream: Upstream, path: str, model: str, messages: Sequence[Message]) -> Generator[str, None, None]:
    """One streamed chat completion; see Provider.stream."""
    request = {"model": model, "messages": messages, "stream": True}
    with upstream.post(path, request) as body:
        events = decode_events(body)
        for data in events:
            text, finished = _read_chunk(data)
            if text:
                yield text
            if finished:
                break
        else:
            raise ProviderError(BROKE_OFF)
        for _ in finish(events):
            pass


def _read_chunk(data: str) -> tuple[str, bool]:
    """The text of one chunk, and whether it is the reply's last. Raises ValueError, ProviderError."""
    if data == "[DONE]":
        raise ProviderError(BROKE_OFF)  # without a finish_reason before it
    chunk = json.loads(data)
    if chunk.get("error"):
        raise ProviderError(REPORTED)
    match chunk["choices"]:
        case []:  # an accounting chunk
            return "", False
        case [{"delta": {**delta}, **choice}, *_]:  # the first one only names the role
            return checked(delta.get("content")), choice.get("finish_reason") is not None
    raise ValueError("not a chunk of a chat completion")
