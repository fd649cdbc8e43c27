"""A model on one's own machine: Ollama, or whatever speaks the Chat Completions API.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md#generate-a-chat-completion
"""

from collections.abc import Generator, Iterable, Iterator, Sequence

import orjson

from reference_server.config import Config
from reference_server.providers.openai import complete_chat
from reference_server.providers.upstream import REPORTED, ProviderError, Upstream, Usage, checked, read_tokens
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

    def stream(self, messages: Sequence[Message], usage: Usage) -> Generator[list[str], None, None]:
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

    def _ask_ollama(self, messages: Sequence[Message]) -> Generator[list[str], None, None]:
        with self._upstream.post("/api/chat", {"model": self._model, "messages": messages, "stream": True}) as body:
            yield from read_tokens(decode_lines(body), _read_line)

    def close(self) -> None:
        """See Provider."""
        self._upstream.close()


def _read_line(line: bytes) -> tuple[str, bool]:
    """The text of one line, and whether it is the reply's last. Raises ValueError, ProviderError."""
    chunk = orjson.loads(line)
    if chunk.get("error"):
        raise ProviderError(REPORTED)
    return checked(chunk["message"].get("content")), bool(chunk["done"])


def decode_lines(body: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The lines of a body of JSON lines that may be cut anywhere, those together that one piece completes.

    One without its end is dropped. Raises ValueError for a line without end.
    """
    rest = b""
    for piece in body:
        *lines, rest = (rest + piece).split(b"\n")
        if lines := [line for line in lines if line.strip()]:
            yield lines
        if len(rest) > MAX_LINE_BYTES:
            raise ValueError("a line without end")
