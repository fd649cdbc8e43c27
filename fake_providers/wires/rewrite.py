"""Rewrites a rendered reply into the wires that were chosen for it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from chatproof.fake_providers.dialects.base import Ask, Reply, TimedFrame
from chatproof.fake_providers.dialects.schedule import SPLIT_PAUSE
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.wire_table import Form
from chatproof.fake_providers.wires import chunk_edits as chunks
from chatproof.fake_providers.wires import delta_texts as texts
from chatproof.fake_providers.wires import event_edits as edits
from chatproof.fake_providers.wires import message_events as messages
from chatproof.fake_providers.wires.delta_texts import Dumps
from chatproof.fake_providers.wires.stream_events import (
    StreamEvent,
    StreamFraming,
    read_events,
    write_events,
    writer_of,
)

_Edit = Callable[[list[StreamEvent], Form, Dumps], list[StreamEvent]]
_ChunkEdit = Callable[[list[StreamEvent], Dumps], list[StreamEvent]]

BATCH: Final = 8
"""Events in one write of the wire `batched`."""

# In the order in which they are applied: first what the events say, then their fields, then further events.
_CHAT: Final[dict[str, _ChunkEdit]] = {
    "whole-calls": chunks.whole_calls,
    "role-with-text": chunks.role_with_text,
    "role-always": chunks.role_always,
    "usage-always": chunks.usage_always,
    "usage-with-finish": chunks.usage_with_finish,
    "no-usage": chunks.no_usage,
    "text-with-finish": chunks.text_with_finish,
    "thought-with-text": chunks.thought_with_text,
    "null-content": chunks.null_content,
    "null-fields": chunks.null_fields,
    "empty-choices": chunks.empty_choices,
    "no-done": chunks.no_done,
}
_PIECES: Final[dict[str, _Edit]] = {
    "large-deltas": texts.large_deltas,
    "several-parts": texts.several_parts,
    "code-points": texts.code_points,
    "empty-deltas": edits.empty_deltas,
}
_EVENTS: Final[dict[str, _Edit]] = {
    "text-with-finish": edits.text_with_finish,
    "no-parts": edits.no_parts,
    "usage-at-end": edits.usage_at_end,
    "keepalive": edits.keepalive,
    "done-mark": edits.done_mark,
    "several-blocks": messages.several_blocks,
    "more-message-deltas": messages.more_message_deltas,
    "no-ping": messages.no_ping,
    "unknown-events": messages.unknown_events,
    "pings": messages.pings,
}
_FIELDS: Final[dict[str, _Edit]] = {
    "extra-fields": edits.extra_fields,
    "obfuscation": edits.obfuscation,
    "long-lines": edits.long_lines,
    "python-json": edits.python_json,
    "padded-json": messages.padded_json,
    "comments": edits.comments,
}
_ONLY_BYTES: Final = frozenset({"batched", "unchunked", "gzip", "content-type"})
_CONTINUATION: Final = re.compile(rb"[\x80-\xbf]")
"""A byte of UTF-8 that is not the first of its character."""
_GZIP: Final = (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 65_535)


def rewritten(reply: Reply, ask: Ask, form: Form, *, gzip: bool = False) -> Reply:
    """The reply with the wires of `ask`; anything but a stream stays as it is. `gzip`: the client can read it."""
    if not ask.wires or not reply.chunked or reply.status != 200:
        return reply
    wires = frozenset(ask.wires)
    if not wires <= _ONLY_BYTES:
        reply = _reframed(reply, ask, form, wires)
    if "content-type" in wires:
        reply = replace(reply, headers=tuple(_other_type(name, value) for name, value in reply.headers))
    return _gzipped(reply) if gzip and "gzip" in wires else reply


def delayed(reply: Reply, script: Script) -> Reply:
    """The reply with its head as late as the script wants, and its body open as long behind the last event."""
    head = max(reply.head_due, script.headers)
    frames = _in_order(reply.frames, head)
    end = max(reply.end_due, head) + (script.body_end if reply.chunked and reply.end == "complete" else 0.0)
    return replace(reply, head_due=head, frames=frames, end_due=end)


def _reframed(reply: Reply, ask: Ask, form: Form, wires: frozenset[str]) -> Reply:
    dumps = writer_of(form, ask)
    events, closed = read_events(reply.frames, form)
    before = len(events)
    for name, edit in _PIECES.items():
        if name in wires:
            events = edit(events, form, dumps)
    for name, chunk_edit in _CHAT.items():
        if name in wires and form == "chat":
            events = chunk_edit(events, dumps)
    for name, edit in _EVENTS.items():
        if name in wires and form != "chat":
            events = edit(events, form, dumps)
    if form == "responses" and len(events) != before:
        events = edits.renumbered(events, dumps)
    for name, edit in _FIELDS.items():
        if name in wires:
            events = edit(events, form, dumps)
    framing = StreamFraming(
        form,
        eol="\r\n" if "crlf" in wires else "\n" if "lf" in wires else None,
        space="" if "no-space" in wires else " ",
        names="no-event-names" not in wires,
        numbered="ids" in wires,
        last_newline="no-last-newline" not in wires,
        closed=closed,
    )
    frames = _in_order(tuple(write_events(events, framing)))
    return replace(reply, frames=_split(frames, reply.end_due) if "split" in wires else frames)


def _in_order(frames: tuple[TimedFrame, ...], latest: float = 0.0) -> tuple[TimedFrame, ...]:
    """No frame is due before one that stands before it, or before `latest`, in seconds from the request."""
    ordered: list[TimedFrame] = []
    for frame in frames:
        latest = max(latest, frame.due)
        ordered.append(frame if frame.due == latest else frame._replace(due=latest))
    return tuple(ordered)


def _split(frames: tuple[TimedFrame, ...], end_due: float) -> tuple[TimedFrame, ...]:
    """Each frame in four: cut behind two bytes, in a character or in the middle, and before the last byte.

    The pieces are 3 ms apart, or less, so that the next frame keeps its time.
    """
    pieces: list[TimedFrame] = []
    for number, frame in enumerate(frames):
        payload = frame.payload
        follows = frames[number + 1].due if number + 1 < len(frames) else end_due
        step = min(SPLIT_PAUSE, max(0.0, follows - frame.due) / 4)
        within = _CONTINUATION.search(payload)
        inner = len(payload) // 2 if within is None else within.start()
        cuts = sorted({0, min(2, len(payload)), inner, max(0, len(payload) - 1), len(payload)})
        last = len(cuts) - 2
        for index in range(len(cuts) - 1):
            said = (frame.tokens, frame.text) if index == last else (0, "")
            pieces.append(TimedFrame(payload[cuts[index] : cuts[index + 1]], frame.due + index * step, *said))
    return tuple(pieces)


def _other_type(name: str, value: str) -> tuple[str, str]:
    if name != "content-type":
        return name, value
    kind, charset, _ = value.partition(";")
    return name, kind if charset else f"{kind};charset=UTF-8"


def _gzipped(reply: Reply) -> Reply:
    """The frames as one gzip file, flushed after each. Stored, not compressed: the bytes are the same everywhere."""
    head, most = _GZIP
    whole = b"".join(frame.payload for frame in reply.frames)
    frames = []
    for frame in reply.frames:
        stored = b""
        for start in range(0, len(frame.payload), most):
            part = frame.payload[start : start + most]
            stored += b"\x00" + len(part).to_bytes(2, "little") + (len(part) ^ 0xFFFF).to_bytes(2, "little") + part
        frames.append(frame._replace(payload=head + stored))
        head = b""
    if reply.end in ("complete", "close"):
        tail = zlib.crc32(whole).to_bytes(4, "little") + (len(whole) & 0xFFFFFFFF).to_bytes(4, "little")
        frames.append(TimedFrame(head + b"\x01\x00\x00\xff\xff" + tail, reply.end_due))
    return replace(reply, frames=tuple(frames), torn=b"", headers=(*reply.headers, ("content-encoding", "gzip")))
