"""What was asked and what came back, with arrival times. A transcript records; it never judges.

Times are seconds of one monotonic clock: that of the client that appends. Clients append; checks read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from chatproof.harness.protocol.apis.api import ANSWER, Api, Failure, Finish, Part, Text
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.messages import Decoded, JsonFault, JsonObject, Kind, decode_object
from chatproof.harness.protocol.sent import Sent
from chatproof.harness.protocol.sse_parser import Event, Item, SseParser


class Transport(StrEnum):
    """How a reply came."""

    SSE = "sse"
    WEBSOCKET = "websocket"
    POLLING = "polling"


BODY_SHOWN = 500  # characters of the body of an answer that is no stream


class End(StrEnum):
    """How an exchange ended on the wire, seen from the client."""

    COMPLETE = "complete"  # the peer ended it as HTTP or Engine.IO requires
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


class Message(NamedTuple):
    """One part of an event, as the api reads it.

    `text` is what it adds to the reply; of an error its text, which is None where that is no string; else empty.
    `began` and `at` are the arrival times (seconds, monotonic) of the event's first and last byte, `body` is the
    object that the event holds, for the checks of that api, and `name` is the event's name.
    """

    kind: Kind
    text: str | None
    body: JsonObject
    began: float
    at: float
    name: str = "message"

    @property
    def token(self) -> str:
        """The text that it adds to the reply."""
        return self.text if self.kind is Kind.TOKEN and self.text else ""


@dataclass(slots=True)
class Transcript:
    """One exchange. `ended_at` and `end` are set once it is over. `terminal` is the first event that ends the reply:
    a completion or an error."""

    transport: Transport
    request: str = ""
    sent: Sent | None = None
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
    terminal: Message | None = None
    api: Api = CHAT_STREAM
    _parser: SseParser = field(default_factory=SseParser)
    _starts: list[int] = field(default_factory=list)
    _length: int = 0
    _blocks: dict[tuple[str, str], str] = field(default_factory=dict)

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
        for part in self.api.read_emitted(name, body):
            self._append(part, body, at, at, name)

    def ended(self, at: float, end: End, fault: str = "") -> None:
        """Note how the exchange ended. Only the first call counts."""
        if self.end is None:
            self.end, self.ended_at, self.fault = end, at, fault
            if self.sent and (end is End.LEFT or (end is End.TIMEOUT and self.transport is Transport.SSE)):
                self.sent.left_after = at - self.asked_at
            self._take(self._parser.close())

    # -- what checks and tests read

    @property
    def body(self) -> bytes:
        """All bytes of the body so far."""
        return b"".join(read.data for read in self.reads)

    @property
    def size(self) -> int:
        """Bytes of the body so far."""
        return self._length

    @property
    def tokens(self) -> list[Message]:
        """The token events."""
        return self.of(Kind.TOKEN)

    @property
    def text(self) -> str:
        """The reply's text: all tokens joined."""
        return "".join(message.token for message in self.messages)

    @property
    def completion(self) -> Message | None:
        """The first completion."""
        return next(iter(self.of(Kind.COMPLETION)), None)

    @property
    def is_success(self) -> bool:
        """The reply ended in a completion."""
        return self.terminal is not None and self.terminal.kind is Kind.COMPLETION

    @property
    def did_not_come(self) -> bool:
        """Whether the client waited in vain: for a connection, or for what should have come."""
        return self.end in (End.TIMEOUT, End.REFUSED) or (self.end is None and self.terminal is None)

    @property
    def is_unanswered(self) -> bool:
        """Over HTTP, the exchange is over, and not even a status came. False where the client left before one could."""
        return self.transport is Transport.SSE and self.status is None and self.end not in (None, End.LEFT)

    def of(self, *kinds: Kind) -> list[Message]:
        """The messages of these kinds, in order."""
        return [message for message in self.messages if message.kind in kinds]

    @property
    def error_text(self) -> str | None:
        """The text of an error that came as an HTTP answer, or None where its body holds no such text."""
        return self.api.error_of(self.body)

    def header(self, name: str) -> str | None:
        """A header's value, all its lines joined as HTTP says; the name in lower case."""
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def outcome(self) -> str:
        """How the exchange ended, in a few words."""
        if self.is_unanswered:
            return f"no answer: {self.fault or self.end}"
        if self.terminal is not None and self.terminal.kind is Kind.ERROR:
            text = self.terminal.text
            return f"error event {shown(dict(self.terminal.body) if text is None else text, 300)}"
        if self.status is not None and self.status != 200:
            said = b"".join(read.data for read in self.reads[:20]).decode("utf-8", "replace")
            return f"status {self.status}" + (f" with {shown(said, BODY_SHOWN)}" if said else "")
        ended = f"{self.end}" if self.end else "still open"
        detail = f" ({self.fault})" if self.fault else ""
        kind = "a completion" if self.terminal else "no terminal event"
        return f"{counted(len(self.tokens), 'token')}, {kind}, {ended}{detail}"

    # -- how bytes become messages

    def _take(self, items: Iterable[Item]) -> None:
        for item in items:
            began, whole = self._arrival(item.start), self._arrival(item.end - 1)
            if isinstance(item, Event):
                decoded = self._read_event(item, began, whole)
                self.items.append(Stamped(item, began, whole, decoded))
            else:
                self.items.append(Stamped(item, began, whole))

    def _read_event(self, event: Event, began: float, whole: float) -> tuple[Decoded, ...]:
        """Read an event's data, and give the objects in it.

        Several `data` lines are one text to the standard; where that is no JSON, but each line is, a blank line was
        forgotten, and each is read for what it is.
        """
        if not (lines := event.data):
            return ()
        text, name = lines[0] if len(lines) == 1 else "\n".join(lines), event.name
        decoded = decode_object(text)
        if len(lines) == 1 or JsonFault.NOT_JSON not in decoded.faults:
            for part in self.api.read(name, text, decoded.body):
                self._append(part, decoded.body or {}, began, whole, name)
            return (decoded,)
        found = tuple(map(decode_object, lines))
        ends = [field.end for field in event.fields if field.name == "data"]
        for line, one, end in zip(lines, found, ends, strict=True):
            for part in self.api.read(name, line, one.body):  # each came with its own line
                self._append(part, one.body or {}, began, self._arrival(end - 1), name)
        return found

    def _append(self, part: Part, body: JsonObject, began: float, at: float, name: str) -> None:
        if isinstance(part, Text) and part.channel == ANSWER:
            text = self._added(part) if part.snapshot else part.text
            self.messages.append(Message(Kind.TOKEN, text, body, began, at, name))
            return
        if isinstance(part, Finish):
            message = Message(Kind.COMPLETION, "", body, began, at, name)
        elif isinstance(part, Failure):
            message = Message(Kind.ERROR, part.text, body, began, at, name)
        else:
            message = Message(Kind.OTHER, "", body, began, at, name)
        self.messages.append(message)
        if self.terminal is None and message.kind is not Kind.OTHER:
            self.terminal = message

    def _added(self, part: Text) -> str:
        """What a snapshot adds to the one before it. If it does not begin with that one, it is added whole, so that the
        reply's text shows the fault."""
        before = self._blocks.get((part.channel, part.block), "")
        self._blocks[part.channel, part.block] = part.text
        return part.text.removeprefix(before)

    def _arrival(self, offset: int) -> float:
        index = len(self._starts) - 1
        while index > 0 and self._starts[index] > offset:
            index -= 1
        return self.reads[index].at if self.reads else self.asked_at
