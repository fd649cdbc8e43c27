"""What a picture of an exchange needs: plain, bounded values that can cross processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, TypeVar

from chatproof.harness.common.redaction import clipped, redacted
from chatproof.harness.protocol.checks.pass_through import ProviderWrite
from chatproof.harness.protocol.excerpts import CUT
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.transcript import End, Message, Read, Transcript, Transport

MOST_POINTS = 400  # of each kind in one exchange
FEW_POINTS = 40  # the same once there are many pictures
TEXT = 80  # characters of one point
LONGEST = 8_000  # bytes of a read that are looked at
T = TypeVar("T")


class Point(NamedTuple):
    """Something at a moment: `at` in ms since the ask, `size` in bytes."""

    at: float
    kind: str
    size: int
    text: str


class Link(NamedTuple):
    """A piece of text on its way: written by the provider, then read by the client, in ms since the ask."""

    written: float
    read: float


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """A provider request that the server made for one reply. Times in seconds of the suite's clock."""

    provider: str
    script: str
    status: int | None
    received: float
    writes: Sequence[ProviderWrite]
    ended: str | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class ProviderSide:
    """One request to the provider, as it is drawn. Times in ms since the client's ask."""

    name: str
    received: float
    writes: tuple[Point, ...]
    ended: str | None
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a row was violated, in ms since the ask; None where that is no one moment."""

    id: str
    at: float | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """One exchange as it is drawn. Times in ms since the ask. `cut`: points that were left out.

    `lane` is the provider that the test was run with, or None where it needs none; `until` is when the provider's
    journal was read, up to which what is not over is drawn.
    """

    test: str
    request: str
    transport: str
    outcome: str
    ids: tuple[str, ...] = ()
    spots: tuple[Spot, ...] = ()
    status: int | None = None
    answered: float | None = None
    reads: tuple[Point, ...] = ()
    events: tuple[Point, ...] = ()
    end: str | None = None
    end_at: float | None = None
    fault: str = ""
    provider: tuple[ProviderSide, ...] = ()
    links: tuple[Link, ...] = ()
    cut: int = 0
    lane: str | None = None
    until: float | None = None

    @property
    def points(self) -> int:
        """How much there is to draw."""
        drawn = (self.reads, self.events, self.links, *(side.writes for side in self.provider))
        return sum(map(len, drawn))

    @property
    def violated(self) -> tuple[str, ...]:
        """The rows that this exchange violates."""
        return tuple(dict.fromkeys(spot.id for spot in self.spots))

    def to_json(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evidence:
        provider = [
            ProviderSide(**{**one, "writes": tuple(Point(*point) for point in one["writes"])})
            for one in data["provider"]
        ]
        return cls(
            **{
                **data,
                "ids": tuple(data["ids"]),
                "spots": tuple(Spot(**spot) for spot in data["spots"]),
                "reads": tuple(Point(*point) for point in data["reads"]),
                "events": tuple(Point(*point) for point in data["events"]),
                "provider": tuple(provider),
                "links": tuple(Link(*link) for link in data["links"]),
            }
        )


@dataclass(slots=True)
class Clock:
    """Converts seconds of the suite's clock into ms since the ask."""

    asked: float
    cut: int = 0
    most: int = MOST_POINTS

    def ms(self, at: float) -> float:
        return round((at - self.asked) * 1000, 2)

    def point(self, at: float, kind: str, size: int, text: str) -> Point:
        return Point(self.ms(at), kind, size, short(text))

    def bounded(self, points: Sequence[T]) -> tuple[T, ...]:
        """At most `most` of the points: the first and the last."""
        if len(points) <= self.most:
            return tuple(points)
        self.cut += len(points) - self.most
        last = self.most // 4
        return (*points[: self.most - last], *points[-last:])


@dataclass(slots=True, eq=False)
class SeenExchange:
    """A transcript that a test asked for: the rows that it shows, and the moments (seconds) that violate them."""

    transcript: Transcript
    ids: dict[str, None] = field(default_factory=dict)
    spots: list[tuple[str, float | None]] = field(default_factory=list)


