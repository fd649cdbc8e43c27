"""A model on one's own machine: Ollama, or whatever speaks the Chat Completions API.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
"""

import json
from collections.abc import Generator, Iterable, Iterator, Sequence

from reference_server.config import Config
from reference_server.providers.openai import complete_chat
from reference_server.providers.upstream import BROKE_OFF, REPORTED, ProviderError, Upstream, Usage, checked, finish
from reference_server.sessions import Message

MAX_LINE_BYTES = 1_000_000


class Local:
    """The server at LOCAL_LLM_URL. One that has no /api/chat is asked at /v1/chat/completions from then on."""

    name = "local"

    def __init__(self, config: Config) -> None:
        url = config.local_llm_url
        self._is_ollama = not url.endswith("/v1")
        self._upstream = Upstream(url.removesuffix("/v1"), {}, config.provider_timeout)
        self._model = config.local_llm_model

    def stream(self, messages: Sequence[Message], usage: Usage) -> Generator[str, None, None]:
        """See Provider."""
        if self._is_ollama:
            try:
                yield from self._ask_ollama(messages)
                return
            except ProviderError as error:
                if error.status not in (404, 405, 501):
                    raise
        yield from complete_chat(self._upstream, "/v1/chat/completions", self._model, messages)
        self._is_ollama = False

    def _ask_ollama(self, messages: Sequence[Message]) -> Generator[str, None, None]:
        with self._upstream.post("/api/chat", {"model": self._model, "messages": messages, "stream": True}) as body:
            lines = decode_lines(body)
            for line in lines:
                chunk = json.loads(line)
                if chunk.get("error"):
                    raise ProviderError(REPORTED)
                if text := checked(chunk["message"].get("content")):
                    yield text
                if chunk["done"]:
                    break
            else:
                raise ProviderError(BROKE_OFF)
            for _ in finish(lines):
                pass

    def close(self) -> None:
        """See Provider."""
        self._upstream.close()


def decode_lines(body: Iterable[bytes]) -> Iterator[str]:
    """The lines of a body of JSON lines, which may be cut anywhere; one without its end is dropped.

    Raises ValueError for bytes that are not UTF-8 and for a line without end.
    """
    rest = b""
    for piece in body:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                yield line.decode()
        if len(rest) > MAX_LINE_BYTES:
            raise ValueError("a line without end")
