"""The wires of Anthropic's messages that change their events: pings, unknown events, more blocks, more deltas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from chatproof.fake_providers.scripting.wire_table import Form
from chatproof.fake_providers.wires.delta_texts import Dumps, text_of
from chatproof.fake_providers.wires.stream_events import StreamEvent

_EVERY: Final = 3
_LONG: Final = 70_000
"""More than 64 KB, where Go's bufio.Scanner and others give up."""
_BLANKS: Final = " " * 7


def pings(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """A `ping` at once, and one before every third event."""
    if not events:
        return events
    kept = [StreamEvent('{"type": "ping"}', 0.0, name="ping")]
    for number, event in enumerate(events):
        if number and number % _EVERY == 0:
            kept.append(StreamEvent('{"type": "ping"}', event.due, name="ping"))
        kept.append(event)
    return kept


def no_ping(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """Without the `ping` that follows the first block's start."""
    return [event for event in events if event.name != "ping"]


def unknown_events(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """An event that no client knows before every third one. It has a text, which is not the reply's."""
    kept: list[StreamEvent] = []
    for number, event in enumerate(events):
        if number and number % _EVERY == 0:
            value = {"type": "x_progress", "index": 0, "delta": {"type": "x_progress_delta", "text": "not the reply"}}
            kept.append(StreamEvent(dumps(value), event.due, name="x_progress"))
        kept.append(event)
    return kept


def several_blocks(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """The first block of text is two: the second begins with the second half of its deltas."""
    spoken = [(number, value) for number, event in enumerate(events) if (value := _delta(event)) is not None]
    if not spoken:
        return events
    index = spoken[0][1]["index"]
    places = [number for number, value in spoken if value["index"] == index]
    if len(places) < 2:
        return events
    cut = places[len(places) // 2]
    due = events[cut].due
    stop = {"type": "content_block_stop", "index": index}
    start = {"type": "content_block_start", "index": index + 1, "content_block": {"type": "text", "text": ""}}
    between = [StreamEvent(dumps(value), due, name=str(value["type"])) for value in (stop, start)]
    return [*events[:cut], *between, *_counted_on(events[cut:], dumps)]


def more_message_deltas(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """A `message_delta` that only counts, before the one with the stop reason."""
    kept: list[StreamEvent] = []
    for event in events:
        value = event.value
        if value is not None and value.get("type") == "message_delta":
            nothing = {"stop_reason": None, "stop_sequence": None, "stop_details": None, "container": None}
            kept.append(StreamEvent(dumps({**value, "delta": nothing}), event.due, name=event.name))
        kept.append(event)
    return kept


def padded_json(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """Blanks before the last brace of each event."""
    for event in events:
        if event.data is not None and event.value is not None:
            event.data = f"{event.data.removesuffix('}')}{_BLANKS}}}"
    return events


def long_citation(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """Behind the first text a citation of more than 64 KB, as an answer about a document has it."""
    for number, event in enumerate(events):
        if (value := _delta(event)) is not None:
            cited = "The document goes on. " * (_LONG // 22 + 1)
            place = {"type": "char_location", "document_index": 0, "document_title": None, "file_id": None}
            citation = {**place, "cited_text": cited, "start_char_index": 0, "end_char_index": len(cited)}
            delta = {"type": "citations_delta", "citation": citation}
            long = StreamEvent(dumps({**value, "delta": delta}), event.due, name=event.name)
            return [*events[: number + 1], long, *events[number + 1 :]]
    return events


def _delta(event: StreamEvent) -> dict[str, Any] | None:
    """The event, if it says something of the answer."""
    value = event.value
    return value if value is not None and text_of("messages", value) else None


def _counted_on(events: list[StreamEvent], dumps: Dumps) -> Iterator[StreamEvent]:
    """The events with each index one higher."""
    for event in events:
        value = event.value
        if value is not None and "index" in value:
            event.data = dumps({**value, "index": value["index"] + 1})
        yield event
