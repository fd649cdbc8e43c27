"""The wires of chat completions that change its chunks: choices, roles, nulls, usage and tool calls."""

from __future__ import annotations

from typing import Any

from chatproof.fake_providers.dialects.azure.content_filter import first_chunk
from chatproof.fake_providers.wires.delta_texts import Dumps, Value
from chatproof.fake_providers.wires.stream_events import DONE, StreamEvent

_THOUGHTS = ("reasoning", "reasoning_content")
_FIELDS = ("content", "role", "refusal", "function_call", "tool_calls", "reasoning_content")


def empty_choices(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """Azure's first chunk: what its filter thinks of the prompt, without an id and a model."""
    return [StreamEvent(dumps(first_chunk()), events[0].due if events else 0.0), *events]


def no_done(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """Without the end mark."""
    return [event for event in events if event.data != DONE]


def role_with_text(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """No chunk of its own for the role: the next one of that choice has it."""
    kept: list[StreamEvent] = []
    opened: dict[int, Value] = {}
    for event in events:
        value, choice = _chunk(event)
        if choice is not None:
            index = choice.get("index", 0)
            if index in opened:
                choice["delta"] = {**opened.pop(index), **choice["delta"]}
                event.data = dumps(value)
            elif choice["delta"].get("role") and not _says(choice) and not choice.get("finish_reason"):
                opened[index] = choice["delta"]
                continue
        kept.append(event)
    return kept


def role_always(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """The role in every delta."""
    for event in events:
        value, choice = _chunk(event)
        if choice is not None:
            choice["delta"] = {"role": "assistant", **choice["delta"]}
            event.data = dumps(value)
    return events


def null_content(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """`content: null` in every delta without a text."""
    for event in events:
        value, choice = _chunk(event)
        if choice is not None and not choice["delta"].get("content"):
            choice["delta"]["content"] = None
            event.data = dumps(value)
    return events


def null_fields(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """Every delta has all its fields, null where it says nothing."""
    for event in events:
        value, choice = _chunk(event)
        if choice is not None:
            choice["delta"] = dict.fromkeys(_FIELDS) | choice["delta"]
            event.data = dumps(value)
    return events


def text_with_finish(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """The finish reason is in the last chunk that says something, and the chunk that had it is left out."""
    kept: dict[int, StreamEvent] = {}
    spoken: dict[int, int] = {}
    for number, event in enumerate(events):
        kept[number] = event
        value, choice = _chunk(event)
        if value is None or choice is None:
            continue
        index = choice.get("index", 0)
        if choice.get("finish_reason") and not _says(choice) and index in spoken:
            last = kept[spoken[index]]
            before, said = _chunk(last)
            assert before, "it was a chunk with a choice"
            ended = {**(said or {}), "finish_reason": choice["finish_reason"]}
            last.data = dumps({**before, **value, "choices": [ended]})
            del kept[number]
            # What follows in the same write as the last chunk keeps the order of the tokens.
            last.holds_what(event)
        elif _says(choice):
            spoken[index] = number
    return list(kept.values())


def thought_with_text(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """The first text is in the chunk with the last thought before it."""
    kept: dict[int, StreamEvent] = {}
    thoughts: dict[int, int] = {}
    for number, event in enumerate(events):
        kept[number] = event
        value, choice = _chunk(event)
        if choice is None:
            continue
        index = choice.get("index", 0)
        if any(choice["delta"].get(name) for name in _THOUGHTS):
            thoughts[index] = number
        elif _says(choice) and index in thoughts:
            earlier = kept[thoughts.pop(index)]
            _, thought = _chunk(earlier)
            if thought is not None and choice["delta"].get("content"):
                choice["delta"] = {**thought["delta"], **choice["delta"]}
                event.data, event.cuts = dumps(value), ()
                event.holds_what(earlier)
                kept = {at: one for at, one in kept.items() if one is not earlier}
    return list(kept.values())


def usage_with_finish(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """The usage is in the chunk with the finish reason, and the chunk that had it is left out."""
    usage = next((number for number, event in enumerate(events) if _is_usage(event.value)), None)
    if usage is None:
        return events
    final = events[usage].value or {}
    for event in reversed(events[:usage]):
        value, choice = _chunk(event)
        if value is not None and choice is not None:
            value["usage"] = final["usage"]
            event.data = dumps(value)
            event.holds_what(events.pop(usage))
            break
    return events


def no_usage(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """As for a request that asks for no usage."""
    kept = [event for event in events if not _is_usage(event.value)]
    for event in kept:
        if (value := event.value) is not None and "usage" in value:
            del value["usage"]
            event.data = dumps(value)
    return kept


def usage_always(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """Each chunk has the usage up to it."""
    final: Value = next((event.value or {} for event in events if _is_usage(event.value)), {})
    if not final:
        return events
    found = [(event, *_chunk(event)) for event in events]
    choices = 1 + max((choice.get("index", 0) for _, _, choice in found if choice is not None), default=0)
    heard, said = final["usage"]["prompt_tokens"], 0
    for event, value, choice in found:
        said += event.tokens * choices
        if value is not None and choice is not None:
            counts = {"completion_tokens": said, "total_tokens": heard + said}
            value["usage"] = {**final["usage"], **counts}
            event.data = dumps(value)
    return events


def whole_calls(events: list[StreamEvent], dumps: Dumps) -> list[StreamEvent]:
    """Each tool call in one chunk, when the last of its arguments is due."""
    kept: dict[int, StreamEvent] = {}
    begun: dict[tuple[int, int], int] = {}
    for number, event in enumerate(events):
        kept[number] = event
        _, choice = _chunk(event)
        calls = choice["delta"].get("tool_calls") if choice is not None else None
        if choice is None or not calls or len(calls) != 1:
            continue
        place = (choice.get("index", 0), calls[0].get("index", 0))
        if place in begun:
            earlier = kept.pop(begun[place])
            whole, started = _chunk(earlier)
            assert started is not None, "it was a chunk with a call"
            (call,) = started["delta"]["tool_calls"]
            more = (calls[0].get("function") or {}).get("arguments") or ""
            call["function"]["arguments"] = (call["function"].get("arguments") or "") + more
            event.holds_what(earlier)
            event.data, event.cuts = dumps(whole), ()
        begun[place] = number
    return list(kept.values())


def _chunk(event: StreamEvent) -> tuple[Value | None, dict[str, Any] | None]:
    """The event's chunk and its choice; None where it has none. A chunk of these fakes has one choice at most."""
    value = event.value
    choices = (value or {}).get("choices")
    return value, choices[0] if choices and isinstance(choices[0].get("delta"), dict) else None


def _says(choice: dict[str, Any]) -> bool:
    return any(choice["delta"].get(name) for name in choice["delta"] if name != "role")


def _is_usage(value: Value | None) -> bool:
    return value is not None and value.get("choices") == [] and bool(value.get("usage"))
