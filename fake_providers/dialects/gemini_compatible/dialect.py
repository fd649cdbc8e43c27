"""Gemini's OpenAI-compatible API: `/v1beta/openai/chat/completions`, `/embeddings` and `/models`.

The requests are OpenAI's, the models and the errors Google's.

Source: https://ai.google.dev/gemini-api/docs/openai, and what the official OpenAI clients send and read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, Headers, IncomingRequest, Recall, Reply, TimedFrame
from chatproof.fake_providers.dialects.gemini.error_bodies import error
from chatproof.fake_providers.dialects.gemini.model_refusals import model_for, unsigned_call
from chatproof.fake_providers.dialects.gemini.reply import HEADERS, JSON_TYPE
from chatproof.fake_providers.dialects.gemini_compatible.gemini_voice import GeminiVoice, error_array
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.dialects.openai.chat_messages import ChatDialogue, last_user_text
from chatproof.fake_providers.dialects.openai.completions_request import KNOWN, problem, stops
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.openai.prompt_size import local_chat_tokens
from chatproof.fake_providers.dialects.openai.structured_choice import chat_script
from chatproof.fake_providers.dialects.timed_reply import lay_out
from chatproof.fake_providers.models.catalogue import LENIENT, Catalogue, Model, listed
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.selection import UnknownScenario, choose
from chatproof.fake_providers.scripting.wire_table import Form

NAME: Final = "gemini"

_ROOT: Final = "/v1beta/openai"
_CHAT: Final = f"{_ROOT}/chat/completions"
_EMBEDDINGS: Final = f"{_ROOT}/embeddings"
_MODELS: Final = f"{_ROOT}/models"
ANSWERS: Final = (f"POST {_CHAT}", f"POST {_EMBEDDINGS}", f"GET {_MODELS}")
"""What there is, for errors about what there is not."""

_EXTRA: Final = frozenset({"extra_body", "google", "safety_settings", "cached_content", "thinking_config"})
"""What Google takes beside OpenAI's parameters: `extra_body`, as its documentation sends it, and what is in it."""
_CREATED: Final = 1_700_000_000


def answers(request: IncomingRequest) -> bool:
    """Every path below /v1beta/openai, unknown ones included: their errors are arrays."""
    return request.path.startswith(f"{_ROOT}/") or request.path == _ROOT


def read(request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue = LENIENT) -> Ask | Reply:
    path = request.path.rstrip("/")
    posted = path in (_CHAT, _EMBEDDINGS)
    if not posted and path != _MODELS and not path.startswith(f"{_MODELS}/"):
        return _refused(error(404, f"{request.method} {path[:200]} is not here: {', '.join(ANSWERS)}."))
    if request.method != ("POST" if posted else "GET"):
        return _refused(error(404, "Method not found."))
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return _refused(error(400, "Missing or invalid Authorization header."))
    if not posted:
        return _models(path.removeprefix(_MODELS).removeprefix("/"), catalogue)
    body = request.json
    if request.json_error is not None or not isinstance(body, dict):
        reason = request.json_error or "The root must be an object."
        return _refused(error(400, f"Invalid JSON payload received. {reason}"))
    name = body.get("model")
    if not isinstance(name, str) or not name:
        return _refused(error(400, "model is not specified"))
    name = name.removeprefix("models/")
    model = model_for(catalogue, name, "generateContent" if path == _CHAT else "embedContent", "v1main")
    if isinstance(model, dict):
        return _refused(model)
    if path == _EMBEDDINGS:
        return _embeddings(request, {**body, "model": name}, scripts)
    return _chat(request, {**body, "model": name}, scripts, model, catalogue)


def render(ask: Ask) -> Reply:
    if isinstance(ask.extra, Ask):
        return _googled(openai.render(replace(ask.extra, script=ask.script)))
    if ask.script.blocked is not None:  # a blocked prompt is a choice without a word
        ask = replace(ask, script=replace(ask.script, blocked=None, steps=(), finish_reason="content_filter"))
    return _googled(lay_out(ask, GeminiVoice(ask)))


def form(ask: Ask) -> Form | None:
    return None if isinstance(ask.extra, Ask) else "chat"


def refuse(ask: Ask, text: str) -> Reply:
    return _refused(error(400, text))


