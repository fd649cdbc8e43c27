"""Answers paths that no fake has, in the shape of the provider that has such paths, and says which paths there are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.dialects.anthropic import dialect as anthropic
from chatproof.fake_providers.dialects.anthropic import error_bodies as anthropic_errors
from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Reply, TimedFrame
from chatproof.fake_providers.dialects.gemini import dialect as gemini
from chatproof.fake_providers.dialects.gemini_compatible import dialect as gemini_compatible
from chatproof.fake_providers.dialects.gemini_interactions import dialect as gemini_interactions
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.models.catalogue import Catalogue
from chatproof.fake_providers.scripting.script import Script


def _openai_error(text: str) -> dict[str, Any]:
    return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": "unknown_url"}}


def _google_error(text: str) -> dict[str, Any]:
    return {"error": {"code": 404, "message": text, "status": "NOT_FOUND"}}


def _anthropic_error(text: str) -> dict[str, Any]:
    return anthropic_errors.error("not_found_error", text, anthropic_errors.request_id(text))


class _Owner(NamedTuple):
    """A provider whose paths look like `paths`, or whose clients send one of `headers`."""

    paths: re.Pattern[str]
    headers: tuple[str, ...]
    error: Callable[[str], dict[str, Any]]
    there: tuple[str, ...]
    hint: str

    def has(self, request: IncomingRequest) -> bool:
        return self.paths.fullmatch(request.path) is not None or any(name in request.headers for name in self.headers)


_GOOGLES: Final = (*gemini.ANSWERS, *gemini_compatible.ANSWERS, *gemini_interactions.ANSWERS)
_OWNERS: Final = (
    _Owner(
        re.compile(r"/v1(?:beta1|beta)?/(?:projects|publishers)/.*"),
        (),
        _google_error,
        _GOOGLES,
        "Is this the right server? There is no fake of Vertex AI: leave GOOGLE_GENAI_USE_VERTEXAI unset, and set"
        " GEMINI_API_KEY.",
    ),
    _Owner(
        re.compile(r"(?:/anthropic)?/v1/(?:messages|complete|skills|organizations)(?:/.*)?"),
        ("anthropic-version",),
        _anthropic_error,
        anthropic.ANSWERS,
        "Is the base URL right? ANTHROPIC_BASE_URL has no /v1 at its end, since the client adds it.",
    ),
    _Owner(
        re.compile(r"/(?:v1(?:beta|alpha)\d*|upload)(?:/.*)?|/v1/(?:models|tunedModels)/[^/]+:.*"),
        ("x-goog-api-key",),
        _google_error,
        _GOOGLES,
        "Is the base URL right? GOOGLE_GEMINI_BASE_URL has no /v1beta at its end, since the client adds it.",
    ),
    _Owner(
        re.compile(r".*", re.DOTALL),
        (),
        _openai_error,
        openai.ANSWERS,
        "Is the base URL right? OPENAI_BASE_URL ends in /v1.",
    ),
)


class Nowhere:
    """The dialect of no provider: every request gets 404. Azure, Ollama and other local servers have their own."""

    NAME = "none"

    def answers(self, request: IncomingRequest) -> bool:
        return True

    def read(self, request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue) -> Ask | Reply:
        owner = next(owner for owner in _OWNERS if owner.has(request))
        there = f" There are: {', '.join(owner.there)}." if owner.there else ""
        text = (
            f"Invalid URL ({request.method} {request.path[:200]}): no fake provider answers there. {owner.hint}{there}"
        )
        body = json.dumps(owner.error(text)).encode()
        return Reply(404, (("content-type", "application/json"),), (TimedFrame(body, 0.0),))

    def render(self, ask: Ask) -> Reply:
        raise AssertionError("it never gives an Ask")

    def form(self, ask: Ask) -> None:
        raise AssertionError("it never gives an Ask")

    def refuse(self, ask: Ask, text: str) -> Reply:
        raise AssertionError("it never gives an Ask")
