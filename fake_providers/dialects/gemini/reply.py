"""Makes Gemini's replies of a timeline: one JSON object, server-sent events, or a streamed JSON array.

Thoughts are parts with `thought`, sent only to requests with includeThoughts, and counted in thoughtsTokenCount, which
candidatesTokenCount does not include. A signature stands on the first call, or on the last part of the text. A refusal
is a candidate that the safety filter stopped. A reply without a word has a content without parts.

Source: https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/thinking and
/thought-signatures, and recorded answers of the API; empty ones in BerriAI/litellm#24467 and #36881.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.endings import error_reply, in_one_piece, status_reply, streamed, unanswered
from chatproof.fake_providers.dialects.gemini.error_bodies import meant
from chatproof.fake_providers.dialects.gemini.google_json import Escapes, compact, pretty, quoted
from chatproof.fake_providers.dialects.likelihoods import google_logprobs
from chatproof.fake_providers.dialects.schedule import Timeline, play
from chatproof.fake_providers.models.catalogue import model_of
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.script import Fail
from chatproof.fake_providers.scripting.steps import Channel

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
_SIGNATURE_BYTES: Final = 96


def render(ask: Ask) -> Reply:
    frames = _Frames(ask)
    line = play(
        ask.script, frames, ask.max_tokens, key=ask.key, thinks=ask.thinking != "none", vocabulary=ask.vocabulary
    )
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
        shown = ask.thinking == "shown"
        self.silent: tuple[Channel, ...] = ("refusal",) if shown else ("refusal", "thinking")
        self._said = self._thought = 0
        self._refused: list[str] = []
        self._begun = False
        self._called = False
        self._template = self._empty_frame()
        self._text_mark, self._said_mark, self._total_mark = (self._quoted(mark) for mark in (_TEXT, _SAID, _TOTAL))

    def _empty_frame(self) -> str:
        candidate = {"content": {"parts": [{"text": _TEXT}], "role": "model"}}
        return self._write(_response(self._ask, [candidate], _SAID, self._thoughts, total=_TOTAL))

    def opening(self) -> bytes:
        return b""

    def token(self, text: str) -> bytes:
        said = self._count(1)
        if self._ask.logprobs is not None:
            likely = google_logprobs([text], self._ask.logprobs)
            return self._response([{**_content([{"text": text}]), **likely}], said)
        self._template = self._template or self._empty_frame()
        frame = self._template.replace(self._said_mark, str(said)).replace(
            self._total_mark, str(self._ask.prompt_tokens + said + self._thoughts)
        )
        return self._framed(frame.replace(self._text_mark, self._quoted(text)))

    def thinking(self, text: str, first: bool) -> bytes:
        self._thought += 1
        self._template = ""  # the number of thoughts is in it
        if "thinking" in self.silent:
            return b""
        return self._response([_content([{"text": text, "thought": True}])], self._count(0))

    def refusal(self, text: str) -> bytes:
        self._refused.append(text)
        return b""

    def call(self, index: int, name: str, fragment: str | None, first: bool) -> bytes:
        signature = {} if self._called else _signature(self._ask, self._thought)
        self._called = True
        said = self._count(len(tokenizer.split(fragment or "", self._ask.vocabulary)))
        part = {"functionCall": {"name": name, "args": json.loads(fragment or "{}")}, **signature}
        return self._response([_content([part])], said)

    def broken(self) -> bytes:
        whole = self._template or self._empty_frame()
        return self._framed(whole[: whole.index(self._text_mark)] + '"brok')

    def error(self, fail: Fail) -> bytes:
        """The API leaves the stream's own framing: events are followed by a bare JSON object."""
        body = pretty(meant(fail, self._ask.model, _ERROR_CODE))
        return body.encode() if self._ask.flavour == SSE else self._framed(body) + b"]"

    def closing(self, finish_reason: str) -> bytes:
        signature = {} if self._called else _signature(self._ask, self._thought)
        last = [{"text": "", **signature}] if self._said else []
        candidate = _finished(last, finish_reason, self._called, "".join(self._refused))
        end = self._response([candidate], self._count(0))
        return end if self._ask.flavour == SSE else end + b"]"

    def _count(self, number: int) -> int:
        self._said += number
        return self._said * self._ask.choices

    @property
    def _thoughts(self) -> int:
        return self._thought * self._ask.choices

    def _response(self, candidates: list[dict[str, Any]], said: int) -> bytes:
        return self._framed(self._write(_response(self._ask, candidates, said, self._thoughts)))

    def _framed(self, text: str) -> bytes:
        if self._ask.flavour == SSE:
            return f"data: {text}\r\n\r\n".encode()
        start, self._begun = ",\r\n" if self._begun else "[", True
        return f"{start}{text}".encode()

    def _quoted(self, text: str) -> str:
        return quoted(text, self._escapes)