def _chat(
    request: IncomingRequest, body: dict[str, Any], scripts: Mapping[str, Script], model: Model, catalogue: Catalogue
) -> Ask | Reply:
    for name in body:
        if name not in KNOWN and name not in _EXTRA:
            text = f'Invalid JSON payload received. Unknown name "{name[:200]}": Cannot find field.'
            return _refused(error(400, text))
    body = {name: value for name, value in body.items() if name not in _EXTRA}
    if (wrong := problem(body, strict=False)) is not None:
        return _refused(error(400, wrong.message))
    if body.get("n") not in (None, 1):
        return _refused(error(400, "Only one candidate can be specified in the current model"))
    if not model.anything and "signatures" in model.can and (called := _unsigned(body["messages"])) is not None:
        return _refused(error(400, unsigned_call(*called) + catalogue.hint))
    heard = local_chat_tokens(body)
    if not model.anything and model.context is not None and heard > model.context:
        text = f"The input token count ({heard}) exceeds the maximum number of tokens allowed ({model.context})."
        return _refused(error(400, text + catalogue.hint))
    text = last_user_text(body["messages"])
    dialogue = ChatDialogue(body)
    try:
        script = choose(text, scripts, model=body["model"], provider=NAME, dialogue=dialogue)
    except UnknownScenario as unknown:
        return _refused(error(400, str(unknown)), (unknown.header,))
    if not script.name:
        wanted = chat_script(body)
        if isinstance(wanted, Problem):
            return _refused(error(400, wanted.message))
        script = wanted or script
    stream = body.get("stream") is True
    most = body.get("max_completion_tokens")
    return Ask(
        script=script,
        text=text,
        model=body["model"],
        stream=stream,
        usage=not stream or (body.get("stream_options") or {}).get("include_usage") is True,
        prompt_tokens=heard,
        max_tokens=body.get("max_tokens") if most is None else most,
        stops=stops(body),
        thinking="none" if body.get("reasoning_effort") == "none" else "hidden",
        provider=NAME,
        flavour="chat",
        after_tool=dialogue.results != (),
        request=request.identity,
    )


def _unsigned(messages: list[dict[str, Any]]) -> tuple[str, int] | None:
    """The first call of a message of the current turn that has no signature: its name, and the message's number."""
    begun = max((number for number, message in enumerate(messages) if message["role"] == "user"), default=0)
    for number, message in enumerate(messages[begun:], begun + 1):
        for call in (message.get("tool_calls") or ())[:1]:
            google = (call.get("extra_content") or {}).get("google") or {}
            if not google.get("thought_signature"):
                return str(call["function"]["name"]) if "function" in call else "", number
    return None


def _embeddings(request: IncomingRequest, body: dict[str, Any], scripts: Mapping[str, Script]) -> Ask | Reply:
    """Vectors are written as OpenAI writes them; only errors differ."""
    answer = openai.read(replace(request, path="/v1/embeddings", json=body), scripts, LENIENT, NAME)
    assert not isinstance(answer, Recall), "embeddings are not kept"
    if isinstance(answer, Ask):
        answer = replace(answer, request=request.identity)
        return replace(answer, provider=NAME, extra=answer)
    return _googled(answer)


def _googled(reply: Reply) -> Reply:
    """The reply with Google's headers, and with its status and body where it is an error."""
    headers = tuple(header for header in reply.headers if not header[0].startswith(("openai-", "x-ratelimit-")))
    reply = replace(reply, headers=headers if HEADERS[0] in headers else (*headers, *HEADERS))
    if reply.status is None or reply.status < 400 or len(reply.frames) != 1:
        return reply
    try:
        body = json.loads(reply.frames[0].payload)
    except ValueError:  # a proxy's page, or nothing
        return reply
    if isinstance(body, list):
        return replace(reply, status=body[0]["error"]["code"])
    frame = reply.frames[0]._replace(payload=error_array(error(reply.status, body["error"]["message"])))
    return replace(reply, frames=(frame,))


def _models(name: str, catalogue: Catalogue) -> Reply:
    name = name.removeprefix("models/")
    if not name:
        return _json({"object": "list", "data": [_model(model.name, model.title) for model in listed(NAME)]})
    if (found := catalogue.find(NAME, name)) is None:
        return _refused(error(404, f"Model is not found: models/{name[:200]} for api version v1main{catalogue.hint}"))
    return _json(_model(name, found.title))


def _model(name: str, title: str) -> dict[str, Any]:
    shown = title or name.replace("-", " ").title()
    return {
        "id": f"models/{name}",
        "object": "model",
        "owned_by": "google",
        "created": _CREATED,
        "display_name": shown,
    }


def _json(value: dict[str, Any]) -> Reply:
    return Reply(200, (JSON_TYPE, *HEADERS), (TimedFrame(json.dumps(value).encode(), 0.0),))


def _refused(body: dict[str, Any], headers: Headers = ()) -> Reply:
    frame = TimedFrame(error_array(body), 0.0)
    return Reply(body["error"]["code"], (JSON_TYPE, *HEADERS, *headers), (frame,))
