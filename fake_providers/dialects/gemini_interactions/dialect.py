"""Gemini's Interactions: `/v1beta/interactions`, made, read again, cancelled and deleted.

An interaction of the background is in progress when it is made and when it is first asked for, and finished after that:
no clock decides, so that a test sees the same in each run. Agents are not played.

Source: https://ai.google.dev/api/interactions-api, and what google-genai (Python and JavaScript) sends and reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qs

from chatproof.fake_providers.dialects.base import Archive, Ask, IncomingRequest, Kept, Recall, Reply, TimedFrame
from chatproof.fake_providers.dialects.gemini.error_bodies import no_key
from chatproof.fake_providers.dialects.gemini.model_refusals import model_for
from chatproof.fake_providers.dialects.gemini.reply import HEADERS
from chatproof.fake_providers.dialects.gemini_interactions import interaction_reply as replies
from chatproof.fake_providers.dialects.gemini_interactions import interaction_request as requests
from chatproof.fake_providers.dialects.gemini_interactions.interaction_errors import json_answer, refused
from chatproof.fake_providers.dialects.gemini_interactions.interaction_steps import (
    InteractionDialogue,
    Step,
    as_steps,
    count_tokens,
    last_user_text,
    unanswered,
)
from chatproof.fake_providers.dialects.kept_conversations import KeptPart, conversation
from chatproof.fake_providers.models.catalogue import LENIENT, Catalogue
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.selection import UnknownScenario, choose

NAME: Final = "gemini"
ANSWERS: Final = (
    "POST /v1beta/interactions", "GET and DELETE /v1beta/interactions/{id}", "POST /v1beta/interactions/{id}/cancel",
)  # fmt: skip
"""What there is, for errors about what there is not."""

_PATH: Final = re.compile(r"/v1(?:beta\d?|alpha)?/interactions(?:/([^/]+)(/cancel)?)?")
_POLLS: Final = 1  # how often an interaction of the background is still in progress
_EVENT_ID: Final = re.compile(rb'"event_id": "evt_(\d+)"')
_LAST_EVENT: Final = re.compile(r"evt_(\d+)")

render = replies.render


def answers(request: IncomingRequest) -> bool:
    return "/interactions" in request.path and _PATH.fullmatch(request.path) is not None


def read(
    request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue = LENIENT
) -> Ask | Reply | Recall:
    found = _PATH.fullmatch(request.path)
    assert found is not None, "the dialect is asked about its own paths only"
    name, cancels = found.groups()
    query = {key: values[-1] for key, values in parse_qs(request.query).items()}
    if not _has_key(request, query):
        return json_answer(403, no_key())
    if request.method not in (("POST",) if cancels or not name else ("GET", "DELETE")):
        return refused(404, "Method not found.")
    if name:
        return _about(request, name, query, cancels=cancels is not None)
    if request.json_error is not None or not isinstance(request.json, dict):
        reason = request.json_error or "The root must be an object."
        return refused(400, f"Invalid JSON payload received. {reason}")
    if (wrong := requests.problem(request.json)) is not None:
        return refused(400, wrong)
    previous = request.json.get("previous_interaction_id")
    if previous is None:
        return _asked(request, scripts, catalogue, [])

    def answer(archive: Archive) -> Ask | Reply:
        if archive.find(previous) is None and (catalogue.strict or archive.is_deleted(previous)):
            return refused(404, f"Interaction {previous[:200]} not found.{catalogue.hint}")
        return _asked(request, scripts, catalogue, conversation(previous, archive, _read_part))

    return Recall(answer)


def form(ask: Ask) -> None:
    return None


def refuse(ask: Ask, text: str) -> Reply:
    return refused(400, text)


def _has_key(request: IncomingRequest, query: Mapping[str, str]) -> bool:
    given = request.headers.get
    bearer = given("authorization", "").lower().startswith("bearer ")
    return bearer or bool(given("x-goog-api-key", "").strip() or query.get("key", "").strip())


def _asked(
    request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue, earlier: list[Step]
) -> Ask | Reply:
    """`earlier`: the steps of the conversation before this request, as far as they are kept."""
    body = request.json
    name = body["model"].removeprefix("models/")
    model = model_for(catalogue, name, "generateContent", "v1beta")
    if isinstance(model, dict):
        return refused(404, model["error"]["message"])
    steps = [*earlier, *as_steps(body.get("input"))]
    # Where the fakes keep the conversation, a server under test may have left a call of their script unanswered.
    whole = catalogue.strict if earlier else body.get("previous_interaction_id") is None
    if whole and (wrong := unanswered(steps)) is not None:
        return refused(400, wrong)
    counted = count_tokens(body, steps)
    heard = sum(number for _, number in counted)
    if not model.anything and model.context is not None and heard > model.context:
        text = f"The input token count ({heard}) exceeds the maximum number of tokens allowed ({model.context})."
        return refused(400, text + catalogue.hint)
    text, dialogue = last_user_text(steps), InteractionDialogue(body, steps)
    try:
        script = choose(text, scripts, model=name, provider=NAME, dialogue=dialogue)
        script = script if script.name else requests.demanded_script(body, steps) or script
    except UnknownScenario as unknown:
        return refused(400, str(unknown), (unknown.header,))
    except requests.InteractionRefused as problem:
        return refused(400, str(problem))
    try:
        echo = requests.echo(body)
    except ValueError:
        return refused(400, "Invalid JSON payload received. A number is too large.")
    config = body.get("generation_config") or {}
    return Ask(
        script=script,
        text=text,
        model=name,
        stream=body.get("stream") is True,
        usage=True,
        prompt_tokens=heard,
        max_tokens=config.get("max_output_tokens"),
        stops=tuple(filter(None, config.get("stop_sequences") or ())),
        stored=body.get("store") is not False,
        thinking="shown" if config.get("thinking_summaries") == "auto" else "hidden",
        provider=NAME,
        flavour="interactions",
        extra=replies.InteractionWishes(
            echo, counted, body.get("previous_interaction_id"), body.get("background") is True
        ),
        after_tool=dialogue.results != (),
        kept_as=replies.name_of if body.get("store") is not False else None,
        request=request.identity,
    )


def _read_part(kept: Kept) -> KeptPart:
    """The steps of the request, those of its interaction, and the id of the previous one."""
    body = json.loads(kept.ask.request[1])
    said = _whole(kept.ask).get("steps", [])
    return KeptPart(as_steps(body.get("input")), said, body.get("previous_interaction_id"))


def _about(request: IncomingRequest, name: str, query: Mapping[str, str], *, cancels: bool) -> Reply | Recall:
    """A request about one interaction."""
    after = _LAST_EVENT.fullmatch(query.get("last_event_id", "evt_0"))
    if after is None:
        return refused(400, f"Invalid value at 'last_event_id': {query['last_event_id'][:100]!r}.")
    last = int(after[1]) if "last_event_id" in query else -1

    def answer(archive: Archive) -> Reply:
        if (kept := archive.find(name)) is None:
            return refused(404, f"Interaction {name[:200]} not found.")
        if request.method == "DELETE":
            archive.delete(name)
            return json_answer(200, {})
        if cancels:
            return _cancelled(kept)
        if query.get("stream") == "true":
            return _streamed(kept.ask, last)
        said = {"input": as_steps(json.loads(kept.ask.request[1]).get("input"))}
        return _as_it_is(kept, said if query.get("include_input") == "true" else {})

    return Recall(answer)


def _streamed(ask: Ask, after: int) -> Reply:
    """The events of the interaction, at once: those behind the one with the number `after`."""
    whole = b"".join(frame.payload for frame in render(replace(ask, stream=True)).frames)
    events = [event + b"\n\n" for event in whole.split(b"\n\n") if event]
    numbers = [(_EVENT_ID.search(event), event) for event in events]
    kept = [event for found, event in numbers if found is None or int(found[1]) > after]
    headers = (("content-type", "text/event-stream"), *HEADERS)
    return Reply(200, headers, tuple(TimedFrame(event, 0.0) for event in kept), chunked=True)


def _is_running(kept: Kept) -> bool:
    wishes = kept.ask.extra
    background = isinstance(wishes, replies.InteractionWishes) and wishes.background and not kept.ask.stream
    return background and not kept.cancelled and kept.polls < _POLLS


def _cancelled(kept: Kept) -> Reply:
    """Only an interaction of the background that still runs can be cancelled."""
    if not kept.cancelled and not _is_running(kept):
        return refused(400, "Only an interaction that is in progress in the background can be cancelled.")
    kept.cancelled = True
    return _as_it_is(kept, {})


def _as_it_is(kept: Kept, more: dict[str, Any]) -> Reply:
    if kept.cancelled:
        return json_answer(200, replies.interaction(kept.ask, "cancelled") | more)
    if _is_running(kept):
        kept.polls += 1
        return json_answer(200, replies.interaction(kept.ask, "in_progress") | more)
    return json_answer(200, _whole(kept.ask) | more)


def _whole(ask: Ask) -> dict[str, Any]:
    return replies.finished_interaction(replace(ask, stream=False))
