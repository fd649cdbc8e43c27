"""Reads requests for a response, with the conversation that `previous_response_id` stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Archive, Ask, IncomingRequest, Kept, Recall, Reply
from chatproof.fake_providers.dialects.kept_conversations import Item, KeptPart, conversation
from chatproof.fake_providers.dialects.openai import model_rules as rules
from chatproof.fake_providers.dialects.openai import response_items as items
from chatproof.fake_providers.dialects.openai import responses_request as responses_request
from chatproof.fake_providers.dialects.openai.error_bodies import refusal, too_deep, unknown_scenario
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.openai.prompt_size import bounded_count, response_tokens
from chatproof.fake_providers.dialects.openai.reply import dumps
from chatproof.fake_providers.dialects.openai.response_ids import scenario_of_response
from chatproof.fake_providers.dialects.openai.responses_reply import ResponseWishes, finished_response, name_of
from chatproof.fake_providers.dialects.openai.structured_choice import response_script
from chatproof.fake_providers.models.catalogue import Catalogue, Provider
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.selection import UnknownScenario, choose

_NAME: Final = "openai"


def read_response(
    request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue, provider: Provider
) -> Ask | Reply | Recall:
    """A request that names a previous response depends on what was kept of it. UnknownScenario."""
    body = request.json
    if (wrong := responses_request.problem(body)) is not None:
        return refusal(400, wrong)
    previous = body.get("previous_response_id")
    if provider != _NAME or previous is None:
        return _asked(request, scripts, catalogue, provider, [])

    def answer(archive: Archive) -> Ask | Reply:
        if archive.is_deleted(previous):
            return refusal(400, rules.no_previous(previous))
        try:
            return _asked(request, scripts, catalogue, provider, conversation(previous, archive, read_part))
        except UnknownScenario as unknown:
            return unknown_scenario(unknown, "input")
        except RecursionError:
            return too_deep()

    return Recall(answer)


def read_part(kept: Kept) -> KeptPart:
    """The items of the request, those of its response, and the id of the previous response."""
    body = json.loads(kept.ask.request[1])
    said = finished_response(replace(kept.ask, stream=False, wires=()))["output"]
    return KeptPart(_as_items(body.get("input")), said, body.get("previous_response_id"))


def _as_items(said: Any) -> list[Item]:
    return [{"type": "message", "role": "user", "content": said}] if isinstance(said, str) else list(said or ())


def _asked(
    request: IncomingRequest,
    scripts: Mapping[str, Script],
    catalogue: Catalogue,
    provider: Provider,
    earlier: list[Item],
) -> Ask | Reply:
    """`earlier`: the items of the conversation before this request. UnknownScenario."""
    body = request.json
    # without earlier items the request is judged as it is: its text may be no list of items
    whole = {**body, "input": [*earlier, *_as_items(body.get("input"))]} if earlier else body
    if provider == _NAME:
        model = rules.model_for(catalogue, body["model"], "/v1/responses")
        if isinstance(model, rules.Refusal):
            return rules.refused(model, catalogue)
        # earlier items are not in the body, by whose length a short prompt is known
        data = json.dumps(whole["input"]).encode() if earlier else request.body
        if (
            refused := rules.response_problem(model, body, bounded_count(data, lambda: response_tokens(whole)))
        ) is not None:
            return rules.refused(refused, catalogue)
        if earlier and catalogue.strict and (wrong := items.open_calls(whole["input"])) is not None:
            return refusal(400, wrong)
    text = items.last_user_text(whole.get("input"))
    dialogue = items.ResponseDialogue(whole)
    if (
        not dialogue.turn
        and (name := scenario_of_response(body.get("previous_response_id") or "", scripts)) is not None
    ):
        text = f"scenario {name}"  # the last user message is in a conversation that is not kept any more
    script = choose(text, scripts, model=body["model"], provider=_NAME, dialogue=dialogue)
    if not script.name:
        wanted = response_script(whole)
        if isinstance(wanted, Problem):
            return refusal(400, wanted)
        script = wanted or script
    try:
        echo = dumps(responses_request.echo(body), script)
    except (ValueError, RecursionError):
        reason = "a number is too large, or the body is nested too deeply"
        return refusal(400, Problem(f"We could not parse the JSON body of your request. (HINT: {reason})", None, None))
    stored = body.get("store") is not False
    return Ask(
        script=script,
        text=text,
        model=body["model"],
        stream=body.get("stream") is True,
        usage=True,
        prompt_tokens=response_tokens(whole),
        max_tokens=body.get("max_output_tokens"),
        logprobs=responses_request.logprobs(body),
        stored=stored,
        thinking=responses_request.thinking(body),
        provider=_NAME,
        flavour="responses",
        extra=ResponseWishes(
            echo,
            encrypted=responses_request.ENCRYPTED in (body.get("include") or ()),
            background=body.get("background") is True,
        ),
        after_tool=dialogue.results != (),
        kept_as=name_of if stored and provider == _NAME else None,
        request=request.identity,
    )
