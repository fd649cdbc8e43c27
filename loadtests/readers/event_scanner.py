"""The fast parser: finds the events of a stream and where each ends, without decoding the tokens.

It must agree with `harness.protocol`, which judges a sample of the same streams: whatever it does not recognise at a
glance it hands to that parser's own `decode_object` and `classify`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from chatproof.harness.protocol.apis.chat_stream.chat_stream import classify
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import Decoded, JsonFault, Kind, decode_object

_TOKEN_STARTS = (b'{"token": "', b'{"token":"')
_EVENT_KINDS = {"chat_token": Kind.TOKEN, "chat_complete": Kind.COMPLETION, "chat_stream_error": Kind.ERROR}


class ScannedEvent(NamedTuple):
    """One event. `end`: offset after its last byte. `body`: None for a token that was not decoded."""

    kind: Kind
    end: int
    body: dict[str, Any] | None = None


def kind_at_a_glance(data: bytes) -> Kind | None:
    """`TOKEN` where the object is clearly one; None where it must be decoded."""
    plain = data.startswith(_TOKEN_STARTS) and data.endswith(b"}")
    # these bytes are keys, or whole strings: inside a string quotes are escaped
    return Kind.TOKEN if plain and b'"error"' not in data and b'"done"' not in data else None


def sse_events(body: bytes, *, whole: bool = True) -> tuple[list[ScannedEvent], list[str]]:
    """The events of a `text/event-stream` body, and one line for each fault in it.

    Where the body is not `whole`, the line and the event at the cut are not faults.
    """
    simple = _simple_events(body) if whole else None
    if simple is not None:
        return simple, []
    found: list[ScannedEvent] = []
    faults: list[str] = []
    lines: list[tuple[bytes, int]] = []  # data lines of the open event and where each ends
    start = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    length = len(body)
    while start < length:
        end = body.find(b"\n", start)
        stop = length if end < 0 else end
        line = body[start:stop]
        start = stop + 1
        if line.endswith(b"\r"):
            line = line[:-1]
        if line.startswith(b"data:"):
            lines.append((line[6:] if line.startswith(b"data: ") else line[5:], min(start, length)))
        elif not line:
            if lines:
                _take(lines, min(start, length), found, faults)
                lines = []
        elif line == b"data":
            lines.append((b"", min(start, length)))
        elif not line.startswith((b":", b"event", b"id", b"retry")) and (whole or end >= 0):
            faults.append(f"a line that is not SSE: {shown(line, 80)}")
    if lines:
        _take(lines, length, found, faults if whole else [])
        if whole and not faults:
            faults.append("the last event has no blank line after it")
    return found, faults


def _simple_events(body: bytes) -> list[ScannedEvent] | None:
    """The events of a body in which every event is one `data: ` line with one object; None for any other."""
    if b"\r" in body or not body.endswith(b"\n\n"):
        return None
    found: list[ScannedEvent] = []
    end = 0
    for line in body[:-2].split(b"\n\n"):
        if b"\n" in line or not line.startswith(b"data: "):
            return None
        end += len(line) + 2
        data = line[6:]
        if kind_at_a_glance(data) is not None:
            found.append(ScannedEvent(Kind.TOKEN, end))
            continue
        decoded = _decoded(data)
        if decoded.body is None:
            return None
        found.append(ScannedEvent(classify(decoded.body), end, decoded.body))
    return found


def _take(lines: list[tuple[bytes, int]], end: int, found: list[ScannedEvent], faults: list[str]) -> None:
    if len(lines) == 1 and (kind := kind_at_a_glance(lines[0][0])) is not None:
        found.append(ScannedEvent(kind, end))
        return
    whole = _decoded(b"\n".join(data for data, _ in lines))
    if len(lines) == 1 or JsonFault.NOT_JSON not in whole.faults:
        _add(whole, lines[0][0], end, found, faults)
        return
    for data, its_end in lines:
        _add(_decoded(data), data, its_end, found, faults)


def _decoded(data: bytes) -> Decoded:
    return decode_object(data.decode("utf-8", "replace"))


def _add(decoded: Decoded, data: bytes, end: int, found: list[ScannedEvent], faults: list[str]) -> None:
    if decoded.body is None:
        faults.append(f"data that is not a JSON object: {shown(data, 80)}")
    else:
        found.append(ScannedEvent(classify(decoded.body), end, decoded.body))


def socket_event(packet: bytes) -> ScannedEvent | None:
    """The chat event in a Socket.IO packet of the default namespace; None for any other packet. `end` is 0."""
    if packet.startswith(b'42["chat_token",'):
        return ScannedEvent(Kind.TOKEN, 0) if packet.endswith(b"}]") else None
    if packet.startswith((b'42["chat_complete",', b'42["chat_stream_error",')) and packet.endswith(b"]"):
        name, _, rest = packet[4:].partition(b'",')
        decoded = decode_object(rest[:-1].decode("utf-8", "replace"))
        return ScannedEvent(_EVENT_KINDS[name.decode()], 0, decoded.body or {})
    return None


def may_end(packet: bytes) -> bool:
    """Whether a packet is the terminal event of a reply."""
    return packet.startswith((b'42["chat_complete"', b'42["chat_stream_error"'))
