"""A reply laid out as HTTP/1 bytes, and which of them are one write to the socket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from chatproof.fake_providers.dialects.base import End, Reply, TimedFrame

_MAX_WRITE: Final = 65_536  # larger writes would make a slow client's backpressure coarse
_MISSING: Final = 64  # bytes that a torn chunk announces but does not send
_EVENT: Final = re.compile(rb".+?(?:\r?\n\r?\n|\Z)", re.DOTALL)
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


Sent = tuple[int, int, str, float]
"""What a write sends: the number of bytes with HTTP framing, the number of tokens, their text, and when it is due."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """Which events are one write: all that are due together; or with `each`, every event alone; or groups of
    `events_per_write` events, each group written when its last event is due.
    """

    each: bool = False
    events_per_write: int = 1

    @property
    def joined(self) -> bool:
        return not self.each and self.events_per_write == 1


_JOINED: Final = Grouping()


@dataclass(frozen=True, slots=True)
class WritePlan:
    """All that a player needs. `keep_alive`: the connection can serve another request afterwards.

    `writes`: frames with their HTTP framing, as they go to the socket. `each`: every write must be a send call of its
    own. `sent`: the writes as the journal keeps them. `headers`: the reply's own. `error`: the body of an answer with a
    status from 400. `unfinished`: the reply breaks off before its end.
    """

    status: int | None
    writes: tuple[TimedFrame, ...]
    sent: tuple[Sent, ...]
    end: End
    end_due: float
    keep_alive: bool
    faulted: bool
    size: int
    each: bool
    headers: Mapping[str, str]
    error: str
    unfinished: bool

    def at_pace(self, pace: float) -> WritePlan:
        """The same writes, where one second of the script takes `pace` seconds."""
        writes = tuple(write._replace(due=write.due * pace) for write in self.writes)
        sent = tuple((size, tokens, text, due * pace) for size, tokens, text, due in self.sent)
        return replace(self, writes=writes, sent=sent, end_due=self.end_due * pace)


def plan_writes(
    reply: Reply, chunks_allowed: bool, keep_alive: bool, *, head_only: bool = False, grouping: Grouping = _JOINED
) -> WritePlan:
    """Lay the reply out as writes. HTTP/1.0 has no chunks: there the connection's end is the body's end."""
    chunked = reply.chunked and chunks_allowed
    keep_alive = keep_alive and reply.end == "complete" and (chunked or not reply.chunked)
    writes: list[TimedFrame] = []
    if reply.status is not None:
        writes.append(TimedFrame(_head(reply, chunked, keep_alive), reply.head_due))
    if not head_only:
        frames = (
            reply.frames if grouping.joined or not reply.chunked else _grouped(reply.frames, grouping.events_per_write)
        )
        for frame in frames:
            data = b"%x\r\n%b\r\n" % (len(frame.payload), frame.payload) if chunked else frame.payload
            if data:
                writes.append(TimedFrame(data, frame.due, frame.tokens, frame.text))
        if reply.torn:
            announced = b"%x\r\n" % (len(reply.torn) + _MISSING) if chunked else b""
            writes.append(TimedFrame(announced + reply.torn, reply.end_due))
        elif chunked and reply.end in ("complete", "close"):
            writes.append(TimedFrame(b"0\r\n\r\n", reply.end_due))
    made = _join(writes) if grouping.joined else tuple(writes)
    sent = tuple((len(write.payload), write.tokens, write.text, write.due) for write in made)
    size = sum(size for size, *_ in sent)
    refused = reply.status is not None and reply.status >= 400
    return WritePlan(
        status=reply.status,
        writes=made,
        sent=sent,
        end=reply.end,
        end_due=reply.end_due,
        keep_alive=keep_alive,
        faulted=reply.faulted,
        size=size,
        each=not grouping.joined,
        headers=dict(reply.headers),
        error=b"".join(frame.payload for frame in reply.frames).decode(errors="replace") if refused else "",
        unfinished=reply.unfinished,
    )


def _grouped(frames: tuple[TimedFrame, ...], count: int) -> list[TimedFrame]:
    """The frames with `count` events each; a group is written when its last event is due."""
    events = [event for frame in frames for event in _events(frame)]
    groups = [events[start : start + count] for start in range(0, len(events), count)]
    return [_as_one(group, group[-1].due) for group in groups]


def _events(frame: TimedFrame) -> list[TimedFrame]:
    """The server-sent events of a frame, each ended by a blank line. A client has the text with the last event."""
    payloads = _EVENT.findall(frame.payload)
    if len(payloads) < 2:
        return [frame]
    return [*(TimedFrame(payload, frame.due) for payload in payloads[:-1]), frame._replace(payload=payloads[-1])]


def _head(reply: Reply, chunked: bool, keep_alive: bool) -> bytes:
    status = reply.status or 0
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if chunked:
        lines.append("transfer-encoding: chunked")
    elif not reply.chunked:
        lines.append(f"content-length: {sum(len(frame.payload) for frame in reply.frames)}")
    # A fault is never announced: only a connection that ends normally says `close`.
    if not keep_alive and reply.end == "complete":
        lines.append("connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _join(writes: list[TimedFrame]) -> tuple[TimedFrame, ...]:
    joined: list[TimedFrame] = []
    group: list[TimedFrame] = []
    size = 0
    for write in writes:
        if group and (write.due != group[0].due or size + len(write.payload) > _MAX_WRITE):
            joined.append(_as_one(group, group[0].due))
            group, size = [], 0
        group.append(write)
        size += len(write.payload)
    if group:
        joined.append(_as_one(group, group[0].due))
    return tuple(joined)


def _as_one(group: list[TimedFrame], due: float) -> TimedFrame:
    if len(group) == 1:
        return group[0]
    payload, text = b"".join(one.payload for one in group), "".join(one.text for one in group)
    return TimedFrame(payload, due, sum(one.tokens for one in group), text)
