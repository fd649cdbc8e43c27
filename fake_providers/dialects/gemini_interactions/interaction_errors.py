"""Errors of Gemini's Interactions: {"error": {"message", "code"}}, where the code is a word.

Google's frontend answers before the API is reached: without a key, or with a wrong one, the error has Google's usual
shape, with a number as its code.

Source: https://ai.google.dev/gemini-api/docs/streaming (gateway_timeout), googleapis/js-genai#1649 (invalid_request)
and #1694 (not_implemented): the words are those of HTTP, except invalid_request.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.gemini.error_bodies import meant
from chatproof.fake_providers.dialects.gemini.google_json import pretty
from chatproof.fake_providers.dialects.gemini.reply import HEADERS, JSON_TYPE
from chatproof.fake_providers.scripting.script import Fail

_FRONTEND: Final = (401, 403)
_WORDS: Final = {status.value: status.phrase.lower().replace(" ", "_") for status in HTTPStatus} | {
    400: "invalid_request"
}


def word_of(status: int) -> str:
    """The code of an error with that status."""
    return _WORDS.get(status, "internal_server_error")


def interaction_error(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """An error's body."""
    return {"error": {"message": message, "code": code or word_of(status)}}


def refused(status: int, message: str, headers: Headers = ()) -> Reply:
    """The API's reply to an invalid request."""
    return json_answer(status, interaction_error(status, message), headers)


def json_answer(status: int, body: dict[str, Any], headers: Headers = ()) -> Reply:
    """An answer that needs no script."""
    return Reply(status, (JSON_TYPE, *HEADERS, *headers), (TimedFrame(pretty(body).encode(), 0.0),))


def failure(fail: Fail, model: str, default: int | None = None) -> tuple[int, dict[str, Any]]:
    """The status and the body of the error that a script asks for."""
    google = meant(fail, model, default)
    status = google["error"]["code"]
    if fail.error_status in _FRONTEND and default is None:
        return status, google
    return status, interaction_error(status, google["error"]["message"], fail.code)
