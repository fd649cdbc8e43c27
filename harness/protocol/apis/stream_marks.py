"""What checks of the public apis look at: the data of a stream's events, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from chatproof.harness.protocol.sse_parser import Event
from chatproof.harness.protocol.transcript import Stamped, Transcript


class Datum(NamedTuple):
    """The data of one event: as text, and as the object in it, which is empty where there is none."""

    stamped: Stamped
    text: str
    body: dict[str, Any]


def data_of(transcript: Transcript) -> Iterator[Datum]:
    """The data of all events that have some."""
    for stamped in transcript.items:
        if isinstance(stamped.item, Event) and stamped.item.data:
            body = stamped.decoded[0].body if stamped.decoded else None
            yield Datum(stamped, "\n".join(stamped.item.data), body or {})
