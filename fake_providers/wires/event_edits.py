"""The wires of the other forms, and those that several forms have: further events, fields, long lines, JSON."""

from __future__ import annotations

import json
import string
from itertools import cycle, islice
from typing import Any, Final

from chatproof.fake_providers.scripting.wire_table import Form
from chatproof.fake_providers.wires.delta_texts import Dumps, Value, say, text_of
from chatproof.fake_providers.wires.message_events import long_citation
from chatproof.fake_providers.wires.stream_events import DONE, StreamEvent

_LONG: Final = 70_000
"""More than 64 KB, where Go's bufio.Scanner and others give up."""
_COMMENT: Final = "OPENROUTER PROCESSING"
_EVERY: Final = 3
_BLOCK: Final = 16


def comments(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """A comment at once and one halfway to the first event, and then one before every third event."""
    if not events:
        return events
    first = events[0].due
    kept = [StreamEvent(None, due, comment=_COMMENT) for due in (0.0, first / 2)]
    for number, event in enumerate(events):
        if number and number % _EVERY == 0:
            kept.append(StreamEvent(None, event.due, comment=_COMMENT))
        kept.append(event)
    return kept


def keepalive(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """A `keepalive` event before every third event of a response; the numbers count it."""
    kept: list[StreamEvent] = []
    for number, event in enumerate(events):
        if number and number % _EVERY == 0 and event.data is not None:
            kept.append(StreamEvent(dumps({"type": "keepalive", "sequence_number": 0}), event.due, name="keepalive"))
        kept.append(event)
    return kept


def done_mark(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """`[DONE]` after a finished response."""
    over = ("response.completed", "response.incomplete", "response.failed")
    if events and (events[-1].value or {}).get("type") in over:
        return [*events, StreamEvent(DONE, events[-1].due)]
    return events


def empty_deltas(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """An event with an empty text before the first and every third text after it."""
    kept: list[StreamEvent] = []
    texts = 0
    for event in events:
        value = event.value
        if value is not None and text_of(form, value):
            if texts % _EVERY == 0:
                say(form, value, "")
                kept.append(StreamEvent(dumps(value), event.due, name=event.name))
            texts += 1
        kept.append(event)
    return kept


def text_with_finish(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """Gemini, Ollama: the last event says the last text too. A candidate that the filter stopped has no content."""
    if len(events) < 2:
        return events
    last, before = events[-1].value, events[-2].value
    text = text_of(form, before) if before is not None else ""
    if last is None or not text or (form == "ollama" and last.get("done") is not True):
        return events
    ended = last.get("candidates") or [{}]
    if form != "ollama" and not all({"finishReason", "content"} <= one.keys() for one in ended):
        return events
    say(form, last, text)
    events[-2].data = dumps(last)
    events[-2].holds_what(events.pop())
    return events


def no_parts(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """The content of Gemini's last event is only a role."""
    value = events[-1].value if events else None
    for candidate in (value or {}).get("candidates") or ():
        if "finishReason" in candidate and candidate.get("content", {}).get("parts") == [{"text": ""}]:
            del candidate["content"]["parts"]
            events[-1].data = dumps(value)
    return events


def usage_at_end(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """Gemini counts the reply's tokens in the last event only."""
    for event in events[:-1]:
        value = event.value
        if value is not None and (usage := value.get("usageMetadata")):
            for name in ("candidatesTokenCount", "thoughtsTokenCount"):
                usage.pop(name, None)
            usage["totalTokenCount"] = usage.get("promptTokenCount", 0)
            event.data = dumps(value)
    return events


def extra_fields(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """Unknown fields before the known ones, in the event and in its choices or candidates."""
    for event in events:
        if (value := event.value) is None:
            continue
        more: Value = {"provider": "Fake", "x_trace": {"region": "eu", "hops": [1, 2]}}
        for name in ("choices", "candidates"):
            if value.get(name):
                value[name] = [{"x_native_reason": None, "x_scores": [0.5], **one} for one in value[name]]
        event.data = dumps({**more, **value})
    return events


def obfuscation(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """Letters that fill each delta up to a multiple of 16 characters."""
    for event in events:
        value = event.value
        if value is not None and (text := text_of(form, value)):
            event.data = dumps({**value, "obfuscation": _letters(_BLOCK - len(text) % _BLOCK)})
    return events


def long_lines(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """The first event with a text (or else with JSON) is longer than 64 KB, by a field that its API has. Anthropic's
    have none: there, an event of its own is.
    """
    if form == "messages":
        return long_citation(events, dumps)
    with_json = [(event, value) for event in events if (value := event.value) is not None]
    spoken = [(event, value) for event, value in with_json if text_of(form, value)]
    for event, value in (spoken or with_json)[:1]:
        if form == "ollama":
            one = {"token": "x", "logprob": -1.5, "bytes": [120]}
            value["logprobs"] = [{**one, "top_logprobs": [one] * 20}] * (_LONG // 800)
        elif form in ("chat", "responses"):
            value["obfuscation"] = _letters(_LONG)
        else:
            for candidate in value.get("candidates") or ():
                candidate["groundingMetadata"] = {"searchEntryPoint": {"renderedContent": _letters(_LONG)}}
        event.data = dumps(value)
    return events


def python_json(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """ASCII only, so characters beyond U+FFFF are surrogate pairs, and a space after each comma and colon."""
    for event in events:
        if (value := event.value) is not None:
            event.data = json.dumps(value)
    return events


def renumbered(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """The events of a response with their sequence numbers counted anew."""
    number = 0
    for event in events:
        value: dict[str, Any] | None = event.value
        if value is not None and "sequence_number" in value:
            if value["sequence_number"] != number:
                value["sequence_number"] = number
                event.data = dumps(value)
            number += 1
    return events


def _letters(count: int) -> str:
    return "".join(islice(cycle(string.ascii_letters), count))
