"""A model on your own machine: Ollama, or any server of the Chat Completions API.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
"""

from collections.abc import Sequence
from typing import Any

from chatproof.reference_server.config import Config
from chatproof.reference_server.event_stream import decode_lines
from chatproof.reference_server.providers.http_provider import HttpProvider, ProviderRefused, Reply, Usage, refuse_tools
from chatproof.reference_server.providers.openai import complete_chat
from chatproof.reference_server.sessions import ChatMessage


class Local(HttpProvider):
    """The server at LOCAL_LLM_URL. If it has no /api/chat, this uses its /v1/chat/completions from then on."""

    name = "local"

    def __init__(self, config: Config) -> None:
        url = config.local_llm_url
        self._is_ollama = not url.endswith("/v1")
        super().__init__(url.removesuffix("/v1"), {}, config.provider_timeout)
        self._model = config.local_llm_model

    def stream(self, messages: Sequence[ChatMessage], usage: Usage) -> Reply:
        """See ChatProvider."""
        if self._is_ollama:
            body = {"model": self._model, "messages": messages, "stream": True}
            try:
                yield from self.ask("/api/chat", body, decode_lines, _read_line)
                return
            except ProviderRefused as error:
                if error.status not in (404, 405, 501):
                    raise
        yield from complete_chat(self, "/v1/chat/completions", self._model, messages)
        self._is_ollama = False


def _read_line(chunk: Any) -> tuple[object, bool]:
    refuse_tools(chunk["message"].get("tool_calls"))
    return chunk["message"].get("content"), bool(chunk["done"])