def evidence(
    test: str,
    seen: SeenExchange,
    asked: Sequence[ProviderRequest] = (),
    lane: str | None = None,
    until: float | None = None,
    most: int = MOST_POINTS,
) -> Evidence:
    """Reduce an exchange to what a picture of it needs.

    Args:
        asked: what the server asked its provider for it.
        lane: the provider that the test was run with.
        until: when the journal was read, in seconds.
        most: points of each kind.
    """
    reply = seen.transcript
    clock = Clock(reply.asked_at or reply.answered_at or min((read.at for read in reply.reads), default=0.0), most=most)
    reads, events = _reads(reply, clock), _events(reply, clock)
    sides = tuple(_side(one, clock) for one in asked[:4])
    main = max(asked, key=lambda one: sum(write.tokens for write in one.writes), default=None)
    return Evidence(
        test=test,
        request=short(reply.request),
        transport=reply.transport.value if _is_stream(reply) else "http",
        outcome=redacted(reply.outcome() if _is_stream(reply) else f"status {reply.status}, {reply.end}"),
        ids=tuple(seen.ids),
        spots=tuple(Spot(name, None if at is None else clock.ms(at)) for name, at in seen.spots[:12]),
        status=reply.status,
        answered=None if reply.answered_at is None else clock.ms(reply.answered_at),
        reads=reads,
        events=events,
        end=reply.end.value if reply.end else None,
        end_at=None if reply.ended_at is None else clock.ms(reply.ended_at),
        fault=short(reply.fault),
        provider=sides,
        links=clock.bounded(_links(main, reply.tokens, clock)) if main else (),
        cut=clock.cut,
        lane=lane,
        until=None if until is None else clock.ms(until),
    )


def left_at(exchange: Evidence) -> float | None:
    """When the client hung up, in ms since the ask; None where it did not."""
    return exchange.end_at if exchange.end == End.LEFT.value else None


def _is_stream(reply: Transcript) -> bool:
    """Whether the answer is, or should have been, a stream of events. Other answers have a status and no tokens."""
    if reply.transport is not Transport.SSE or reply.messages or reply.status is None:
        return True
    return "event-stream" in (reply.header("content-type") or "")


def _reads(reply: Transcript, clock: Clock) -> tuple[Point, ...]:
    if reply.transport is Transport.SSE:
        return tuple(clock.point(read.at, "read", read.size, _start(read)) for read in clock.bounded(reply.reads))
    return tuple(
        clock.point(one.at, "read", len(str(one.body)), one.name[:LONGEST]) for one in clock.bounded(reply.messages)
    )


def _start(read: Read) -> str:
    """The beginning of a read, long enough that a secret in what is shown of it is whole."""
    data = read.data[:LONGEST]
    return data.decode("utf-8", "replace") + (CUT if read.size > len(data) else "")


def _events(reply: Transcript, clock: Clock) -> tuple[Point, ...]:
    return tuple(
        clock.point(message.at, message.kind.value, 0, _said(message)) for message in clock.bounded(reply.messages)
    )


def _said(message: Message) -> str:
    if message.kind is Kind.TOKEN:
        return repr(message.text)
    if message.kind is Kind.ERROR and message.text is not None:
        return message.text
    return str(dict(list(message.body.items())[:6]))


def _side(asked: ProviderRequest, clock: Clock) -> ProviderSide:
    writes = tuple(
        clock.point(write.at, "token" if write.tokens else "bytes", write.size, write.text)
        for write in clock.bounded(asked.writes)
    )
    name = f"{asked.provider}, {asked.script}" if asked.script else asked.provider
    if asked.status not in (None, 200):
        name += f", status {asked.status}"
    ended_at = None if asked.ended_at is None else clock.ms(asked.ended_at)
    return ProviderSide(name, clock.ms(asked.received), writes, asked.ended, ended_at)


def _links(asked: ProviderRequest, tokens: Sequence[Message], clock: Clock) -> list[Link]:
    """Each piece of text that the provider wrote, with the moment at which the client had all of it, up to where the
    texts differ."""
    links: list[Link] = []
    written, read, last = "", "", 0.0
    arriving = iter(tokens)
    for write in asked.writes:
        if not write.text:
            continue
        written += write.text
        while len(read) < len(written):
            if (message := next(arriving, None)) is None:
                return links
            read, last = read + message.token, message.at
        if not read.startswith(written):
            return links
        links.append(Link(clock.ms(write.at), clock.ms(last)))
    return links


def short(text: str) -> str:
    """A text for a picture: redacted, in one line, cut."""
    return clipped(text.replace("\n", "\\n").replace("\t", "\\t"), TEXT)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
