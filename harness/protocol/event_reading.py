"""How the data of one event is read: decoded, and handed to the api, which says what it means."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chatproof.harness.protocol.apis.api import Api, Part
from chatproof.harness.protocol.messages import Decoded, JsonFault, JsonObject, decode_object
from chatproof.harness.protocol.sse_parser import Event


class PartRead(NamedTuple):
    """What an event says, the object that it says it in, and when that had come whole."""

    part: Part
    body: JsonObject
    at: float


def read_event(
    event: Event, api: Api, whole: float, arrival: Callable[[int], float]
) -> tuple[tuple[Decoded, ...], list[PartRead]]:
    """Read an event's data: the objects in it, and what the api makes of them.

    Several `data` lines are one text to the standard; where that is no JSON, but each line is, a blank line was
    forgotten, and each is read for what it is.

    Args:
        whole: when the event had come, in seconds.
        arrival: when the byte at an offset of the body came.
    """
    if not (lines := event.data):
        return (), []
    name = event.name  # looks at all fields: once, since there may be 30,000
    text = lines[0] if len(lines) == 1 else "\n".join(lines)
    decoded = decode_object(text)
    if len(lines) == 1 or api.reads_raw or JsonFault.NOT_JSON not in decoded.faults:
        body = decoded.body
        return (decoded,), [PartRead(part, body or {}, whole) for part in api.read(name, text, body)]
    found = tuple(map(decode_object, lines))
    ends = [field.end for field in event.fields if field.name == "data"]
    parts = [
        PartRead(part, one.body or {}, arrival(end - 1))  # each came with its own line
        for line, one, end in zip(lines, found, ends, strict=True)
        for part in api.read(name, line, one.body)
    ]
    return found, parts
