"""Writes Gemini's replies as OpenAI's chat completions, and its errors as Google does: an array of one.

A chunk has the role, a tool call comes in one piece, without an index, and carries the thought signature that the
client must send back. Thoughts are not shown, and completion_tokens leave them out.

Source: https://ai.google.dev/gemini-api/docs/openai, and streams that public issues quote: noho/dayu-agent#45,
open-webui/computer#224 (calls, signatures), AstrBotDevs/AstrBot#1693 (errors).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from chatproof.fake_providers.dialects.base import Headers
from chatproof.fake_providers.dialects.gemini.error_bodies import meant
from chatproof.fake_providers.dialects.gemini.google_json import pretty
from chatproof.fake_providers.dialects.gemini.reply import HEADERS, JSON_TYPE
from chatproof.fake_providers.dialects.openai_compatible.encoder import DONE, Compatible
from chatproof.fake_providers.dialects.schedule import Timeline
from chatproof.fake_providers.models.catalogue import model_of
from chatproof.fake_providers.scripting.script import Call, Fail

_SIGNATURE_BYTES = 96


class GeminiVoice(Compatible):
    """How Gemini speaks OpenAI's language."""

    PRODUCT = "gemini"
    OWNER = "google"
    fragments = False
    opens = False
    roles = True
    logprobs = False
    stream_headers: Headers = (("content-type", "text/event-stream"), *HEADERS)
    json_header = JSON_TYPE

    def error(self, fail: Fail) -> bytes:
        """An error in a stream is an object: only a whole answer is an array."""
        return f"data: {self.dumps(meant(fail, self.ask.model, 500))}\n\n".encode() + (DONE if fail.end_mark else b"")

    def failure(self, status: int, fail: Fail) -> bytes:
        return error_array(meant(fail, self.ask.model, status if fail.fault == "error" else None))

    def last_delta(self) -> dict[str, Any]:
        return {"role": "assistant"}

    def called(self, index: int, call: Call) -> dict[str, Any]:
        function = {"arguments": call.arguments, "name": call.name}
        return {**self._signature(index), "function": function, "id": self.call_id(index), "type": "function"}

    def call_id(self, index: int) -> str:
        return f"function-call-{int(self.ask.digest[:15], 16) + index}"

    def message(self, line: Timeline) -> dict[str, Any]:
        message = super().message(line)
        return message if line.said or line.refused or not line.calls else {**message, "content": None}

    def usage(self, said: int, thought: int) -> dict[str, Any]:
        heard = self.ask.prompt_tokens
        return {"completion_tokens": said - thought, "prompt_tokens": heard, "total_tokens": heard + said}

    def _signature(self, index: int) -> dict[str, Any]:
        """The first call of a reply is signed, as Gemini 3 signs it and older models do after thoughts."""
        if index or not (self.thought or "signatures" in model_of("gemini", self.ask.model).can):
            return {}
        made = hashlib.shake_256(f"{self.ask.digest} signature".encode()).digest(_SIGNATURE_BYTES)
        return {"extra_content": {"google": {"thought_signature": base64.b64encode(made).decode()}}}


def error_array(error: dict[str, Any]) -> bytes:
    """The body of an error: `[{"error": …}]`."""
    return f"[{pretty(error)}]\n".encode()
