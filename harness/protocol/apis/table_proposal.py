"""Find in captured replies where the text, the end and the error are: a proposal for the table of an own api.

The text is what grows: the place whose strings, joined, or each longer than the one before, make up a text. The end is
what stands in the last events of a whole reply and nowhere before. Names only decide between places that fit alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from chatproof.harness.protocol.apis.captured_reply import is_value
from chatproof.harness.protocol.apis.event_rule import EventRule, Scalar, SeenEvent
from chatproof.harness.protocol.apis.json_pointer import ABSENT, Pointer
from chatproof.harness.protocol.apis.table_api import EventRules, TextRule

DEEPEST, MOST_PLACES = 8, 500
FIRST, LAST = 200, 100  # events of a reply that are looked at
MOST_KINDS, LONGEST_KIND = 12, 40  # kinds of events of one server; characters of the name of one
# what servers call a reply's text; its thoughts; an end; an error; what says of which kind an event is
_TEXTS: Final = (
    "content",
    "text",
    "delta",
    "token",
    "answer",
    "message",
    "response",
    "output",
    "chunk",
    "value",
    "data",
)
_THOUGHTS: Final = re.compile(r"reason|think|thought|analysis", re.IGNORECASE)
_ENDS: Final = re.compile(r"done|finish|final|end\b|ended|\bend|complete|stop|close|last|ready|success", re.IGNORECASE)
_END_WORD: Final = re.compile(r"(done|finish(ed)?|end(ed)?|completed?|stop(ped)?|closed?|succeeded)", re.IGNORECASE)
_STEPS: Final = re.compile(r"step|text|block|part|item|tool|content|usage|meta", re.IGNORECASE)  # ends of those
_ERRORS: Final = re.compile(r"err(or)?s?\b|error|fail|exception|fault|problem|abort|broke|trouble|oops", re.IGNORECASE)
_KINDS: Final = ("type", "event", "kind", "object", "op", "action", "status", "state", "channel", "phase", "role")
_MESSAGES: Final = ("message", "error", "text", "detail", "reason", "description", "errortext", "content", "msg")
_NO_TEXT: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{20,}|[0-9a-f]{16,}|\d{4}-\d\d-\d\dT[\d:.]+\S*|[A-Za-z]+[-_][A-Za-z0-9]{12,}|-?\d+(\.\d+)?"
)


@dataclass(slots=True)
class Proposal:
    """What was found; `unseen` says what was not, one line each. `reading` is None where no text was found."""

    reading: EventRules | None = None
    closes: bool = False
    unseen: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Growth:
    """A place whose strings make up a text, in the events that a rule is about. The one of highest rank fits."""

    rule: EventRule
    snapshot: bool
    pieces: int
    rank: tuple[int, ...]


_Pieces = list[tuple[SeenEvent, str]]


def propose(replies: Sequence[Sequence[SeenEvent]]) -> Proposal:
    """Look at one or more replies; a failed one among them shows the error."""
    found = Proposal()
    replies = [[*events[:FIRST], *events[FIRST:][-LAST:]] for events in replies]
    errors = list(dict.fromkeys(rule for events in replies if (rule := _error(events))))
    failed = [any(rule.means(seen) for rule in errors for seen in events) for events in replies]
    kept = [[seen for seen in events if not any(rule.means(seen) for rule in errors)] for events in replies]
    growths = [growth for events in kept if (growth := _text(events))]
    if not growths:
        return found
    best = max(growths, key=lambda one: (one.pieces > 1, one.rank))
    text = TextRule(best.rule, best.snapshot)
    if best.pieces == 1:
        found.unseen.append("whether the text grows: it comes in one event only; a longer reply shows it")
    good = [events for events, has_failed in zip(kept, failed, strict=True) if not has_failed]
    broken = [seen for events, has_failed in zip(kept, failed, strict=True) if has_failed for seen in events]
    ends = [end for events in good if (end := _end(events, text, broken))]
    if not good:
        found.unseen.append(
            "the end: each sample is a reply that failed; add one that went well with a second --sample"
        )
    elif not ends:
        found.closes = True
        found.unseen.append("the end: no event tells it, so close = true takes the end of the body for it")
    if not errors:
        found.unseen.append("the error: no sample holds one; add a reply that fails with a second --sample")
    found.reading = EventRules((text,), tuple(dict.fromkeys(ends))[:1], tuple(errors))
    return found


# -- which events are of one kind


def _kinds(events: Sequence[SeenEvent]) -> dict[Pointer, int]:
    """The places that say of which kind an event is, and how many kinds there are."""
    found: dict[Pointer, list[str]] = {}
    for seen in events:
        for pointer, value in leaves(seen.value):
            if isinstance(value, str):
                found.setdefault(pointer, []).append(value)
    kinds = {}
    for pointer, values in found.items():
        several = len(set(values))
        is_named = bool(pointer.steps) and pointer.steps[-1].lower() in _KINDS
        is_short = all(re.fullmatch(rf"[!-~]{{1,{LONGEST_KIND}}}", value) for value in values)
        is_short = is_short and not all(_NO_TEXT.fullmatch(value) for value in values)
        if (
            is_short
            and several <= MOST_KINDS
            and (is_named or (len(values) == len(events) and 2 * several <= len(values)))
        ):
            kinds[pointer] = several
    return kinds


# -- the text


def _text(events: Sequence[SeenEvent]) -> _Growth | None:
    return max(_growths(events), key=lambda one: one.rank, default=None)


def _growths(events: Sequence[SeenEvent]) -> Iterator[_Growth]:
    kinds = _kinds(events)
    strings: dict[Pointer, _Pieces] = {}
    for seen in events:
        for pointer, value in leaves(seen.value):
            if isinstance(value, str) and value:
                strings.setdefault(pointer, []).append((seen, value))
    names = len({seen.name for seen in events})
    for pointer, pieces in strings.items():
        for rule, group in _groups(pointer, pieces, kinds, names > 1):
            if growth := _growth(rule, group, kinds):
                yield growth
    plain = [seen for seen in events if not is_value(seen)]  # `data: Hello`
    if len(plain) > 1 or (plain and not strings):
        common = max((seen.name for seen in plain), key=[seen.name for seen in plain].count)
        raw = [(seen, seen.text) for seen in plain if seen.name == common]
        if len(raw) > 1 and _looks_like_a_mark(raw[-1][1]):
            del raw[-1]
        if growth := _growth(EventRule(event=common if names > 1 else "", raw=True), raw, {}):
            yield growth


def _groups(
    pointer: Pointer, pieces: _Pieces, kinds: Mapping[Pointer, int], has_names: bool
) -> Iterator[tuple[EventRule, _Pieces]]:
    """All pieces at a place, and those of the events of one name, and of those of one kind."""
    yield EventRule(pointer=pointer), pieces
    if has_names:
        for name in dict.fromkeys(seen.name for seen, _ in pieces):
            yield EventRule(event=name, pointer=pointer), [one for one in pieces if one[0].name == name]
    for place, several in kinds.items():
        if place == pointer or several < 2:
            continue
        for value in dict.fromkeys(place.find(seen.value) for seen, _ in pieces):
            if isinstance(value, str):
                group = [one for one in pieces if place.find(one[0].value) == value]
                yield EventRule(where=place, equals=value, pointer=pointer), group


def _growth(rule: EventRule, pieces: _Pieces, kinds: Collection[Pointer]) -> _Growth | None:
    """What strings make up, or None where they are no text."""
    texts = [text for _, text in pieces]
    if len(set(texts)) < min(len(texts), 2) or all(_NO_TEXT.fullmatch(text) for text in texts):
        return None
    if rule.pointer and rule.pointer in kinds and not any(re.search(r"\s", text) for text in texts):
        return None  # names of kinds are no text
    snapshot = len(texts) > 1 and _grows(texts)
    whole = texts[-1] if snapshot else "".join(texts)
    told = {seen.name for seen, _ in pieces} | {str(place.find(seen.value)) for seen, _ in pieces for place in kinds}
    is_thought = bool(_THOUGHTS.search(f"{rule.pointer.text if rule.pointer else ''} {' '.join(told)}"))
    key = rule.pointer.steps[-1].lower() if rule.pointer and rule.pointer.steps else ""
    is_one_kind = all(len({str(place.find(seen.value)) for seen, _ in pieces}) == 1 for place in kinds)
    repeats = not snapshot and len(texts) > 2 and texts[-1].strip() == "".join(texts[:-1]).strip()
    rank = (
        not is_thought,
        not repeats,
        bool(re.search(r"\w", whole)) and (" " in whole or not whole.isascii() or len(texts) > 1),
        len(texts) > 1,
        is_one_kind and len({seen.name for seen, _ in pieces}) == 1,
        not snapshot,
        len(texts),
        len(_TEXTS) - _TEXTS.index(key) if key in _TEXTS else 0,
        2 if rule.event else 1 if rule.where else 0,  # a condition keeps the texts of other events out
        len(whole),
    )
    return _Growth(rule, snapshot, len(texts), tuple(map(int, rank)))


def _grows(texts: Sequence[str]) -> bool:
    """Whether each begins with the one before, so that each is all text so far."""
    return all(after.startswith(before) for before, after in pairwise(texts)) and len(texts[-1]) > len(texts[0])


# -- the end


def _end(events: Sequence[SeenEvent], text: TextRule, broken: Sequence[SeenEvent]) -> EventRule | None:
    """What stands at the end of a reply, and nowhere before; None where nothing tells it.

    Args:
        broken: the events of replies that failed, in which a mark may stand that closes every stream.
    """
    last = max((number for number, seen in enumerate(events) if _is_text(seen, text)), default=0)
    before, kinds = events[:last], _kinds(events)
    found = [*_ends_within(events[last], before, kinds, text.rule.pointer)] if before else []
    for seen in events[last + 1 :]:
        found += _ends_after(seen, events[: last + 1], kinds)
    found = [one for one in found if not any(one[1].means(seen) for seen in broken)] or found
    best = max((strength for strength, _ in found), default=0)
    return next((rule for strength, rule in reversed(found) if strength == best), None)  # the last of those alike


def _is_text(seen: SeenEvent, text: TextRule) -> bool:
    return text.rule.means(seen) and bool(text.rule.text_in(seen)) and not (text.rule.raw and _is_end_mark(seen, text))


def _is_end_mark(seen: SeenEvent, text: TextRule) -> bool:
    """Whether an event among others of raw text looks like the mark of their end."""
    return text.rule.raw and _looks_like_a_mark(seen.text)


def _looks_like_a_mark(text: str) -> bool:
    return bool(re.fullmatch(r"[\[<{(]\S+[\]>})]|[A-Z][A-Z_]{2,}", text.strip()))


def _is_there(value: object) -> bool:
    return value is not ABSENT and bool(value)


_Ranked = tuple[int, EventRule]


def _ends_after(seen: SeenEvent, before: Sequence[SeenEvent], kinds: Collection[Pointer]) -> Iterator[_Ranked]:
    """What an event behind the text may say of the end."""
    if seen.name != "message" and all(one.name != seen.name for one in before):
        yield 2 if _ENDS.search(seen.name) and not _STEPS.search(seen.name) else 1, EventRule(event=seen.name)
    elif not is_value(seen) and seen.text.strip() and all(one.text != seen.text for one in before):
        yield 2, EventRule(mark=seen.text.strip())
    yield from _ends_within(seen, before, kinds)


def _ends_within(
    seen: SeenEvent, before: Sequence[SeenEvent], kinds: Collection[Pointer], text: Pointer | None = None
) -> Iterator[_Ranked]:
    """The places of an event that say something which they did not say before, but for that of its `text`."""
    for pointer, value in leaves(seen.value):
        if pointer == text:
            continue
        key = pointer.steps[-1].lower() if pointer.steps else ""
        earlier = [pointer.find(one.value) for one in before]
        is_new = not any(map(_is_there, earlier))
        if value is True and is_new:
            yield 5 if _ENDS.search(key) else 1, EventRule(pointer=pointer, equals=True)
        elif isinstance(value, str) and value and is_new and key.endswith("reason"):
            yield 3, EventRule(pointer=pointer)
        elif isinstance(value, str) and _END_WORD.fullmatch(value) and value not in earlier:
            yield 4, EventRule(where=pointer, equals=value)
        elif isinstance(value, str) and value and is_new and None in earlier:
            yield 1, EventRule(pointer=pointer)
        elif isinstance(value, str) and pointer in kinds and value not in earlier:
            is_end = _ENDS.search(value) and not _STEPS.search(value)
            yield 4 if is_end else 0, EventRule(where=pointer, equals=value)
    if isinstance(seen.value, Mapping):
        for key, value in seen.value.items():
            place = Pointer.to(key)
            if value and not isinstance(value, float) and all(place.find(one.value) is ABSENT for one in before):
                yield 2 if _ENDS.search(key) else -1, EventRule(pointer=place)


# -- the error


def _error(events: Sequence[SeenEvent]) -> EventRule | None:
    """What says that a reply failed: an event so called, or a key so called that holds something."""
    for seen in reversed(events):
        if _ERRORS.search(seen.name):
            return EventRule(event=seen.name, pointer=_message_in(seen.value, Pointer.to()))
        for pointer, value in leaves(seen.value):
            key = pointer.steps[-1].lower() if pointer.steps else ""
            if isinstance(value, str) and key in _KINDS and len(value) < 40 and _ERRORS.search(value):
                return EventRule(where=pointer, equals=value, pointer=_message_in(seen.value, Pointer.to(), pointer))
        if isinstance(seen.value, Mapping):
            for key, value in seen.value.items():
                place = Pointer.to(key)
                is_constant = seen is not events[0] and _is_there(place.find(events[0].value))
                if _ERRORS.search(key) and value and not is_constant:
                    inner = place if isinstance(value, str) else _message_in(seen.value, place)
                    if inner is None or inner == place:
                        return EventRule(pointer=place)
                    return EventRule(where=place, pointer=inner)
    return None


def _message_in(value: Any, within: Pointer, but: Pointer | None = None) -> Pointer | None:
    """The place of an error's text."""
    texts = [
        pointer
        for pointer, found in leaves(value)
        if isinstance(found, str) and found and pointer != but and pointer.steps[: len(within.steps)] == within.steps
    ]
    named = [pointer for name in _MESSAGES for pointer in texts if pointer.steps and pointer.steps[-1].lower() == name]
    spoken = [pointer for pointer in texts if " " in pointer.find(value)]
    return next(iter([*named, *spoken]), None)


def leaves(value: Any, steps: tuple[str | int, ...] = ()) -> Iterator[tuple[Pointer, Scalar | None]]:
    """All places of a JSON value that hold a text, a number, true, false or null; of a large value the first ones."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [(steps, value)]
    for _ in range(MOST_PLACES):
        if not waiting:
            return
        place, one = waiting.pop()
        if isinstance(one, Mapping | list):
            if len(place) < DEEPEST:
                items = list(one.items() if isinstance(one, Mapping) else enumerate(one))
                waiting += [((*place, key), inner) for key, inner in reversed(items)]
        elif one is not ABSENT:
            yield Pointer.to(*place), one
