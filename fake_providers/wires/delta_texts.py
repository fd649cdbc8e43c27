"""The text in an event of each form, and the wires that spread a reply's text over its events in another way."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from copy import deepcopy
from dataclasses import replace
from typing import Any, Final

from chatproof.fake_providers.scripting.wire_table import Form
from chatproof.fake_providers.wires.stream_events import StreamEvent

Value = dict[str, Any]
Dumps = Callable[[Any], str]

_MERGED: Final = 5
_MOST_SPLIT: Final = 5_000
"""The most code points that get an event of their own, so that no script exhausts time and memory."""
_MARK: Final = "\ue000 a code point"


def text_of(form: Form, value: Value) -> str:
    """The text of an event that holds nothing else; empty for all other events."""
    if form == "chat":
        choices = value.get("choices") or [{}]
        delta = choices[0].get("delta") or {}
        alone = len(choices) == 1 and not choices[0].get("finish_reason") and delta.keys() <= {"role", "content"}
        return delta.get("content") or "" if alone else ""
    if form == "responses":
        return str(value["delta"]) if value.get("type") == "response.output_text.delta" else ""
    if form == "messages":
        return str((value.get("delta") or {}).get("text") or "") if value.get("type") == "content_block_delta" else ""
    if form == "ollama":
        message = value.get("message") or {}
        alone = not value.get("done") and message.keys() <= {"role", "content"} and "tool_calls" not in value
        return (message.get("content") or value.get("response") or "") if alone and not value.get("thinking") else ""
    candidates = value.get("candidates") or [{}]
    parts = (candidates[0].get("content") or {}).get("parts") or [{}]
    alone = len(parts) == 1 and parts[0].keys() == {"text"} and "finishReason" not in candidates[0]
    return str(parts[0]["text"]) if alone else ""


def say(form: Form, value: Value, text: str) -> None:
    """Put another text into an event that `text_of` found a text in."""
    if form == "chat":
        value["choices"][0]["delta"]["content"] = text
    elif form == "responses":
        value["delta"] = text
    elif form == "messages":
        value["delta"]["text"] = text
    elif form == "ollama":
        value.update({"message": {**value["message"], "content": text}} if "message" in value else {"response": text})
    else:
        for candidate in value["candidates"]:  # with several candidates, all say the same
            first = candidate["content"].get("parts", [{}])[0]  # the last one may have a signature
            candidate["content"]["parts"] = [{**first, "text": text}]


def large_deltas(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """Up to five texts in one event, when the last of them is due."""
    return _joined(events, form, dumps, _MERGED, lambda value, text, before: say(form, value, before + text))


def several_parts(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """Two texts in one event, as two parts of each of Gemini's candidates."""

    def both(value: Value, text: str, before: str) -> None:
        for candidate in value["candidates"]:
            candidate["content"]["parts"] = [{"text": before}, {"text": text}]

    return _joined(events, form, dumps, 2, both)


def code_points(events: list[StreamEvent], form: Form, dumps: Dumps) -> list[StreamEvent]:
    """Each code point of a text in an event of its own, all due together."""
    kept: list[StreamEvent] = []
    for event in events:
        value = event.value
        text = text_of(form, value) if value is not None else ""
        if value is None or len(text) < 2 or len(kept) > _MOST_SPLIT:
            kept.append(event)
            continue
        piece = deepcopy(value)
        say(form, piece, _MARK)
        _without_logprobs(form, piece)
        template, mark = dumps(piece), dumps(_MARK).strip()  # Google's JSON ends with a newline
        for one in text[:-1]:
            data = template.replace(mark, dumps(one).strip())
            kept.append(StreamEvent(data, event.due, 0, one if event.text else "", event.name))
        say(form, value, text[-1])
        kept.append(replace(event, data=dumps(value), text=text[-1] if event.text else "", cuts=()))
    return kept


def _joined(
    events: list[StreamEvent], form: Form, dumps: Dumps, most: int, put: Callable[[Value, str, str], None]
) -> list[StreamEvent]:
    """The events with up to `most` texts of the same place in one; `put` writes text and what came before it."""
    kept: dict[int, StreamEvent] = {}
    held: dict[Hashable, tuple[int, str, int, Value]] = {}
    for number, event in enumerate(events):
        value = event.value
        text = text_of(form, value) if value is not None else ""
        kept[number] = event
        if value is None or not text:
            held.clear()
            continue
        place = _place(form, value)
        count = 1
        if place in held:
            earlier, before, count, old = held.pop(place)
            event.holds_what(kept.pop(earlier))
            event.cuts = ()
            _join_logprobs(form, value, old)
            put(value, text, before)
            event.data, text, count = dumps(value), before + text, count + 1
        if count < most:
            held[place] = number, text, count, value
    return list(kept.values())


def _place(form: Form, value: Value) -> Hashable:
    """Which of several texts that are streamed side by side an event belongs to."""
    if form == "chat":
        return int(value["choices"][0].get("index", 0))
    if form == "messages":
        return int(value["index"])
    return (value.get("item_id"), value.get("content_index")) if form == "responses" else None


def _logprobs(form: Form, value: Value) -> list[Any]:
    found = (value["choices"][0].get("logprobs") or {}).get("content") if form == "chat" else value.get("logprobs")
    return found if isinstance(found, list) else []


def _join_logprobs(form: Form, value: Value, earlier: Value) -> None:
    _logprobs(form, value)[:0] = _logprobs(form, earlier)


def _without_logprobs(form: Form, value: Value) -> None:
    """The last piece of a text has the log probabilities of all of it."""
    if form == "chat" and value["choices"][0].get("logprobs"):
        value["choices"][0]["logprobs"] = None
    else:
        _logprobs(form, value).clear()
