"""OpenAI's API: chat completions, responses, embeddings and models, as the API itself answers.

Source: https://platform.openai.com/docs/api-reference, and what the official clients send and read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Reply, TimedFrame
from chatproof.fake_providers.dialects.openai import chat_messages as messages
from chatproof.fake_providers.dialects.openai import completions_reply as chat
from chatproof.fake_providers.dialects.openai import completions_request as chat_request
from chatproof.fake_providers.dialects.openai import embeddings as embeddings
from chatproof.fake_providers.dialects.openai import response_items as items
from chatproof.fake_providers.dialects.openai import responses_reply as responses
from chatproof.fake_providers.dialects.openai import responses_request as responses_request
from chatproof.fake_providers.dialects.openai.error_bodies import ALWAYS, JSON, refusal
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.openai.reply import CREATED, dumps
from chatproof.fake_providers.scripting.script import Say, Script
from chatproof.fake_providers.scripting.selection import UnknownScenario, choose

NAME = "openai"

_MODELS: Final = "/v1/models"
_MODEL_IDS: Final = (
    "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-3.5-turbo", "text-embedding-3-small", "text-embedding-3-large",
    "text-embedding-ada-002",
)  # fmt: skip
_MOST_CHUNKS: Final = 500_000
"""The limit for tokens times choices of a reply, so that no request exhausts the memory."""

_NO_KEY: Final = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using"
    " Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_EMBEDDED: Final = Script("", "Embeddings that come at once.", (Say(()),))


def answers(request: IncomingRequest) -> bool:
    path = request.path
    return path in _READERS or path == _MODELS or _model_id(path) is not None


def read(request: IncomingRequest, scripts: Mapping[str, Script]) -> Ask | Reply:
    expected = "POST" if request.path in _READERS else "GET"
    if request.method != expected:
        hint = "Perhaps you meant to make your HTTP request using a different HTTP method?"
        return refusal(405, Problem(f"Not allowed to {request.method} on {request.path}. (HINT: {hint})", None, None))
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return refusal(401, Problem(_NO_KEY, None, None))
    if expected == "GET":
        return _models(_model_id(request.path))
    if request.json_error is not None or not isinstance(request.json, dict):
        reason = request.json_error or "the body is not an object"
        text = f"We could not parse the JSON body of your request. (HINT: {reason})"
        return refusal(400, Problem(text, None, None))
    read_body, param = _READERS[request.path]
    try:
        return read_body(request.json, scripts)
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


def _read_chat(body: dict[str, Any], scripts: Mapping[str, Script]) -> Ask | Reply:
    if (wrong := chat_request.problem(body)) is not None:
        return refusal(400, wrong)
    said = body["messages"]
    text = messages.last_user_text(said)
    script = choose(text, scripts, model=body["model"], provider=NAME)
    stream = body.get("stream") is True
    usage = not stream or (body.get("stream_options") or {}).get("include_usage") is True
    most = body.get("max_completion_tokens")
    return Ask(
        script=script,
        text=text,
        model=body["model"],
        stream=stream,
        usage=usage,
        prompt_tokens=chat_request.prompt_tokens(said) if usage else 0,
        max_tokens=body.get("max_tokens") if most is None else most,
        choices=body.get("n") or 1,
        provider=NAME,
        flavour="chat",
    )


def _read_response(body: dict[str, Any], scripts: Mapping[str, Script]) -> Ask | Reply:
    if (wrong := responses_request.problem(body)) is not None:
        return refusal(400, wrong)
    text = items.last_user_text(body.get("input"))
    script = choose(text, scripts, model=body["model"], provider=NAME)
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
        prompt_tokens=responses_request.prompt_tokens(body),
        max_tokens=body.get("max_output_tokens"),
        provider=NAME,
        flavour="responses",
        extra=echo,
    )


def _read_embeddings(body: dict[str, Any], scripts: Mapping[str, Script]) -> Ask | Reply:
    """A script can delay embeddings or make them fail. An unknown scenario is no error: texts may hold that word."""
    if (wrong := embeddings.problem(body)) is not None:
        return refusal(400, wrong)
    wanted = embeddings.read(body)
    text = embeddings.last_text(wanted)
    try:
        script = choose(text, scripts, model=body["model"], provider=NAME)
    except UnknownScenario:
        script = _EMBEDDED
    return Ask(
        script=script if script.name else _EMBEDDED,
        text=text,
        model=body["model"],
        stream=False,
        usage=True,
        prompt_tokens=embeddings.prompt_tokens(wanted),
        provider=NAME,
        flavour="embeddings",
        extra=wanted,
    )


_READERS: Final = {  # the paths that take a POST; the parameter that holds the user's text
    "/v1/chat/completions": (_read_chat, "messages"),
    "/v1/responses": (_read_response, "input"),
    "/v1/embeddings": (_read_embeddings, "input"),
}


def _model_id(path: str) -> str | None:
    """The model in the path /v1/models/MODEL; None for other paths and another provider's `MODEL:METHOD`."""
    head, _, name = path.partition(f"{_MODELS}/")
    return name if not head and name and "/" not in name and ":" not in name else None


def _models(wanted: str | None) -> Reply:
    models = {name: {"id": name, "object": "model", "created": CREATED, "owned_by": "openai"} for name in _MODEL_IDS}
    if wanted is not None and wanted not in models:
        text = f"The model '{wanted[:100]}' does not exist"
        return refusal(404, Problem(text, "model", "model_not_found"))
    body = models[wanted] if wanted is not None else {"object": "list", "data": list(models.values())}
    return Reply(200, (JSON, *ALWAYS), (TimedFrame(json.dumps(body).encode(), 0.0),))
