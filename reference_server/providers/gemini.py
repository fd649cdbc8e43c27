"""Google's Gemini API.

Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

import json
from collections.abc import Generator, Sequence

from reference_server.config import Config
from reference_server.providers.upstream import BROKE_OFF, REPORTED, ProviderError, Upstream, Usage, checked, finish
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

    def stream(self, messages: Sequence[Message], usage: Usage) -> Generator[str, None, None]:
        """See Provider."""
        roles = {"user": "user", "assistant": "model"}
        contents = [{"role": roles[one["role"]], "parts": [{"text": one["content"]}]} for one in messages]
        with self._upstream.post(self._path, {"contents": contents}) as body:
            events = decode_events(body)
            for data in events:
                text, reason = _read_chunk(data, usage)
                if text:
                    yield text
                if reason in COMPLETE:
                    break
                if reason:
                    raise ProviderError(WITHHELD)
            else:
                raise ProviderError(BROKE_OFF)
            for _ in finish(events):
                pass

    def close(self) -> None:
        """See Provider."""
        self._upstream.close()


def _read_chunk(data: str, usage: Usage) -> tuple[str, str]:
    """The text of one chunk, and why the reply ends with it, if it does. Raises ValueError, ProviderError."""
    chunk = json.loads(data)
    if chunk.get("error"):
        raise ProviderError(REPORTED)
    if chunk.get("promptFeedback", {}).get("blockReason"):
        raise ProviderError("The language model does not answer this message.")
    counted = chunk.get("usageMetadata", {})
    usage.tokens_in = counted.get("promptTokenCount", usage.tokens_in)
    usage.tokens_out = counted.get("candidatesTokenCount", usage.tokens_out)
    if not (candidates := chunk.get("candidates")):
        if counted:
            return "", ""
        raise ValueError("neither a candidate nor an account")
    parts = candidates[0].get("content", {}).get("parts", [])
    text = "".join(checked(part.get("text")) for part in parts if not part.get("thought"))
    return text, checked(candidates[0].get("finishReason"))
