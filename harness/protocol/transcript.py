"""What was asked and what came back, with arrival times. A transcript records; it never judges.

Times are seconds of one monotonic clock, the one of whoever appends. Transports append; checks read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import Decoded, JsonFault, Kind, Message, classify, decode_object
from chatproof.harness.protocol.sse_parser import Event, Item, SseParser


class Transport(StrEnum):
    """How a reply came."""

    SSE = "sse"
    WEBSOCKET = "websocket"
    POLLING = "polling"


class End(StrEnum):
    """How an exchange ended on the wire, seen from the client."""

    COMPLETE = "complete"  # the peer ended it as HTTP or Engine.IO says
    TRUNCATED = "truncated"  # FIN, but the framing was not finished or is wrong
    RESET = "reset"  # RST
    TIMEOUT = "timeout"  # the client's deadline passed
    REFUSED = "refused"  # no connection
    LEFT = "left"  # the client hung up on purpose
    TOO_LARGE = "too large"  # more bytes than the client takes


@dataclass(frozen=True, slots=True)
class Read:
    """One read of the body: bytes after framing and compression were taken off."""

    at: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Stamped:
    """An SSE item with its arrival: of its first byte (`began`) and its last (`at`)."""

    item: Item
    began: float
    at: float
    decoded: tuple[Decoded, ...] = ()


_TERMINAL = (Kind.COMPLETION, Kind.ERROR)
_EVENTS = {"chat_token": Kind.TOKEN, "chat_complete": Kind.COMPLETION, "chat_stream_error": Kind.ERROR}


@dataclass(slots=True)
class Transcript:
    """One exchange. `ended_at` and `end` are set once it is over."""

    transport: Transport
    request: str = ""
    case: str = ""  # the id by which the provider's journal knows it
    asked_at: float = 0.0
    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    answered_at: float | None = None
    reads: list[Read] = field(default_factory=list)
    items: list[Stamped] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    end: End | None = None
    ended_at: float | None = None
    fault: str = ""
    _parser: SseParser = field(default_factory=SseParser)
    _starts: list[int] = field(default_factory=list)
    _length: int = 0

    # -- what transports append

    def read(self, at: float, data: bytes) -> None:
        """Append bytes of an SSE body."""
        self.reads.append(Read(at, data))
        self._starts.append(self._length)
        self._length += len(data)
        self._take(self._parser.feed(data))

    def event(self, at: float, name: str, data: Any) -> None:
        """Append a Socket.IO event with its first argument."""
        body = data if isinstance(data, dict) else {}
        self.messages.append(Message(_EVENTS.get(name, Kind.OTHER), body, at, at, name))

    def ended(self, at: float, end: End, fault: str = "") -> None:
        """Say how it ended. Only the first call counts."""
        if self.end is None:
            self.end, self.ended_at, self.fault = end, at, fault
            self._take(self._parser.close())

    # -- what checks and tests read

    @property
    def body(self) -> bytes:
        """All bytes of the body so far."""
        return b"".join(read.data for read in self.reads)

    @property
    def tokens(self) -> list[Message]:
        """The token events."""
        return self.of(Kind.TOKEN)

    @property
    def text(self) -> str:
        """What the tokens add up to."""
        return "".join(message.token for message in self.messages)

    @property
    def terminal(self) -> Message | None:
        """The first event that ends the reply, a completion or an error."""
        return next((message for message in self.messages if message.kind in _TERMINAL), None)

    @property
    def completion(self) -> Message | None:
        """The first completion."""
        return next(iter(self.of(Kind.COMPLETION)), None)

    @property
    def is_success(self) -> bool:
        """The reply ended in a completion."""
        return self.terminal is not None and self.terminal.kind is Kind.COMPLETION

    def of(self, *kinds: Kind) -> list[Message]:
        """The messages of these kinds, in order."""
        return [message for message in self.messages if message.kind in kinds]

    def header(self, name: str) -> str | None:
        """A header's value, all its lines joined as HTTP says; the name in lower case."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def outcome(self) -> str:
        """How it ended, in a few words."""
        if self.terminal is not None and self.terminal.kind is Kind.ERROR:
            return f"error event {shown(self.terminal.body.get('error'), 120)}"
        if self.status is not None and self.status != 200:
            return f"status {self.status}"
        ended = f"{self.end}" if self.end else "still open"
        detail = f" ({self.fault})" if self.fault else ""
        kind = "a completion" if self.terminal else "no terminal event"
        return f"{len(self.tokens)} tokens, {kind}, {ended}{detail}"

    # -- how bytes become messages

    def _take(self, items: Iterable[Item]) -> None:
        for item in items:
            began, whole = self._arrival(item.start), self._arrival(item.end - 1)
            decoded = _objects(item) if isinstance(item, Event) else ()
            self.items.append(Stamped(item, began, whole, decoded))
            if isinstance(item, Event):
                self._read_event(item, decoded, began, whole)

    def _read_event(self, event: Event, decoded: tuple[Decoded, ...], began: float, whole: float) -> None:
        ends = [field.end for field in event.fields if field.name == "data"]
        for index, one in enumerate(decoded):
            if one.body is not None:
                # of several objects in one event each came with its own line
                at = whole if len(decoded) == 1 else self._arrival(ends[index] - 1)
                self.messages.append(Message(classify(one.body), one.body, began, at, event.name))

    def _arrival(self, offset: int) -> float:
        index = len(self._starts) - 1
        while index > 0 and self._starts[index] > offset:
            index -= 1
        return self.reads[index].at if self.reads else self.asked_at


def _objects(event: Event) -> tuple[Decoded, ...]:
    """The event's objects. Several `data` lines are one text to the standard; where that is no JSON, but
    each line is, a blank line was forgotten, and each is read for what it is."""
    if not event.data:
        return ()
    whole = decode_object("\n".join(event.data))
    if len(event.data) == 1 or JsonFault.NOT_JSON not in whole.faults:
        return (whole,)
    return tuple(decode_object(line) for line in event.data)
