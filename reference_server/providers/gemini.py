"""Google's Gemini API.

Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from collections.abc import Generator, Sequence
from functools import partial

import orjson

from reference_server.config import Config
from reference_server.providers.upstream import REPORTED, ProviderError, Upstream, Usage, checked, read_tokens
from reference_server.sessions import Message
from reference_server.sse import decode_events

COMPLETE = ("STOP", "MAX_TOKENS")
WITHHELD = "The language model withheld the rest of its reply."


class Gemini:
    """Gemini, with an API key."""

    name = "gemini"

    def __init__(self, config: Config) -> None:
        headers = {"x-goog-api-key": config.gemini_api_key}
        self._upstream = Upstream(config.google_gemini_base_url, headers, config.provider_timeout)
        self._path = f"/v1beta/models/{config.gemini_model}:streamGenerateContent?alt=sse"

    def stream(self, messages: Sequence[Message], usage: Usage) -> Generator[list[str], None, None]:
        """See Provider."""
        roles = {"user": "user", "assistant": "model"}
        contents = [{"role": roles[one["role"]], "parts": [{"text": one["content"]}]} for one in messages]
        with self._upstream.post(self._path, {"contents": contents}) as body:
            yield from read_tokens(decode_events(body), partial(_read_chunk, usage=usage))

    def close(self) -> None:
        """See Provider."""
        self._upstream.close()


def _read_chunk(data: bytes, usage: Usage) -> tuple[str, bool]:
    """The text of one chunk, and whether it is the reply's last. Raises ValueError, ProviderError."""
    chunk = orjson.loads(data)
    if chunk.get("error"):
        raise ProviderError(REPORTED)
    if chunk.get("promptFeedback", {}).get("blockReason"):
        raise ProviderError("The language model does not answer this message.")
    counted = chunk.get("usageMetadata", {})
    usage.tokens_in = counted.get("promptTokenCount", usage.tokens_in)
    usage.tokens_out = counted.get("candidatesTokenCount", usage.tokens_out)
    if not (candidates := chunk.get("candidates")):
        if counted:
            return "", False
        raise ValueError("neither a candidate nor an account")
    parts = candidates[0].get("content", {}).get("parts", [])
    text = "".join(checked(part.get("text")) for part in parts if not part.get("thought"))
    reason = candidates[0].get("finishReason")
    if reason and reason not in COMPLETE:
        raise ProviderError(WITHHELD)
    return text, reason is not None
