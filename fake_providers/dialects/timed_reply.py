"""Replies whose own bytes report how long they took: shared by the dialects of local servers."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from chatproof.fake_providers.dialects.base import Ask, Headers, Reply, TimedFrame
from chatproof.fake_providers.dialects.endings import (
    error_reply,
    in_one_piece,
    retry_after,
    status_reply,
    streamed,
    unanswered,
)
from chatproof.fake_providers.dialects.expressible import not_expressible_locally
from chatproof.fake_providers.dialects.schedule import Encoder, Timeline, play
from chatproof.fake_providers.scripting.script import Fail, Script

JSON: Final = ("content-type", "application/json; charset=utf-8")
MOMENT: Final = b"\x00" * 30
"""A placeholder in an event for the time at which it is due. It has that time's length, so cuts stay in place."""
TIMING: Final = b"\x01"
"""A placeholder for what is known only after the whole layout. JSON never contains either byte."""

_START: Final = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)  # fixed: the same request has the same bytes every day


@dataclass(frozen=True, slots=True)
class Timing:
    """What a reply took, in nanoseconds: until its first token, and from there to its end.

    Each is at least 1: Go leaves zeros out, and clients divide by them.
    """

    prompt: int
    speech: int
    load: int = 1

    @classmethod
    def of(cls, line: Timeline) -> Timing:
        opened = line.frames[0].due if line.frames else line.end_due
        return cls(_nanoseconds(opened), _nanoseconds(line.end_due - opened))

    @property
    def total(self) -> int:
        return self.load + self.prompt + self.speech


class Voice(Encoder, Protocol):
    """How one server writes a reply: as a stream (Encoder), in one piece, and when it fails.

    `early_errors`: does it answer an error before the first token with a status?
    """

    stream_headers: Headers
    json_header: tuple[str, str]
    early_errors: bool

    def timing(self, line: Timeline) -> bytes:
        """What takes the place of TIMING."""

    def whole(self, line: Timeline) -> bytes:
        """The body of the answer that is no stream; MOMENT in it is its end."""

    def failure(self, status: int, fail: Fail) -> bytes:
        """The body of an answer with that status."""


def speak(ask: Ask, voice: Voice) -> Reply:
    """The script as the answer of a model: an error where a local server cannot say what the script wants."""
    if (why := not_expressible_locally(ask.script)) is not None:
        return error_reply(400, (voice.json_header,), voice.failure(400, Fail("status", message=why)), 0.0)
    return lay_out(ask, voice)


def lay_out(ask: Ask, voice: Voice) -> Reply:
    line = play(
        ask.script, voice, ask.max_tokens, key=ask.key, thinks=ask.thinking != "none", vocabulary=ask.vocabulary
    )
    fail, due = line.fail, line.end_due
    frames = _settled(line, voice.timing(line))
    if fail is not None and fail.fault == "status":
        error = (voice.json_header, voice.failure(fail.error_status, fail))
        return status_reply(fail.status, fail, due, retry_after(fail), error)
    if (without := unanswered(line, frames)) is not None:
        return without
    if fail is not None and fail.fault == "error" and (not ask.stream or (voice.early_errors and len(frames) == 1)):
        return error_reply(500, (voice.json_header,), voice.failure(500, fail), due)
    if not ask.stream:
        return _whole(line, voice)
    return streamed(
        line, frames, voice.stream_headers, lambda: voice.broken().rstrip(b"\n").replace(MOMENT, timestamp(due))
    )


def timestamp(due: float) -> bytes:
    """The time, in RFC 3339 with nanoseconds, at `due` seconds from the request's arrival: 30 bytes."""
    seconds, nanoseconds = divmod(round(due * 1e9), 1_000_000_000)
    return f"{_START + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z".encode()


def go_json(value: object, script: Script | None = None) -> str:
    """JSON as Go writes it: U+2028, U+2029 and what HTML could misread are escaped.

    U+0085 is escaped too, which Go does not do, since clients that split lines by Unicode's rules trip over it.
    A script with `raw` gets all three line ends as they are.
    """
    text = json.dumps(value, ensure_ascii=script is not None and script.ascii, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    if script is not None and script.raw:
        return text
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x85", "\\u0085")


def json_reply(status: int, value: Any, *headers: tuple[str, str]) -> Reply:
    """An answer that needs no script."""
    return Reply(status, (JSON, *headers), (TimedFrame(go_json(value).encode(), 0.0),))


def text_reply(status: int, text: str) -> Reply:
    """The same, as plain text."""
    return Reply(status, (("content-type", "text/plain; charset=utf-8"),), (TimedFrame(text.encode(), 0.0),))


def _nanoseconds(seconds: float) -> int:
    return max(1, round(seconds * 1e9))


def _settled(line: Timeline, timing: bytes) -> tuple[TimedFrame, ...]:
    """The frames with their times filled in, and without the empty ones (an empty chunk would end the body)."""
    frames = [frame._replace(payload=frame.payload.replace(TIMING, timing)) for frame in line.frames if frame.payload]
    ends, total = [], 0
    for frame in frames:
        total += len(frame.payload)
        ends.append(total)
    data = bytearray().join(frame.payload for frame in frames)
    position = data.find(MOMENT)
    while position >= 0:  # it may lie across frames, where a script cuts
        data[position : position + len(MOMENT)] = timestamp(frames[bisect_right(ends, position)].due)
        position = data.find(MOMENT, position)
    starts = [0, *ends]
    return tuple(
        frame._replace(payload=bytes(data[start:end])) for frame, start, end in zip(frames, starts, ends, strict=False)
    )


def _whole(line: Timeline, voice: Voice) -> Reply:
    def body() -> bytes:
        return voice.whole(line).replace(TIMING, voice.timing(line)).replace(MOMENT, timestamp(line.end_due))

    return in_one_piece(line, (voice.json_header,), body)
