"""OpenAI's API: chat and text completions, responses, embeddings and models, as the API itself answers.

Source: https://platform.openai.com/docs/api-reference, and what the official clients send and read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Recall, Reply, TimedFrame
from chatproof.fake_providers.dialects.openai import chat_messages as messages
from chatproof.fake_providers.dialects.openai import completions_reply as chat
from chatproof.fake_providers.dialects.openai import completions_request as chat_request
from chatproof.fake_providers.dialects.openai import embeddings as embeddings
from chatproof.fake_providers.dialects.openai import model_rules as rules
from chatproof.fake_providers.dialects.openai import responses_reply as responses
from chatproof.fake_providers.dialects.openai import stored_responses as stored
from chatproof.fake_providers.dialects.openai import structured_choice as structured
from chatproof.fake_providers.dialects.openai import text_completions as texts
from chatproof.fake_providers.dialects.openai import text_completions_reply as texts_reply
from chatproof.fake_providers.dialects.openai.error_bodies import ALWAYS, JSON, refusal, unknown_scenario
from chatproof.fake_providers.dialects.openai.field_checks import Problem, wrong_model
from chatproof.fake_providers.dialects.openai.prompt_size import bounded_count, chat_tokens
from chatproof.fake_providers.dialects.openai.reply import CREATED
from chatproof.fake_providers.dialects.openai.response_reading import read_response
from chatproof.fake_providers.models.catalogue import LENIENT, Catalogue, Provider, listed, model_of
from chatproof.fake_providers.scripting.script import PLAYED, Say, Script
from chatproof.fake_providers.scripting.selection import UnknownScenario, choose
from chatproof.fake_providers.scripting.wire_table import Form

NAME = "openai"

_CHAT: Final = "/v1/chat/completions"
_COMPLETIONS: Final = "/v1/completions"
_RESPONSES: Final = "/v1/responses"
_EMBEDDINGS: Final = "/v1/embeddings"
_MODELS: Final = "/v1/models"
_MOST_CHUNKS: Final = 500_000
"""The limit for tokens times choices of a reply, so that no request exhausts the memory."""

_NO_KEY: Final = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using"
    " Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
ANSWERS: Final = (
    "POST /v1/chat/completions", "POST /v1/responses", "GET and DELETE /v1/responses/{id}",
    "POST /v1/responses/{id}/cancel", "GET /v1/responses/{id}/input_items", "POST /v1/responses/input_tokens",
    "POST /v1/completions", "POST /v1/embeddings", "GET /v1/models",
)  # fmt: skip
"""What there is, for errors about what there is not."""
_FORMS: Final[Mapping[str, Form]] = {"chat": "chat", "responses": "responses"}
_EMBEDDED: Final = Script("", "Embeddings that come at once.", (Say(()),))


def answers(request: IncomingRequest) -> bool:
    path = request.path
    if path in _READERS or path == _MODELS:
        return True
    return path.startswith(stored.PREFIX) or _model_id(path) is not None


def read(
    request: IncomingRequest,
    scripts: Mapping[str, Script],
    catalogue: Catalogue = LENIENT,
    provider: Provider = "openai",
) -> Ask | Reply | Recall:
    """`provider`: whose models these are, which answers as OpenAI does."""
    of_stored = request.path.startswith(stored.PREFIX)
    expected = stored.methods(request.path) if of_stored else ("POST",) if request.path in _READERS else ("GET",)
    if not expected:
        return stored.nothing_there(request)
    if request.method not in expected:
        hint = "Perhaps you meant to make your HTTP request using a different HTTP method?"
        return refusal(405, Problem(f"Not allowed to {request.method} on {request.path}. (HINT: {hint})", None, None))
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return refusal(401, Problem(_NO_KEY, None, None))
    if of_stored and request.path != stored.INPUT_TOKENS:
        return stored.read(request)
    if expected == ("GET",):
        return _models(_model_id(request.path), catalogue)
    if request.json_error is not None or not isinstance(request.json, dict):
        reason = request.json_error or "the body is not an object"
        text = f"We could not parse the JSON body of your request. (HINT: {reason})"
        return refusal(400, Problem(text, None, None))
    if of_stored:
        return stored.input_tokens(request, catalogue)
    read_body, param = _READERS[request.path]
    try:
        return read_body(request, scripts, catalogue, provider)
    except UnknownScenario as unknown:
        return unknown_scenario(unknown, param)


def render(ask: Ask) -> Reply:
    if ask.flavour == "responses":
        return responses.render(ask)
    if ask.flavour == "embeddings":
        return embeddings.render(ask)
    if ask.flavour == "completions":
        return texts_reply.render(ask)
    return render_chat(ask, chat.Chunks)


def render_chat(ask: Ask, chunks: type[chat.Chunks]) -> Reply:
    """The reply to a chat request, in chunks of that class if it is streamed."""
    if ask.choices > 1 and ask.choices * len(ask.script.tokens) > _MOST_CHUNKS:
        text = f"The fake provider gives at most {_MOST_CHUNKS:,} tokens over all choices: ask for fewer."
        return refusal(400, Problem(text, "n", "invalid_value"))
    return chat.render(ask, chunks)


def form(ask: Ask) -> Form | None:
    return _FORMS.get(ask.flavour)


def refuse(ask: Ask, text: str) -> Reply:
    param = {"responses": "input", "completions": "prompt"}.get(ask.flavour, "messages")
    return refusal(400, Problem(text, param, "unplayable"))


def _read_chat(
    request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue, provider: Provider
) -> Ask | Reply:
    body = request.json
    if (wrong := chat_request.problem(body)) is not None:
        return refusal(400, wrong)
    said = body["messages"]
    model = rules.model_for(catalogue, body["model"], _CHAT)
    if isinstance(model, rules.Refusal):
        return rules.refused(model, catalogue)
    heard = bounded_count(request.body, lambda: chat_tokens(body))
    if (refused := rules.chat_problem(model, body, heard)) is not None:
        return rules.refused(refused, catalogue)
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
            return rules.refused(found, catalogue)
        if (wrong := embeddings.too_long(wanted, found.context)) is not None:
            return rules.refused(rules.Refusal(400, wrong), catalogue)
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
    _COMPLETIONS: (texts.read, "prompt"),
    _RESPONSES: (read_response, "input"),
    _EMBEDDINGS: (_read_embeddings, "input"),
}


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
