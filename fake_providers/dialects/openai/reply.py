"""Makes replies of OpenAI's API from a timeline: what its endpoints have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Final

from chatproof.fake_providers.dialects.base import Ask, Headers, Reply
from chatproof.fake_providers.dialects.endings import error_reply, in_one_piece, status_reply, streamed, unanswered
from chatproof.fake_providers.dialects.openai import error_bodies as errors
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.schedule import Timeline
from chatproof.fake_providers.scripting.script import Script

CREATED: Final = 1_700_000_000  # fixed: the same request has the same bytes on every day

_BLOCKED: Final = (
    "Invalid prompt: your prompt was flagged as potentially violating our usage policy."
    " Please try again with a different prompt."
)


class Whole:
    """The encoder of an unstreamed reply: it writes nothing, only the timeline's record is used."""

    fragments = True
    silent = ()

    def opening(self, *_: object, **__: object) -> bytes:
        return b""

    token = thinking = refusal = call = broken = error = closing = opening


def digest(ask: Ask) -> str:
    """29 hexadecimal digits, derived from the request, for all ids of its reply."""
    return ask.digest[:29]


def dumps(value: object, script: Script) -> str:
    """ValueError if a number is infinite, as 1e999 is after parsing."""
    return json.dumps(value, ensure_ascii=script.ascii, separators=(",", ":"), allow_nan=False)


def quoting(script: Script) -> Callable[[str], str]:
    """The fastest encoder of a string as JSON."""
    return encode_basestring_ascii if script.ascii else encode_basestring


def headers_of(ask: Ask, line: Timeline) -> Headers:
    begun = line.frames[0].due if ask.stream and line.frames else line.end_due
    return (("x-request-id", f"req_{digest(ask)}"), *errors.ALWAYS, ("openai-processing-ms", str(round(begun * 1000))))


def answer(ask: Ask, line: Timeline, whole: Callable[[], bytes], torn: Callable[[], bytes]) -> Reply:
    """The reply for the timeline.

    `whole` gives the body of a reply that is not streamed; `torn` the beginning of a chunk that is cut.
    """
    headers, fail = headers_of(ask, line), line.fail
    if ask.script.blocked is not None:
        return errors.refusal(400, Problem(_BLOCKED, None, "invalid_prompt"), headers[:1])
    if fail is not None and fail.fault == "status":
        error = (errors.JSON, errors.failure(fail.error_status, fail, ask.model, ask.flavour))
        return status_reply(fail.status, fail, line.end_due, headers + errors.retry_headers(fail), error)
    if (without := unanswered(line, line.frames)) is not None:
        return without
    headers += errors.WITHIN_LIMITS
    if not ask.stream:
        return _whole(line, whole, (errors.JSON, *headers), ask)
    # An empty frame would be the body's end.
    frames = tuple(frame for frame in line.frames if frame.payload)
    return streamed(line, frames, (*errors.STREAM, *headers), torn)


def _whole(line: Timeline, whole: Callable[[], bytes], headers: Headers, ask: Ask) -> Reply:
    fail, due = line.fail, line.end_due
    if line.end != "stall" and fail is not None and fail.fault == "error":
        return error_reply(500, headers, errors.failure(500, fail, ask.model, ask.flavour), due)
    return in_one_piece(line, headers, whole)
