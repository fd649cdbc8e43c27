"""OpenAI's API: chat completions, responses, embeddings and models, as the API itself answers.

Source: https://platform.openai.com/docs/api-reference, and what the official clients send and read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Reply, TimedFrame
from chatproof.fake_providers.dialects.openai import chat_messages as messages
from chatproof.fake_providers.dialects.openai import completions_reply as chat
from chatproof.fake_providers.dialects.openai import completions_request as chat_request
from chatproof.fake_providers.dialects.openai import embeddings as embeddings
from chatproof.fake_providers.dialects.openai import model_rules as rules
from chatproof.fake_providers.dialects.openai import response_items as items
from chatproof.fake_providers.dialects.openai import responses_reply as responses
from chatproof.fake_providers.dialects.openai import responses_request as responses_request
from chatproof.fake_providers.dialects.openai import structured_choice as structured
from chatproof.fake_providers.dialects.openai.error_bodies import ALWAYS, JSON, refusal
from chatproof.fake_providers.dialects.openai.field_checks import Problem, wrong_model
from chatproof.fake_providers.dialects.openai.prompt_size import chat_tokens, response_tokens
from chatproof.fake_providers.dialects.openai.reply import CREATED, dumps
from chatproof.fake_providers.dialects.openai.response_ids import scenario_of_response
from chatproof.fake_providers.models.catalogue import LENIENT, Catalogue, Provider, listed, model_of
from chatproof.fake_providers.scripting.script import PLAYED, Say, Script
from chatproof.fake_providers.scripting.selection import UnknownScenario, choose
from chatproof.fake_providers.scripting.wire_table import Form

NAME = "openai"

_CHAT: Final = "/v1/chat/completions"
_RESPONSES: Final = "/v1/responses"
_EMBEDDINGS: Final = "/v1/embeddings"
_MODELS: Final = "/v1/models"
_MOST_CHUNKS: Final = 500_000
"""The limit for tokens times choices of a reply, so that no request exhausts the memory."""

_NO_KEY: Final = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using"
    " Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_FORMS: Final[Mapping[str, Form]] = {"chat": "chat", "responses": "responses"}
_EMBEDDED: Final = Script("", "Embeddings that come at once.", (Say(()),))


def answers(request: IncomingRequest) -> bool:
    path = request.path
    return path in _READERS or path == _MODELS or _model_id(path) is not None


def read(
    request: IncomingRequest,
    scripts: Mapping[str, Script],
    catalogue: Catalogue = LENIENT,
    provider: Provider = "openai",
) -> Ask | Reply:
    """`provider`: whose models these are, which answers as OpenAI does."""
    expected = "POST" if request.path in _READERS else "GET"
    if request.method != expected:
        hint = "Perhaps you meant to make your HTTP request using a different HTTP method?"
        return refusal(405, Problem(f"Not allowed to {request.method} on {request.path}. (HINT: {hint})", None, None))
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return refusal(401, Problem(_NO_KEY, None, None))
    if expected == "GET":
        return _models(_model_id(request.path), catalogue)
    if request.json_error is not None or not isinstance(request.json, dict):
        reason = request.json_error or "the body is not an object"
        text = f"We could not parse the JSON body of your request. (HINT: {reason})"
        return refusal(400, Problem(text, None, None))
    read_body, param = _READERS[request.path]
    try:
        return read_body(request, scripts, catalogue, provider)
    except UnknownScenario as unknown:
        return refusal(400, Problem(str(unknown), param, "unknown_scenario"), (unknown.header,))


def render(ask: Ask) -> Reply:
    if ask.flavour == "responses":
        return responses.render(ask)
    if ask.flavour == "embeddings":
        return embeddings.render(ask)
    if ask.choices > 1 and ask.choices * len(ask.script.tokens) > _MOST_CHUNKS:
        text = f"The fake provider gives at most {_MOST_CHUNKS:,} tokens over all choices: ask for fewer."
        return refusal(400, Problem(text, "n", "invalid_value"))
    return chat.render(ask)


def form(ask: Ask) -> Form | None:
    return _FORMS.get(ask.flavour)


def refuse(ask: Ask, text: str) -> Reply:
    return refusal(400, Problem(text, "input" if ask.flavour == "responses" else "messages", "unplayable"))


def _read_chat(
    request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue, provider: Provider
) -> Ask | Reply:
    body = request.json
    if (wrong := chat_request.problem(body)) is not None:
        return refusal(400, wrong)
    said = body["messages"]
    model = rules.model_for(catalogue, body["model"], _CHAT)
    if isinstance(model, rules.Refusal):
        return _refused(model, catalogue)
    heard = _heard(request, lambda: chat_tokens(body))
    if (refused := rules.chat_problem(model, body, heard)) is not None:
        return _refused(refused, catalogue)
    text = messages.last_user_text(said)
    dialogue = messages.ChatDialogue(body)
    script = choose(text, scripts, model=body["model"], provider=NAME, dialogue=dialogue)
    if not script.name:
        wanted = structured.chat_script(body)
        if isinstance(wanted, Problem):
            return refusal(400, wanted)
        script = wanted or script
    stream = body.get("stream") is True
    usage = not stream or (body.get("stream_options") or {}).get("include_usage") is True
    most = body.get("max_completion_tokens")
    return Ask(
        script=script,
        text=text,
        model=body["model"],
        stream=stream,
        usage=usage,
        prompt_tokens=chat_tokens(body) if usage else 0,
        max_tokens=body.get("max_tokens") if most is None else most,
        choices=body.get("n") or 1,
        stops=chat_request.stops(body),
        logprobs=chat_request.logprobs(body),
        tier=chat_request.tier(body),
        thinking="none" if body.get("reasoning_effort") == "none" else "hidden",
        provider=NAME,
        flavour="chat",
        after_tool=dialogue.results != (),
        request=request.identity,
    )


def _read_response(
    request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue, provider: Provider
) -> Ask | Reply:
    body = request.json
    if (wrong := responses_request.problem(body)) is not None:
        return refusal(400, wrong)
    if provider == NAME:
        model = rules.model_for(catalogue, body["model"], _RESPONSES)
        if isinstance(model, rules.Refusal):
            return _refused(model, catalogue)
        heard = _heard(request, lambda: response_tokens(body))
        if (refused := rules.response_problem(model, body, heard)) is not None:
            return _refused(refused, catalogue)
    text = items.last_user_text(body.get("input"))
    dialogue = items.ResponseDialogue(body)
    if (
        not dialogue.turn
        and (name := scenario_of_response(body.get("previous_response_id") or "", scripts)) is not None
    ):
        text = f"scenario {name}"  # the last user message is in the conversation that the API keeps
    script = choose(text, scripts, model=body["model"], provider=NAME, dialogue=dialogue)
    if not script.name:
        wanted = structured.response_script(body)
        if isinstance(wanted, Problem):
            return refusal(400, wanted)
        script = wanted or script
    try:
        echo = dumps(responses_request.echo(body), script)
    except (ValueError, RecursionError):
        reason = "a number is too large, or the body is nested too deeply"
        return refusal(400, Problem(f"We could not parse the JSON body of your request. (HINT: {reason})", None, None))
    return Ask(
        script=script,
        text=text,
        model=body["model"],
        stream=body.get("stream") is True,
        usage=True,
        prompt_tokens=response_tokens(body),
        max_tokens=body.get("max_output_tokens"),
        logprobs=responses_request.logprobs(body),
        stored=body.get("store") is not False,
        thinking=responses_request.thinking(body),
        provider=NAME,
        flavour="responses",
        extra=responses.ResponseWishes(echo, responses_request.ENCRYPTED in (body.get("include") or ())),
        after_tool=dialogue.results != (),
        request=request.identity,
    )


def _read_embeddings(
    request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue, provider: Provider
) -> Ask | Reply:
    """A script can delay embeddings or make them fail, but not one of those that a test plays in turn: they are for
    replies. An unknown scenario is no error: texts may hold that word.
    """
    body = request.json
    if (wrong := wrong_model(body)) is not None:
        return refusal(400, wrong)
    model = model_of(provider, body["model"])
    if (wrong := embeddings.problem(body, model)) is not None:
        return refusal(400, wrong)
    wanted = embeddings.read(body, model)
    if provider == NAME:  # local servers judge their own models, and cut what is too long
        found = rules.model_for(catalogue, body["model"], _EMBEDDINGS)
        if isinstance(found, rules.Refusal):
            return _refused(found, catalogue)
        if (wrong := embeddings.too_long(wanted, found.context)) is not None:
            return _refused(rules.Refusal(400, wrong), catalogue)
    text = embeddings.last_text(wanted)
    try:
        script = choose(text, scripts, model=body["model"], provider=NAME)
    except UnknownScenario:
        script = _EMBEDDED
    return Ask(
        script=_EMBEDDED if script.name in ("", PLAYED) else script,
        text=text,
        model=body["model"],
        stream=False,
        usage=True,
        prompt_tokens=embeddings.prompt_tokens(wanted),
        provider=NAME,
        flavour="embeddings",
        extra=wanted,
        request=request.identity,
    )


_READERS: Final = {  # the paths that take a POST; the parameter that holds the user's text
    _CHAT: (_read_chat, "messages"),
    _RESPONSES: (_read_response, "input"),
    _EMBEDDINGS: (_read_embeddings, "input"),
}


def _heard(request: IncomingRequest, count: Callable[[], int]) -> Callable[[int], int]:
    """Counts the prompt's tokens, unless the body is so short that there cannot be too many. Images count for more."""

    def heard(most: int) -> int:
        is_short = len(request.body) <= most and b"image" not in request.body
        return len(request.body) if is_short else count()

    return heard


def _refused(refused: rules.Refusal, catalogue: Catalogue) -> Reply:
    """What only a strict catalogue refuses."""
    status, (message, param, code) = refused
    return refusal(status, Problem(message + catalogue.hint, param, code))


def _model_id(path: str) -> str | None:
    """The model in the path /v1/models/MODEL; None for other paths and another provider's `MODEL:METHOD`."""
    head, _, name = path.partition(f"{_MODELS}/")
    if head or not name or "/" in name or (":" in name and not name.startswith("ft:")):
        return None
    return name


def _models(wanted: str | None, catalogue: Catalogue) -> Reply:
    if wanted is None:
        body = {"object": "list", "data": [_model(model.name) for model in listed("openai")]}
    elif catalogue.find("openai", wanted) is None:
        text = f"The model '{wanted[:100]}' does not exist.{catalogue.hint}"
        return refusal(404, Problem(text, "model", "model_not_found"))
    else:
        body = _model(wanted)
    return Reply(200, (JSON, *ALWAYS), (TimedFrame(json.dumps(body).encode(), 0.0),))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "openai"}
