"""A strict, incremental parser of `text/event-stream` bodies.

It takes bytes cut anywhere and gives all that they hold, malformed lines too. It judges nothing and drops nothing, so
that checks can judge. It does not know what the events mean.

Lines end in LF or CR LF. The standard (WHATWG HTML, 9.2.6) takes a lone CR as a line's end as well; the API
document's own client does not, so it is reported as `Stray` where it stands.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace

from chatproof.harness.protocol.excerpts import CUT

FIELDS = frozenset({"data", "event", "id", "retry"})
PER_ITEM, PER_FIELD = 800, 150  # bytes of memory that each takes beside its texts
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Field:
    """One line `name: value`. `spaced` says whether the colon was followed by a space; `end` is the offset in the
    body behind the line."""

    name: str
    value: str
    spaced: bool
    end: int


@dataclass(frozen=True, slots=True)
class Event:
    """The fields up to a blank line. `closed` is false where the stream ended before that line.

    `start` and `end` are offsets in the body: of the first byte, and behind the last line's last byte.
    """

    fields: tuple[Field, ...]
    start: int
    end: int
    closed: bool = True

    @property
    def data(self) -> tuple[str, ...]:
        """The values of its `data` lines."""
        return tuple(item.value for item in self.fields if item.name == "data")

    @property
    def name(self) -> str:
        """Its last `event` field; `message` without one, or with an empty one, as the standard says."""
        names = [item.value for item in self.fields if item.name == "event"]
        return (names[-1] if names else "") or "message"


@dataclass(frozen=True, slots=True)
class Comment:
    """A line that starts with a colon."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Stray:
    """A line that is neither a comment nor a standard field, or one with a lone CR in it."""

    text: str
    why: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class BadText:
    """A line that is not UTF-8."""

    why: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line(Event):
    """A line of NDJSON, as an event whose data it is."""


Item = Event | Comment | Stray | BadText


def shortened(item: Item, longest: int) -> Item:
    """The item with `…` behind the first `longest` characters of each text in it."""
    if isinstance(item, BadText) or item.end - item.start <= longest:
        return item
    if isinstance(item, Event):
        return replace(item, fields=tuple(replace(one, value=_cut(one.value, longest)) for one in item.fields))
    return replace(item, text=_cut(item.text, longest))


def memory_of(item: Item) -> int:
    """The bytes of memory that an item takes, roughly."""
    if isinstance(item, Event):
        return PER_ITEM + sum(PER_FIELD + sys.getsizeof(one.value) for one in item.fields)
    return PER_ITEM + (0 if isinstance(item, BadText) else sys.getsizeof(item.text))


def written(item: Item) -> str:
    """The item as it stands in a stream, with what is kept of its texts."""
    if isinstance(item, Line):
        return "".join(f"{one.value}\n" for one in item.fields)
    if isinstance(item, Event):
        lines = [f"{one.name}:{' ' if one.spaced else ''}{one.value}" for one in item.fields]
        return "\n".join([*lines, "", ""] if item.closed else lines)
    if isinstance(item, BadText):
        return item.why
    return f": {item.text}\n" if isinstance(item, Comment) else f"{item.text}\n"


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + CUT


@dataclass(slots=True)
class SseParser:
    """Feed it the body as it comes; it gives the items that are complete so far."""

    _rest: bytearray = field(default_factory=bytearray)
    _searched: int = 0
    _offset: int = 0
    _fields: list[Field] = field(default_factory=list)
    _start: int = 0
    _closed: bool = False

    def feed(self, data: bytes) -> list[Item]:
        """Take the next bytes and give the items that they complete."""
        rest = self._rest
        rest += data
        items: list[Item] = []
        taken = 0
        while (newline := rest.find(b"\n", max(self._searched, taken))) >= 0:
            self._line(bytes(rest[taken:newline]), newline + 1 - taken, items)
            taken = newline + 1
        del rest[:taken]
        self._searched = len(rest)
        return items

    @property
    def pending(self) -> int:
        """The bytes of the line that has not ended yet."""
        return len(self._rest)

    def close(self) -> list[Item]:
        """End the body. Gives the items that were still open."""
        items: list[Item] = []
        if self._closed:
            return items
        self._closed = True
        if self._rest:
            self._line(bytes(self._rest), len(self._rest), items)
            self._rest.clear()
        if self._fields:
            items.append(Event(tuple(self._fields), self._start, self._offset, closed=False))
            self._fields = []
        return items

    def _line(self, line: bytes, length: int, items: list[Item]) -> None:
        start, end = self._offset, self._offset + length
        self._offset = end
        if start == 0:
            line = line.removeprefix(BOM)
        line = line.removesuffix(b"\r")
        if not line:
            if self._fields:
                items.append(Event(tuple(self._fields), self._start, end))
                self._fields = []
            return
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            items.append(BadText(f"{error.reason} at byte {start + error.start} of the body", start, end))
            text = line.decode("utf-8", "replace")
        if "\r" in text:
            items.append(Stray(text, "a carriage return without a line feed inside the line", start, end))
        if text.startswith(":"):
            items.append(Comment(text[1:].removeprefix(" "), start, end))
            return
        name, _, value = text.partition(":")
        if name not in FIELDS:
            items.append(Stray(text, "neither a comment nor a standard SSE field", start, end))
            return
        if not self._fields:
            self._start = start
        self._fields.append(Field(name, value.removeprefix(" "), value.startswith(" "), end))
