"""A rendered stream as a list of events, and such a list as frames again, framed as a wire wants."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, TimedFrame
from chatproof.fake_providers.dialects.gemini import google_json
from chatproof.fake_providers.dialects.timed_reply import go_json
from chatproof.fake_providers.scripting.wire_table import Form

DONE: Final = "[DONE]"
_SSE_EVENT: Final = re.compile(rb".+?(?:\r?\n\r?\n|\Z)", re.DOTALL)
_LINE: Final = re.compile(rb".+?(?:\n|\Z)", re.DOTALL)
_ELEMENT: Final = re.compile(rb"(?:\[|,\r\n).*?(?=,\r\n|\Z)", re.DOTALL)
"""Google's pretty JSON ends its lines with LF: CRLF stands between the array's elements only."""
_SPANS: Final = {"ollama": _LINE, "gemini-array": _ELEMENT}


@dataclass(slots=True)
class StreamEvent:
    """One event. `data`: its JSON text, or `[DONE]`; None for a `comment`, and for `raw` bytes that are no event.

    `cuts`: where a script has it sent in pieces, as (share of its bytes, when that piece is due).
    """

    data: str | None
    due: float
    tokens: int = 0
    text: str = ""
    name: str = ""
    comment: str = ""
    raw: bytes = b""
    cuts: tuple[tuple[float, float], ...] = ()

    @property
    def value(self) -> dict[str, Any] | None:
        """The JSON object; None where there is none, as in `[DONE]` and broken events."""
        if self.data is None or self.data == DONE:
            return None
        try:
            value = json.loads(self.data)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def holds_what(self, other: StreamEvent) -> None:
        """Take over what a client has read once it has read `other`, which is left out."""
        self.tokens += other.tokens
        self.text = other.text + self.text


@dataclass(slots=True)
class StreamFraming:
    """How events become bytes. `eol`: None is the form's own."""

    form: Form
    eol: str | None = None
    space: str = " "
    names: bool = True
    numbered: bool = False
    last_newline: bool = True
    closed: bool = field(default=False)
    """Whether a JSON array had its end."""

    @property
    def line_end(self) -> str:
        return self.eol or ("\r\n" if self.form == "gemini" else "\n")

    def bytes_of(self, event: StreamEvent, number: int, last: bool) -> bytes:
        """`number`: of the event, from 0. `last`: nothing follows."""
        if event.raw:
            return event.raw
        eol = self.line_end
        if self.form == "gemini-array":
            begin, end = ",\r\n" if number else "[", "]" if last and self.closed else ""
            return f"{begin}{event.data}{end}".encode()
        if self.form == "ollama":
            return f"{event.data}{'' if last and not self.last_newline else eol}".encode()
        if event.data is None:
            return f": {event.comment}{eol}{eol}".encode()
        fields = f"event:{self.space}{event.name}{eol}" if event.name and self.names else ""
        if self.numbered and event.data != DONE:
            retry = f"retry:3000{eol}" if number == 0 else ""
            fields = f"id:{number + 1}{eol}event:result{eol}:HTTP_STATUS/200{eol}{retry}"
        return f"{fields}data:{self.space}{event.data}{eol}{eol}".encode()


def read_events(frames: Sequence[TimedFrame], form: Form) -> tuple[list[StreamEvent], bool]:
    """The events of a rendered stream, and whether a JSON array was closed."""
    whole = b"".join(frame.payload for frame in frames)
    ends = list(accumulate(len(frame.payload) for frame in frames))
    closed = form == "gemini-array" and whole.endswith(b"]")
    events, at = [], 0
    for found in _SPANS.get(form, _SSE_EVENT).finditer(whole):
        start, stop = found.span()
        first = at
        if ends[at] == stop and (not at or ends[at - 1] == start):
            # An event to a frame, as most are: the reply may have thousands.
            frame, at = frames[at], at + 1
            event = _read(found[0], form, frame.due, closed and stop == len(whole))
            event.tokens, event.text = frame.tokens, frame.text
            events.append(event)
            continue
        while at < len(frames) and ends[at] <= stop:
            at += 1
        within = frames[first:at]
        # A frame may hold several events, and an event may be spread over several frames.
        due = within[-1].due if within and ends[at - 1] == stop else frames[at].due
        event = _read(found[0], form, due, closed and stop == len(whole))
        event.tokens, event.text = sum(one.tokens for one in within), "".join(one.text for one in within)
        event.cuts = tuple(
            ((end - start) / (stop - start), frame.due)
            for end, frame in zip(ends[first:at], within, strict=True)
            if start < end < stop
        )
        events.append(event)
    return events, closed


def write_events(events: Sequence[StreamEvent], framing: StreamFraming) -> Iterator[TimedFrame]:
    """The frames of the events, each in as many pieces as it had."""
    for number, event in enumerate(events):
        payload = framing.bytes_of(event, number, number == len(events) - 1)
        if not event.cuts:
            yield TimedFrame(payload, event.due, event.tokens, event.text)
            continue
        cuts = [(round(share * len(payload)), due) for share, due in event.cuts]
        inside = [(at, due) for at, due in cuts if 0 < at < len(payload)]
        for (start, _), (stop, due) in pairwise([(0, 0.0), *inside, (len(payload), event.due)]):
            last = stop == len(payload)
            if start < stop:
                yield TimedFrame(payload[start:stop], due, event.tokens if last else 0, event.text if last else "")


def writer_of(form: Form, ask: Ask) -> Callable[[Any], str]:
    """How the form's dialect writes JSON."""
    script = ask.script
    if form == "ollama":
        return lambda value: go_json(value, script)
    if form in ("gemini", "gemini-array"):
        write = google_json.compact if form == "gemini" else google_json.pretty
        escapes: google_json.Escapes = "ascii" if script.ascii else "raw" if script.raw else "google"
        return lambda value: write(value, escapes)
    return lambda value: json.dumps(value, ensure_ascii=script.ascii, separators=(",", ":"))


def _read(payload: bytes, form: Form, due: float, closes: bool) -> StreamEvent:
    text = payload.decode()
    if form == "gemini-array":
        body = text.removeprefix("[").removeprefix(",\r\n")
        return StreamEvent(body.removesuffix("]") if closes else body, due)
    if form == "ollama":
        return StreamEvent(text.removesuffix("\n"), due)
    if text.startswith("data: ") and text.count("\n") == 2:
        return StreamEvent(text[6:-4] if text.endswith("\r\n\r\n") else text[6:-2], due)
    name, data = "", None
    for line in re.split("\r?\n", text):
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = line.removeprefix("data: ")
    return StreamEvent(data, due, name=name, raw=b"" if data is not None else payload)
