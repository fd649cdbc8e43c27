"""Responses that are kept: retrieved whole or as a stream, deleted, cancelled, and the items of their input.

A response of the background is queued when it is made; who asks for it gets it in progress the first time and finished
the second time: no clock decides, so that a test sees the same in each run.

Source: https://platform.openai.com/docs/api-reference/responses, and what the official clients call. Errors: those that
vllm-project/vllm#57999 and sgl-project/sglang#38087 quote.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs

from chatproof.fake_providers.dialects.base import Archive, Ask, IncomingRequest, Kept, Recall, Reply, TimedFrame
from chatproof.fake_providers.dialects.kept_conversations import Item, conversation, part_of
from chatproof.fake_providers.dialects.openai import model_rules as rules
from chatproof.fake_providers.dialects.openai import responses_request as responses_request
from chatproof.fake_providers.dialects.openai.error_bodies import ALWAYS, JSON, STREAM, refusal, too_deep
from chatproof.fake_providers.dialects.openai.field_checks import Problem, integer, one_of
from chatproof.fake_providers.dialects.openai.prompt_size import response_tokens
from chatproof.fake_providers.dialects.openai.response_reading import read_part
from chatproof.fake_providers.dialects.openai.responses_reply import (
    ResponseWishes,
    finished_response,
    render,
    unfinished_response,
)
from chatproof.fake_providers.models.catalogue import Catalogue

PREFIX: Final = "/v1/responses/"
INPUT_TOKENS: Final = f"{PREFIX}input_tokens"
"""Counts the tokens of an input that is sent along: no response is asked for."""

_PATH: Final = re.compile(rf"{PREFIX}([^/]+)(?:/(cancel|input_items))?")
_METHODS: Final[Mapping[str | None, tuple[str, ...]]] = {
    None: ("GET", "DELETE"),
    "cancel": ("POST",),
    "input_items": ("GET",),
}
_NO_IDS: Final = ("input_tokens", "compact")
_POLLS: Final = 1  # how often a response of the background is still in progress
_ITEMS: Final = 20  # input items of a page
_MOST_ITEMS: Final = 100
_NUMBER: Final = re.compile(rb'"sequence_number":(\d+)')
_SYNCHRONOUS: Final = "Cannot cancel a synchronous response."
_PREFIXES: Final = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}


def methods(path: str) -> tuple[str, ...]:
    """What the path takes; nothing where there is no such path."""
    if path == INPUT_TOKENS:
        return ("POST",)
    found = _PATH.fullmatch(path)
    return () if found is None or found[1] in _NO_IDS else _METHODS[found[2]]


def nothing_there(request: IncomingRequest) -> Reply:
    """The answer to a path below /v1/responses that the fakes do not have."""
    text = f"Invalid URL ({request.method} {request.path[:200]}): the fake provider has {PREFIX}{{id}},"
    text += f" {PREFIX}{{id}}/cancel, {PREFIX}{{id}}/input_items and {INPUT_TOKENS}."
    return refusal(404, Problem(text, None, "unknown_url"))


def read(request: IncomingRequest) -> Reply | Recall:
    """A request about one response, whose method is one that its path takes."""
    found = _PATH.fullmatch(request.path)
    assert found is not None, "`methods` knows the path"
    name, what = found.groups()
    if not name.startswith("resp"):
        text = f"Invalid 'response_id': '{name[:64]}'. Expected an ID that begins with 'resp'."
        return refusal(400, Problem(text, "response_id", "invalid_value"))
    query = {key: values[-1] for key, values in parse_qs(request.query).items()}
    if (wrong := _wrong_query(query)) is not None:
        return refusal(400, wrong)
    act: Callable[[Kept, str, Archive], Reply] = {
        "cancel": _cancelled,
        "input_items": lambda kept, name, archive: _input_items(kept, query, name, archive),
        None: _deleted if request.method == "DELETE" else lambda kept, *_: _retrieved(kept, query),
    }[what]

    def answer(archive: Archive) -> Reply:
        kept = archive.find(name)
        if kept is None:
            return refusal(404, Problem(f"Response with id '{name[:64]}' not found.", None, None))
        try:
            return act(kept, name, archive)
        except RecursionError:
            return too_deep()

    return Recall(answer)


def input_tokens(request: IncomingRequest, catalogue: Catalogue) -> Reply | Recall:
    """How many tokens an input has, the conversation before it included."""
    body = {"model": "gpt-4o", **request.json}
    body.pop("personality", None)  # known here only
    if (wrong := responses_request.problem(body)) is not None:
        return refusal(400, wrong)
    if isinstance(model := rules.model_for(catalogue, body["model"], "/v1/responses"), rules.Refusal):
        return rules.refused(model, catalogue)

    def answer(archive: Archive) -> Reply:
        earlier = conversation(body.get("previous_response_id"), archive, read_part)
        said = body.get("input") or []
        own = [{"content": said}] if isinstance(said, str) else said
        count = response_tokens({**body, "input": [*earlier, *own]})
        return _json({"object": "response.input_tokens", "input_tokens": count})

    return Recall(answer)


def _wrong_query(query: Mapping[str, str]) -> Problem | None:
    for name, least, most in (("starting_after", 0, None), ("limit", 1, _MOST_ITEMS)):
        if name in query:
            value = int(query[name]) if query[name].lstrip("-").isdecimal() else query[name]
            if (wrong := integer(name, value, least, most)) is not None:
                return wrong
    return one_of("order", query["order"], ("asc", "desc")) if "order" in query else None


def _retrieved(kept: Kept, query: Mapping[str, str]) -> Reply:
    if query.get("stream") == "true":
        return _streamed(kept.ask, int(query.get("starting_after", -1)))
    if _is_running(kept):
        kept.polls += 1
        return _json_text(unfinished_response(kept.ask, "in_progress"))
    return _as_it_is(kept)


def _streamed(ask: Ask, after: int) -> Reply:
    """The events of the response, at once: those with a higher number than `after`."""
    whole = b"".join(frame.payload for frame in render(replace(ask, stream=True, wires=())).frames)
    events = [event + b"\n\n" for event in whole.split(b"\n\n")]
    numbered = [(int(found[1]), event) for event in events if (found := _NUMBER.search(event)) is not None]
    frames = tuple(TimedFrame(event, 0.0) for number, event in numbered if number > after)
    return Reply(200, (*STREAM, *ALWAYS), frames, chunked=True)


def _deleted(kept: Kept, name: str, archive: Archive) -> Reply:
    archive.delete(name)
    return _json({"id": name, "object": "response", "deleted": True})


def _cancelled(kept: Kept, name: str, archive: Archive) -> Reply:
    """Only a response of the background can be cancelled; one that is over stays as it is."""
    wishes = kept.ask.extra
    if not isinstance(wishes, ResponseWishes) or not wishes.background:
        return refusal(400, Problem(_SYNCHRONOUS, None, None))
    kept.cancelled = kept.cancelled or _is_running(kept)
    return _as_it_is(kept)


def _is_running(kept: Kept) -> bool:
    """Whether it is a response of the background that nobody has waited for yet."""
    wishes = kept.ask.extra
    background = isinstance(wishes, ResponseWishes) and wishes.background and not kept.ask.stream
    return background and not kept.cancelled and kept.polls < _POLLS


def _as_it_is(kept: Kept) -> Reply:
    if kept.cancelled:
        return _json_text(unfinished_response(kept.ask, "cancelled"))
    return _json(finished_response(replace(kept.ask, stream=False, wires=())))


def _input_items(kept: Kept, query: Mapping[str, str], name: str, archive: Archive) -> Reply:
    """A page of what the model was given: the conversation before the request, and the request's own items."""
    said = len(part_of(kept, read_part).said)
    whole = conversation(name, archive, read_part)
    given = whole[: len(whole) - said]
    listed = [_shown(item, f"{kept.ask.digest} {number}") for number, item in enumerate(given)]
    if query.get("order", "desc") == "desc":
        listed.reverse()
    start = next((at for at, item in enumerate(listed, start=1) if item["id"] == query.get("after")), 0)
    page = listed[start : start + int(query.get("limit", _ITEMS))]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
    more = start + len(page) < len(listed)
    return _json({"object": "list", "data": page, **ends, "has_more": more})


def _shown(item: Item, seed: str) -> Item:
    """The item with an id, and a text as a part."""
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    made = f"{_PREFIXES.get(kind, 'item')}_{hashlib.sha256(seed.encode()).hexdigest()[:48]}"
    shown = {"id": made, "type": kind, **item}
    if kind != "message":
        return shown
    if isinstance(content := item.get("content"), str):
        part = "output_text" if item["role"] == "assistant" else "input_text"
        shown["content"] = [{"type": part, "text": content} | ({"annotations": []} if part == "output_text" else {})]
    return {"status": "completed", **shown}


def _json(value: object) -> Reply:
    return _json_text(json.dumps(value, separators=(",", ":")))


def _json_text(text: str) -> Reply:
    number = hashlib.sha256(text.encode()).hexdigest()[:29]
    return Reply(200, (JSON, ("x-request-id", f"req_{number}"), *ALWAYS), (TimedFrame(text.encode(), 0.0),))
