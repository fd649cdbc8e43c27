"""Makes Gemini's replies of a timeline: one JSON object, server-sent events, or a streamed JSON array.

Source: https://ai.google.dev/api/generate-content and recorded answers of the API.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.endings import error_reply, in_one_piece, status_reply, streamed, unanswered
from chatproof.fake_providers.dialects.gemini.error_bodies import meant
from chatproof.fake_providers.dialects.gemini.google_json import Escapes, compact, pretty, quoted
from chatproof.fake_providers.dialects.schedule import Timeline, play
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.script import Fail

SSE: Final = "sse"
ARRAY: Final = "array"
WHOLE: Final = "whole"

JSON_TYPE: Final = ("content-type", "application/json; charset=UTF-8")
HEADERS: Final[Headers] = (("vary", "Origin, X-Origin, Referer"), ("x-content-type-options", "nosniff"))

_SSE_TYPE: Final = (("content-type", "text/event-stream"), ("content-disposition", "attachment"))
_FINISH_REASONS: Final = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY", "tool_calls": "STOP"}
_CALLED: Final = "Model generated function call(s)."
_ERROR_CODE: Final = 500  # of an error in the stream, which a script gives no code
_CATEGORIES: Final = ("SEXUALLY_EXPLICIT", "HATE_SPEECH", "HARASSMENT", "DANGEROUS_CONTENT")

# What is replaced in a frame's template. A model's name cannot hold these, and the text goes in last.
_TEXT: Final = "\ue000"
_SAID: Final = "\ue001"
_TOTAL: Final = "\ue002"


def render(ask: Ask) -> Reply:
    frames = _Frames(ask)
    line = play(ask.script, frames, ask.max_tokens, key=ask.key)
    fail, due = line.fail, line.end_due
    if ask.script.blocked is not None:
        return _blocked(ask, ask.script.blocked, line)
    if fail is not None and fail.fault == "status":
        return _status(ask, fail, due)
    if (without := unanswered(line, line.frames)) is not None:
        return without
    if ask.flavour == WHOLE:
        return _whole(ask, line)
    headers = _headers(ask, line.frames[0].due if line.frames else due)
    # An empty frame would be the last chunk of a chunked body.
    sent = tuple(frame for frame in line.frames if frame.payload)
    return streamed(line, sent, headers, lambda: frames.broken().rstrip())


class _Frames:
    """Encodes the parts of a stream. Text that is the same in all frames is built once."""

    fragments = False  # the API gives a call in one piece

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._write, self._escapes = _writer(ask), _escapes(ask)
        self._said = 0
        self._begun = False
        self._called = False
        candidate = {"content": {"parts": [{"text": _TEXT}], "role": "model"}}
        self._template = self._write(_response(ask, [candidate], _SAID, _TOTAL))
        self._text_mark, self._said_mark, self._total_mark = (self._quoted(mark) for mark in (_TEXT, _SAID, _TOTAL))

    def opening(self) -> bytes:
        return b""

    def token(self, text: str) -> bytes:
        said = self._count(1)
        frame = self._template.replace(self._said_mark, str(said)).replace(
            self._total_mark, str(self._ask.prompt_tokens + said)
        )
        return self._framed(frame.replace(self._text_mark, self._quoted(text)))

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        self._called = True
        said = self._count(len(tokenizer.split(fragment or "")))
        part = {"functionCall": {"name": name, "args": json.loads(fragment or "{}")}}
        return self._response([{"content": {"parts": [part], "role": "model"}}], said)

    def broken(self) -> bytes:
        whole = self._template
        return self._framed(whole[: whole.index(self._text_mark)] + '"brok')

    def error(self, fail: Fail) -> bytes:
        """The API leaves the stream's own framing: events are followed by a bare JSON object."""
        body = pretty(meant(fail, self._ask.model, _ERROR_CODE))
        return body.encode() if self._ask.flavour == SSE else self._framed(body) + b"]"

    def closing(self, finish_reason: str) -> bytes:
        candidate = _finished([{"text": ""}], finish_reason, self._called)
        end = self._response([candidate], self._said * self._ask.choices)
        return end if self._ask.flavour == SSE else end + b"]"

    def _count(self, number: int) -> int:
        self._said += number
        return self._said * self._ask.choices

    def _response(self, candidates: list[dict[str, Any]], said: int) -> bytes:
        return self._framed(self._write(_response(self._ask, candidates, said, self._ask.prompt_tokens + said)))

    def _framed(self, text: str) -> bytes:
        if self._ask.flavour == SSE:
            return f"data: {text}\r\n\r\n".encode()
        start, self._begun = ",\r\n" if self._begun else "[", True
        return f"{start}{text}".encode()

    def _quoted(self, text: str) -> str:
        return quoted(text, self._escapes)


