"""OpenAI's replies as Azure writes them: with the results of its content filter, its headers and its errors."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from chatproof.fake_providers.dialects.azure.azure_errors import failure_body, filtered_body
from chatproof.fake_providers.dialects.azure.content_filter import FILTERED, SAFE, first_chunk, prompt_results
from chatproof.fake_providers.dialects.base import Ask, Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.dialects.openai.completions_reply import Chunks
from chatproof.fake_providers.dialects.openai.error_bodies import JSON
from chatproof.fake_providers.dialects.openai.reply import dumps
from chatproof.fake_providers.dialects.openai.text_completions import PromptTexts
from chatproof.fake_providers.scripting.script import Fail

_ANNOTATED: Final = ("chat", "completions")
_REGION: Final = "East US"
_LEFT_OUT: Final = ("openai-", "x-ratelimit-reset-")
"""The beginnings of OpenAI's headers that Azure does not send."""


class AzureChunks(Chunks):
    """A stream begins with a chunk without choices, and each choice says what the filter found."""

    def opening(self) -> bytes:
        first = f"data: {dumps(first_chunk(), self._ask.script)}\n\n".encode()
        return first + super().opening().replace(_SAFE_FIELD.encode(), _EMPTY_FIELD.encode())

    def annotation(self, finish_reason: str) -> str:
        if finish_reason == '"content_filter"':
            return _FILTERED_FIELD
        return _SAFE_FIELD if finish_reason == "null" else _EMPTY_FIELD


def rendered(ask: Ask, deployment: str) -> Reply:
    """The reply to a valid request to Azure. `deployment`: the one in its path, if any."""
    reply = openai.render_chat(ask, AzureChunks) if ask.flavour == "chat" else openai.render(ask)
    reply = replace(reply, headers=headers_of(reply.headers, ask.digest, deployment))
    if reply.status is not None and reply.status >= 400:
        return _failed(reply, ask)
    if ask.flavour in _ANNOTATED and not reply.chunked and not reply.faulted and reply.frames:
        return _annotated(reply, ask)
    return reply


def headers_of(headers: Headers, seed: str, deployment: str) -> Headers:
    """Azure's headers in place of OpenAI's. `seed` decides the request's id."""
    kept = tuple(header for header in headers if not header[0].startswith(_LEFT_OUT))
    number = str(UUID(bytes=hashlib.sha256(seed.encode()).digest()[:16]))
    own: Headers = (("apim-request-id", number), ("x-ms-region", _REGION), ("x-ms-rai-invoked", "true"))
    if deployment:
        own += (("x-ms-deployment-name", deployment),) if deployment.isascii() and deployment.isprintable() else ()
    if not any(name == "x-request-id" for name, _ in kept):
        own += (("x-request-id", number),)
    return kept + own


def _failed(reply: Reply, ask: Ask) -> Reply:
    """The error of a script, in Azure's own shape where it has one."""
    if ask.script.blocked is not None:
        return replace(reply, frames=(TimedFrame(filtered_body(), reply.end_due),))
    fail = next((one for one in ask.script.steps if isinstance(one, Fail) and one.fault in ("status", "error")), None)
    if fail is None or fail.body in ("html", "empty") or JSON not in reply.headers:
        return reply
    body = failure_body(fail if fail.fault == "status" else replace(fail, status=500), ask.flavour)
    return reply if body is None else replace(reply, frames=(TimedFrame(body, reply.frames[0].due),))


def _annotated(reply: Reply, ask: Ask) -> Reply:
    """A completion in one piece, with what the filter found in its prompts and its choices."""
    (frame,) = reply.frames
    completion: dict[str, Any] = json.loads(frame.payload)
    for choice in completion["choices"]:
        filtered = choice["finish_reason"] == "content_filter"
        choice["content_filter_results"] = FILTERED if filtered else SAFE
    prompts = len(ask.extra.prompts) if isinstance(ask.extra, PromptTexts) else 1
    whole = dumps({**completion, **prompt_results(prompts)}, ask.script)
    return replace(reply, frames=(frame._replace(payload=whole.encode()),))


def _field(results: object) -> str:
    return f',"content_filter_results":{json.dumps(results, separators=(",", ":"))}'


_SAFE_FIELD: Final = _field(SAFE)
_FILTERED_FIELD: Final = _field(FILTERED)
_EMPTY_FIELD: Final = _field({})
