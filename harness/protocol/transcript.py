"""What was asked and what came back, with arrival times. A transcript records; it never judges.

Times are seconds of one monotonic clock: that of the client that appends. Clients append; checks read. What is kept is
bounded where the client sets bounds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from chatproof.harness.protocol.apis.api import ANSWER, Api, Failure, Finish, Framing, Named, Part, Text
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_STREAM
from chatproof.harness.protocol.event_reading import read_event
from chatproof.harness.protocol.excerpts import CUT, counted, shown
from chatproof.harness.protocol.memory_budget import LONGEST_LINE, MB, RAW_KEPT, STOPPED, MemoryBudget, SizeLimits
from chatproof.harness.protocol.messages import Decoded, JsonObject, Kind, weight_of
from chatproof.harness.protocol.ndjson_parser import NdjsonParser
from chatproof.harness.protocol.sent import Sent
from chatproof.harness.protocol.snapshot_block import SnapshotBlock
from chatproof.harness.protocol.sse_parser import Event, Item, SseParser, memory_of, shortened


class Transport(StrEnum):
    """How a reply came. `UPGRADED`: polling, which moves to a WebSocket, as in `io("http://…")` by default."""

    SSE = "sse"
    WEBSOCKET = "websocket"
    POLLING = "polling"
    UPGRADED = "upgraded"


BODY_SHOWN, TEXT_KEPT = 500, 1_000  # characters of a body that is no stream; of a text that was read for what it says
FAULTY_KEPT, FAULT_KEPT = 8_000, 500  # the same, where it is not what it should be; and of how the exchange ended
READ_OF_TOO_MANY = 64 * 1024  # bytes that are parsed once there are too many lines
EXCERPT, PER_READ, PER_MESSAGE = 50, 150, 250  # how many of each `shed` leaves; bytes that each takes beside its texts


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
    """One read of the body, framing and compression taken off. Far into it `data` is the first of `size` bytes."""

    at: float
    data: bytes
    size: int


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


@dataclass(slots=True, eq=False, weakref_slot=True)
class Transcript:
    """One exchange. `ended_at` and `end` are set once it is over. `terminal` is the first completion or error.

    Past its `limits` (None: none) it ends as `TOO_LARGE`; `is_shed`: for the memory of all together. `length`: bytes
    that came; `weight`: their memory. `run`, `conversation`, `message`: the server's own ids, where it told them.
    """

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
    counts: Container[int] = ()  # of tokens that are right as well: the provider's, or a tokenizer's
    api: Api = CHAT_STREAM
    limits: SizeLimits | None = None
    budget: MemoryBudget | None = None
    run: str = ""
    conversation: str = ""
    message: str = ""
    stepped: bool = False  # see Turn
    length: int = 0
    weight: int = 0
    is_shed: bool = False
    _lines: int = 0
    _parser: SseParser = field(default_factory=SseParser)
    _starts: list[int] = field(default_factory=list)
    _blocks: dict[str, SnapshotBlock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.api.framing is Framing.NDJSON:
            self._parser = NdjsonParser()
        if self.budget:
            self.budget.enter(self)

    def __del__(self) -> None:
        if self.budget:
            self.budget.leave(self)

    # -- what transports append

    def answered(self, at: float, status: int, headers: list[tuple[str, str]]) -> None:
        """Note the beginning of an HTTP answer; the headers' names in lower case."""
        self.answered_at, self.status, self.headers = at, status, headers
        if status != 200 and self.api.framing is Framing.NDJSON:
            self._parser = SseParser()  # a JSON error is no line of a stream
        self._grow(sum(PER_READ + len(name) + len(value) for name, value in headers))

    def read(self, at: float, data: bytes) -> None:
        """Append bytes of a body. Over SSE they are read as events; over polling the client does that."""
        if self.end is End.TOO_LARGE:
            return
        kept = data if self.length < RAW_KEPT or self.transport is not Transport.SSE else data[:TEXT_KEPT]
        self.reads.append(Read(at, kept, len(data)))
        self._starts.append(self.length)
        self.length += len(data)
        self._grow(len(kept) + PER_READ)
        if self.transport is Transport.SSE:
            self._lines += data.count(b"\n")
            too_many = self.limits and self._lines > self.limits.lines
            self._take(self._parser.feed(data[:READ_OF_TOO_MANY] if too_many else data))
            if self.limits and self._parser.pending > LONGEST_LINE:
                self.too_large(at, f"a line of more than {LONGEST_LINE // 1024} KB")
        self._check_limits(at, "lines")

    def event(self, at: float, name: str, data: Any) -> None:
        """Append a Socket.IO event with its first argument."""
        if self.end is End.TOO_LARGE:
            return
        weight, self._lines = weight_of(data) + len(name), self._lines + 1
        self.length += weight
        self._grow(weight)
        for part in self.api.read_emitted(name, data):
            self._append(part, data if isinstance(data, dict) else {}, at, at, name)
        self._check_limits(at, "events")

    def ended(self, at: float, end: End, fault: str = "") -> None:
        """Note how the exchange ended. Only the first call counts."""
        if self.end is None:
            self.end, self.ended_at = end, at
            self.fault = fault if len(fault) <= FAULT_KEPT else fault[:FAULT_KEPT] + CUT
            if self.sent and (end is End.LEFT or (end is End.TIMEOUT and self.transport is Transport.SSE)):
                self.sent.left_after = at - self.asked_at
            self._take(self._parser.close())
            if end is End.COMPLETE and self.api.ends_with_body and self.status == 200 and self.terminal is None:
                self._append(Finish(), {}, at, at, "message")

    def too_large(self, at: float, what: str) -> None:
        """Note that the client reads no more of it: `what` came."""
        self.ended(at, End.TOO_LARGE, f"{what} in one reply; {STOPPED}")

    def shed(self, why: str) -> None:
        """Keep an excerpt and nothing more: all transcripts together take too much memory."""
        self.end, self.fault, self.is_shed = End.TOO_LARGE, why, True
        self.ended_at = self.ended_at or (self.reads[-1].at if self.reads else self.asked_at)
        self.reads = [Read(one.at, one.data[:TEXT_KEPT], one.size) for one in self.reads[:EXCERPT]]
        self.items = [one for one in self.items[:EXCERPT] if one.item.end - one.item.start <= TEXT_KEPT]
        self.messages = [one for one in self.messages[:EXCERPT] if weight_of(one.body) <= FAULTY_KEPT]
        self.terminal = next((one for one in self.messages if one is self.terminal), None)
        del self._starts[EXCERPT:], self.headers[EXCERPT:]
        self._parser, self._blocks = SseParser(), {}
        self.weight = EXCERPT * (2 * TEXT_KEPT + FAULTY_KEPT)

    def _grow(self, size: int) -> None:
        self.weight += size
        if self.budget:
            self.budget.grow(size)

    def _check_limits(self, at: float, unit: str) -> None:
        if self.limits and self.length > self.limits.body:
            self.too_large(at, f"more than {self.limits.body / MB:.0f} MB")
        elif self.limits and self._lines > self.limits.lines:
            self.too_large(at, f"more than {self.limits.lines} {unit}")

    # -- what checks and tests read

    @property
    def body(self) -> bytes:
        """All bytes of the body so far; of a long one the beginning, see `RAW_KEPT`."""
        return b"".join(read.data for read in self.reads)

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
        return [one for one in self.messages if one.kind in kinds]

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
        detail = f" ({self.fault})" if self.fault else ""
        kind = "a completion" if self.terminal else "no terminal event"
        return f"{counted(len(self.tokens), 'token')}, {kind}, {self.end or 'still open'}{detail}"

    # -- how bytes become messages

    def _take(self, items: Iterable[Item]) -> None:
        parser = self._parser
        for item in items:
            if self._parser is not parser:
                return  # it had to shed what it held
            began, whole = self._arrival(item.start), self._arrival(item.end - 1)
            decoded: tuple[Decoded, ...] = ()
            if isinstance(item, Event):
                decoded, parts = read_event(item, self.api, whole, self._arrival)
                for part, body, at in parts:
                    self._append(part, body, began, at, item.name)
            is_sound = bool(decoded) and not any(one.faults for one in decoded)
            kept = shortened(item, TEXT_KEPT if is_sound else FAULTY_KEPT)
            self.items.append(Stamped(kept, began, whole, decoded))
            self._grow(memory_of(kept) + sum(one.weight for one in decoded))

    def _append(self, part: Part, body: JsonObject, began: float, at: float, name: str) -> None:
        self._grow(PER_MESSAGE)
        if isinstance(part, Named):
            self.run = self.run or part.run[:TEXT_KEPT]
            self.conversation = self.conversation or part.conversation[:TEXT_KEPT]
            self.message = self.message or part.message[:TEXT_KEPT]
            self.stepped = self.stepped or part.stepped
            return
        if isinstance(part, Text) and part.channel == ANSWER:
            text = part.text
            if part.snapshot:
                text, changed = self._blocks.setdefault(part.block, SnapshotBlock()).take(text, len(self.messages))
                for place, left in changed:
                    self.messages[place] = self.messages[place]._replace(text=left)
            kind = Kind.TOKEN if text or not part.snapshot else Kind.OTHER  # the same text once more is no token
            self.messages.append(Message(kind, text, body, began, at, name))
            return
        if isinstance(part, Finish) and not (part.closes and self.terminal):
            message = Message(Kind.COMPLETION, "", body, began, at, name)
        elif isinstance(part, Failure):
            message = Message(Kind.ERROR, part.text, body, began, at, name)
        else:
            message = Message(Kind.OTHER, "", body, began, at, name)
        self.messages.append(message)
        if self.terminal is None and message.kind is not Kind.OTHER:
            self.terminal = message

    def _arrival(self, offset: int) -> float:
        index = max(0, bisect_right(self._starts, offset) - 1)
        return self.reads[index].at if index < len(self.reads) else self.asked_at