def _response(
    ask: Ask, candidates: Sequence[dict[str, Any]], said: int | str, total: int | str, **before: Any
) -> dict[str, Any]:
    """GenerateContentResponse; every choice is a copy of each candidate, with its own index."""
    body: dict[str, Any] = {}
    if candidates:
        body["candidates"] = [_indexed(candidate, index) for candidate in candidates for index in range(ask.choices)]
    body |= before
    # Protocol Buffers leave out what is zero.
    counts = {"promptTokenCount": ask.prompt_tokens, "candidatesTokenCount": said, "totalTokenCount": total}
    usage: dict[str, Any] = {name: number for name, number in counts.items() if number}
    if isinstance(ask.extra, tuple) and ask.extra:
        usage["promptTokensDetails"] = details(ask.extra)
    return {**body, "usageMetadata": usage, "modelVersion": ask.model, "responseId": _id(ask)}


def details(counted: tuple[tuple[str, int], ...]) -> list[dict[str, Any]]:
    """Tokens by modality, as usage shows them."""
    return [{"modality": modality, "tokenCount": number} for modality, number in counted]


def _indexed(candidate: dict[str, Any], index: int) -> dict[str, Any]:
    """The API's order: content, finishReason, index, and then the rest."""
    front: dict[str, Any] = {name: candidate[name] for name in ("content", "finishReason") if name in candidate}
    return {**front, "index": index, **{name: value for name, value in candidate.items() if name not in front}}


def _finished(parts: list[dict[str, Any]], finish_reason: str, called: bool) -> dict[str, Any]:
    """A finished candidate; without content if the safety filter stopped it."""
    reason = _FINISH_REASONS[finish_reason]
    if reason == "SAFETY":
        return {"finishReason": reason, "safetyRatings": _ratings()}
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "finishReason": reason}
    if called and reason == "STOP":
        candidate["finishMessage"] = _CALLED
    return candidate


def _ratings() -> list[dict[str, Any]]:
    """The last category is the one that blocks."""
    rated = [{"category": f"HARM_CATEGORY_{name}", "probability": "NEGLIGIBLE"} for name in _CATEGORIES]
    return [*rated[:-1], {**rated[-1], "probability": "HIGH", "blocked": True}]


def _whole(ask: Ask, line: Timeline) -> Reply:
    fail, due = line.fail, line.end_due
    headers = _headers(ask, due)
    if line.end != "stall" and fail is not None and fail.fault == "error":
        body = pretty(meant(fail, ask.model, _ERROR_CODE)).encode()
        return error_reply(_ERROR_CODE, headers, body, due)
    return in_one_piece(line, headers, lambda: _whole_body(ask, line))


def _whole_body(ask: Ask, line: Timeline) -> bytes:
    parts: list[dict[str, Any]] = [{"text": line.text}] if line.said or not line.calls else []
    parts += [{"functionCall": {"name": call.name, "args": json.loads(call.arguments)}} for call in line.calls]
    said = line.tokens * ask.choices
    candidate = _finished(parts, line.finish_reason, bool(line.calls))
    return _writer(ask)(_response(ask, [candidate], said, ask.prompt_tokens + said)).encode()


def _blocked(ask: Ask, reason: str, line: Timeline) -> Reply:
    """A refused prompt is not an error: the reply has promptFeedback instead of candidates."""
    feedback: dict[str, Any] = {"blockReason": reason}
    if reason == "SAFETY":
        feedback["safetyRatings"] = [{**rating} for rating in _ratings()]
    text = _writer(ask)(_response(ask, (), 0, ask.prompt_tokens, promptFeedback=feedback))
    framed = {SSE: f"data: {text}\r\n\r\n", ARRAY: f"[{text}]", WHOLE: text}[ask.flavour]
    due = line.frames[0].due if line.frames else line.end_due
    streamed = ask.flavour != WHOLE
    head_due = 0.0 if streamed else due
    return Reply(
        200, _headers(ask, due), (TimedFrame(framed.encode(), due),), "complete", head_due, due, chunked=streamed
    )


def _status(ask: Ask, fail: Fail, due: float) -> Reply:
    error = meant(fail, ask.model)
    own = (JSON_TYPE, error_body(error, ask.flavour == ARRAY))
    status = 200 if fail.status == 200 else error["error"]["code"]
    return status_reply(status, fail, due, HEADERS, own, "text/html; charset=UTF-8")


def error_body(error: dict[str, Any], array: bool) -> bytes:
    """An error status; where the API streams a JSON array, its error is an array too."""
    text = pretty(error)
    return (f"[{text}]" if array else text).encode()


def _headers(ask: Ask, begun: float) -> Headers:
    kind = _SSE_TYPE if ask.flavour == SSE else (JSON_TYPE,)
    return (*kind, *HEADERS, ("server-timing", f"gfet4t7; dur={round(begun * 1000)}"))


def _writer(ask: Ask) -> Callable[[object], str]:
    write, escapes = compact if ask.flavour == SSE else pretty, _escapes(ask)
    return lambda value: write(value, escapes)


def _escapes(ask: Ask) -> Escapes:
    return "ascii" if ask.script.ascii else "raw" if ask.script.raw else "google"


def _id(ask: Ask) -> str:
    """23 letters and digits, as the API's ids have."""
    return base64.urlsafe_b64encode(bytes.fromhex(ask.digest))[:23].decode()