def _response(
    ask: Ask,
    candidates: Sequence[dict[str, Any]],
    said: int | str,
    thoughts: int,
    *,
    total: str | None = None,
    **before: Any,
) -> dict[str, Any]:
    """GenerateContentResponse; every choice is a copy of each candidate, with its own index.

    `said` and `thoughts`: tokens of all choices. `said` and `total` may be marks, which are replaced later.
    """
    body: dict[str, Any] = {}
    if candidates:
        body["candidates"] = [_indexed(candidate, index) for candidate in candidates for index in range(ask.choices)]
    body |= before
    # Protocol Buffers leave out what is zero.
    all_tokens = total if isinstance(said, str) else ask.prompt_tokens + said + thoughts
    counts = {"promptTokenCount": ask.prompt_tokens, "candidatesTokenCount": said, "totalTokenCount": all_tokens}
    usage: dict[str, Any] = {name: number for name, number in counts.items() if number}
    if isinstance(ask.extra, tuple) and ask.extra:
        usage["promptTokensDetails"] = details(ask.extra)
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    return {**body, "usageMetadata": usage, "modelVersion": ask.model, "responseId": _id(ask)}


def details(counted: tuple[tuple[str, int], ...]) -> list[dict[str, Any]]:
    """Tokens by modality, as usage shows them."""
    return [{"modality": modality, "tokenCount": number} for modality, number in counted]


def _indexed(candidate: dict[str, Any], index: int) -> dict[str, Any]:
    """The API's order: content, finishReason, index, and then the rest."""
    front: dict[str, Any] = {name: candidate[name] for name in ("content", "finishReason") if name in candidate}
    return {**front, "index": index, **{name: value for name, value in candidate.items() if name not in front}}


def _content(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"content": {"parts": parts, "role": "model"} if parts else {"role": "model"}}


def _signature(ask: Ask, thoughts: int) -> dict[str, str]:
    """What a part carries of the model's thoughts, for the client to send back: bytes that mean nothing."""
    if not thoughts and "signatures" not in model_of("gemini", ask.model).can:
        return {}  # Gemini 3 signs every call and every text, whether it shows thoughts or not
    made = hashlib.shake_256(f"{ask.digest} signature".encode()).digest(_SIGNATURE_BYTES)
    return {"thoughtSignature": base64.b64encode(made).decode()}


def _finished(parts: list[dict[str, Any]], finish_reason: str, called: bool, refusal: str = "") -> dict[str, Any]:
    """A finished candidate; without content if the safety filter stopped it, as it does for a `refusal`."""
    reason = "SAFETY" if refusal else _FINISH_REASONS[finish_reason]
    if reason == "SAFETY":
        message = {"finishMessage": refusal} if refusal else {}
        return {"finishReason": reason, "safetyRatings": _ratings(), **message}
    candidate: dict[str, Any] = {**_content(parts), "finishReason": reason}
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
    thoughts, signature = len(line.thoughts), _signature(ask, len(line.thoughts))
    parts: list[dict[str, Any]] = []
    if thoughts and ask.thinking == "shown":
        parts.append({"text": "".join(line.thoughts), "thought": True})
    if line.said:
        parts.append({"text": line.text})
    parts += [{"functionCall": {"name": call.name, "args": json.loads(call.arguments)}} for call in line.calls]
    if line.calls:
        parts[-len(line.calls)] |= signature
    elif line.said:
        parts[-1] |= signature
    said = (line.tokens - thoughts - len(line.refused)) * ask.choices
    candidate = _finished(parts, line.finish_reason, bool(line.calls), line.refusal)
    if ask.logprobs is not None:
        candidate |= google_logprobs(line.said, ask.logprobs)
    return _writer(ask)(_response(ask, [candidate], said, thoughts * ask.choices)).encode()


def _blocked(ask: Ask, reason: str, line: Timeline) -> Reply:
    """A refused prompt is not an error: the reply has promptFeedback instead of candidates."""
    feedback: dict[str, Any] = {"blockReason": reason}
    if reason == "SAFETY":
        feedback["safetyRatings"] = [{**rating} for rating in _ratings()]
    text = _writer(ask)(_response(ask, (), 0, 0, promptFeedback=feedback))
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
