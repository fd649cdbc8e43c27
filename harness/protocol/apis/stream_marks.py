"""What checks of the public apis look at: the data of a stream's events, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.sse_parser import Event
from chatproof.harness.protocol.transcript import End, Stamped, Transcript


class Datum(NamedTuple):
    """The data of one event: as text, and as the object in it, which is empty where there is none."""

    stamped: Stamped
    text: str
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """The object's `type`; empty where it has none."""
        kind = self.body.get("type")
        return kind if isinstance(kind, str) else ""

    @property
    def is_dropped(self) -> bool:
        """Whether the stream ended before the blank line: the standard has clients drop such an event."""
        item = self.stamped.item
        return isinstance(item, Event) and not item.closed

    def breaks(self, seen: str, expected: str) -> Violation:
        """The finding that this event is not as it should be."""
        return Violation(seen, expected, self.stamped.at, self.stamped)


def data_of(transcript: Transcript) -> Iterator[Datum]:
    """The data of all events that have some."""
    for stamped in transcript.items:
        if isinstance(stamped.item, Event) and stamped.item.data:
            body = stamped.decoded[0].body if stamped.decoded else None
            yield Datum(stamped, "\n".join(stamped.item.data), body or {})


def no_objects(transcript: Transcript, end_mark: str = "") -> Iterator[Violation]:
    """The first event whose data is no JSON object, nor the end mark, which official clients take for an error.

    What the connection's end has cut in two is another row's business.
    """
    for one in data_of(transcript):
        is_cut = transcript.end is not End.COMPLETE and one.stamped.item.end >= transcript.length
        is_object = all(part.body is not None for part in one.stamped.decoded)
        if not (is_object or is_cut or (end_mark and one.text.strip() == end_mark)):
            wanted = "one JSON object in each event" + (f", and the end mark {end_mark}" if end_mark else "")
            yield one.breaks(f"data: {shown(one.text, 120)}", wanted)
            return
