"""Makes replies of OpenAI's API from a timeline: what its endpoints have in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Final

from chatproof.fake_providers.dialects.base import Ask, Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.openai.error_bodies import (
    ALWAYS,
    JSON,
    STREAM,
    WITHIN_LIMITS,
    failure,
    refusal,
    retry_headers,
)
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.schedule import Timeline
from chatproof.fake_providers.dialects.unstreamed import html_page, in_one_piece
from chatproof.fake_providers.scripting.script import Fail, Script

CREATED: Final = 1_700_000_000  # fixed: the same request has the same bytes on every day

_GARBAGE: Final = b"\x00\x17\xfe\xed 5 fathoms of line, no protocol here\n\xff\xff"
_BLOCKED: Final = (
    "Invalid prompt: your prompt was flagged as potentially violating our usage policy."
    " Please try again with a different prompt."
)


class Whole:
    """The encoder of an unstreamed reply: it writes nothing, only the timeline's record is used."""

    fragments = True

    def opening(self) -> bytes:
        return b""

    def token(self, text: str) -> bytes:
        return b""

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        return b""

    def broken(self) -> bytes:
        return b""

    def error(self, fail: Fail) -> bytes:
        return b""

    def closing(self, finish_reason: str) -> bytes:
        return b""


def digest(ask: Ask) -> str:
    """29 hexadecimal digits, derived from the request, for all ids of its reply."""
    source = f"{ask.script.name}\n{ask.script.seed}\n{ask.text}"
    return hashlib.sha256(source.encode()).hexdigest()[:29]


def dumps(value: object, script: Script) -> str:
    """ValueError if a number is infinite, as 1e999 is after parsing."""
    return json.dumps(value, ensure_ascii=script.ascii, separators=(",", ":"), allow_nan=False)


def quoting(script: Script) -> Callable[[str], str]:
    """The fastest encoder of a string as JSON."""
    return encode_basestring_ascii if script.ascii else encode_basestring


def headers_of(ask: Ask, line: Timeline) -> Headers:
    begun = line.frames[0].due if ask.stream and line.frames else line.end_due
    return (("x-request-id", f"req_{digest(ask)}"), *ALWAYS, ("openai-processing-ms", str(round(begun * 1000))))


def answer(ask: Ask, line: Timeline, whole: Callable[[], bytes], torn: Callable[[], bytes]) -> Reply:
    """The reply for the timeline.

    `whole` gives the body of a reply that is not streamed; `torn` the beginning of a chunk that is cut.
    """
    headers, fail = headers_of(ask, line), line.fail
    if ask.script.blocked is not None:
        return refusal(400, Problem(_BLOCKED, None, "invalid_prompt"), headers[:1])
    if fail is not None and fail.fault == "status":
        return _status(fail, line.end_due, headers)
    if fail is not None and fail.fault == "garbage":
        return Reply(None, (), (TimedFrame(_GARBAGE, line.end_due),), "close", 0.0, line.end_due, faulted=True)
    if line.end in ("close", "cut", "reset") and not line.frames:
        return Reply(None, (), (), line.end, 0.0, line.end_due, faulted=True)
    headers += WITHIN_LIMITS
    if not ask.stream:
        return _whole(line, whole, (JSON, *headers))
    return Reply(
        status=200,
        headers=(*STREAM, *headers),
        frames=tuple(line.frames),
        end=line.end,
        end_due=line.end_due,
        chunked=True,
        torn=torn() if line.end == "cut" else b"",
        faulted=fail is not None,
    )


def _whole(line: Timeline, whole: Callable[[], bytes], headers: Headers) -> Reply:
    fail, due = line.fail, line.end_due
    if line.end != "stall" and fail is not None and fail.fault == "error":
        return Reply(500, headers, (TimedFrame(failure(500, fail), due),), "complete", due, due, faulted=True)
    return in_one_piece(line, headers, whole)


def _status(fail: Fail, due: float, headers: Headers) -> Reply:
    headers += retry_headers(fail)
    body = b""
    if fail.body == "json":
        headers, body = (JSON, *headers), failure(fail.status, fail)
    elif fail.body == "html":
        headers = (("content-type", "text/html"), *headers)
        body = html_page(fail.status)
    return Reply(fail.status, headers, (TimedFrame(body, due),), "complete", due, due, faulted=True)
