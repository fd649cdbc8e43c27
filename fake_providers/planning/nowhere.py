"""Answers paths that no fake has, in the shape of the provider that has such paths: a base URL is most often wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Reply, TimedFrame
from chatproof.fake_providers.models.catalogue import Catalogue
from chatproof.fake_providers.scripting.script import Script

_GOOGLE: Final = re.compile(
    r"/(?:v1(?:beta|alpha)\d*|upload)(?:/.*)?|/v1/(?:(?:models|tunedModels)/[^/]+:|projects/).*"
)
_ANTHROPIC: Final = re.compile(r"(?:/anthropic)?/v1/(?:messages|complete)(?:/.*)?")
_AZURE: Final = re.compile(r"/openai(?:/.*)?")


def _openai_error(text: str) -> dict[str, Any]:
    return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": "unknown_url"}}


def _google_error(text: str) -> dict[str, Any]:
    return {"error": {"code": 404, "message": text, "status": "NOT_FOUND"}}


def _anthropic_error(text: str) -> dict[str, Any]:
    """https://docs.anthropic.com/en/api/errors."""
    return {"type": "error", "error": {"type": "not_found_error", "message": text}, "request_id": "req_chatproof"}


def _azure_error(text: str) -> dict[str, Any]:
    """As Azure OpenAI answers a path or a deployment that it does not have."""
    return {"error": {"code": "404", "message": f"Resource not found. {text}"}}


_SHAPES: Final[tuple[tuple[re.Pattern[str], Callable[[str], dict[str, Any]], str], ...]] = (
    (
        _GOOGLE,
        _google_error,
        "Is the base URL right? GOOGLE_GEMINI_BASE_URL has no /v1beta at its end, since the client adds it.",
    ),
    (
        _ANTHROPIC,
        _anthropic_error,
        "Is this the right server? ANTHROPIC_BASE_URL leads here, and there is no fake of Anthropic's API.",
    ),
    (
        _AZURE,
        _azure_error,
        "Is this the right server? AZURE_OPENAI_ENDPOINT leads here, and there is no fake of Azure's paths: use"
        " OPENAI_BASE_URL, which ends in /v1.",
    ),
    (re.compile(r".*", re.DOTALL), _openai_error, "Is the base URL right? OPENAI_BASE_URL ends in /v1."),
)


class Nowhere:
    """The dialect of no provider: every request gets 404."""

    NAME = "none"

    def answers(self, request: IncomingRequest) -> bool:
        return True

    def read(self, request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue) -> Ask | Reply:
        path = request.path
        shape, hint = next((shape, hint) for pattern, shape, hint in _SHAPES if pattern.fullmatch(path))
        text = f"Invalid URL ({request.method} {path[:200]}): no fake provider answers there. {hint}"
        body = json.dumps(shape(text)).encode()
        return Reply(404, (("content-type", "application/json"),), (TimedFrame(body, 0.0),))

    def render(self, ask: Ask) -> Reply:
        raise AssertionError("it never gives an Ask")

    def form(self, ask: Ask) -> None:
        raise AssertionError("it never gives an Ask")

    def refuse(self, ask: Ask, text: str) -> Reply:
        raise AssertionError("it never gives an Ask")
