"""Anthropic's API: messages, streamed and not, token counts and models.

At the root, as the official clients ask for it (`ANTHROPIC_BASE_URL` is the fakes' root), and under /anthropic.

Source: https://platform.claude.com/docs/en/api/overview, and what the official clients send and read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs

from chatproof.fake_providers.dialects.anthropic import error_bodies as errors
from chatproof.fake_providers.dialects.anthropic import model_demands as demands
from chatproof.fake_providers.dialects.anthropic import model_list as models
from chatproof.fake_providers.dialects.anthropic import reply as replies
from chatproof.fake_providers.dialects.anthropic import request as requests
from chatproof.fake_providers.dialects.anthropic.conversation_turns import MessagesDialogue, last_user_text
from chatproof.fake_providers.dialects.anthropic.field_rules import InvalidRequest
from chatproof.fake_providers.dialects.anthropic.output_schema import demanded_script
from chatproof.fake_providers.dialects.anthropic.prompt_tokens import prompt_tokens
from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Reply, TimedFrame
from chatproof.fake_providers.models.catalogue import LENIENT, Catalogue
from chatproof.fake_providers.scripting.script import Say, Script
from chatproof.fake_providers.scripting.selection import UnknownScenario, case_of, choose
from chatproof.fake_providers.scripting.wire_table import Form

NAME: Final = "anthropic"
render = replies.render

PREFIX: Final = "/anthropic"
ANSWERS: Final = ("POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models", "GET /v1/models/{model}")
"""What there is, for errors about what there is not."""

_MESSAGES: Final = "/v1/messages"
_COUNT: Final = "/v1/messages/count_tokens"
_MODELS: Final = "/v1/models"
_NEWEST: Final = "2026-10-21"
_VERSIONS: Final = (_NEWEST, "2023-06-01", "2023-01-01")
_NO_MORE: Final = ("temperature", "top_p", "top_k")
"""Parameters that the newest version does not have: https://platform.claude.com/docs/en/api/versioning."""
_NO_KEY: Final = "x-api-key header is required"
_TRIGGER: Final = "ANTHROPIC_MAGIC_STRING_TRIGGER_"
_MAGIC: Final = {
    "REFUSAL_1FAEFB6177B4672DEE07F9D3AFC62588CCD2631EDCF22E8CCC1FB35B501C9C86": Script(
        "", "", (Say(text="This request was refused.", channel="refusal"),)
    ),
    "REDACTED_THINKING_46C9A13E193C177646C7398A98432ECCCE4C1253D5E2D82641AC0E52CC2876CB": Script(
        "", "", (Say(text="Hm.", channel="thinking", redacted=True), Say(text="My thoughts were redacted."))
    ),
}
"""Texts that the API documents, for tests of refusals and of redacted thoughts:
https://platform.claude.com/docs/en/test-and-evaluate/strengthen-guardrails, …/build-with-claude/extended-thinking.
"""


def answers(request: IncomingRequest) -> bool:
    """Its own paths, and all under /anthropic. On /v1/models, which OpenAI has too, its headers decide."""
    path = request.path
    if path in (_MESSAGES, _COUNT) or path.startswith(f"{PREFIX}/"):
        return True
    if path != _MODELS and not path.startswith(f"{_MODELS}/"):
        return False
    headers = request.headers
    return "anthropic-version" in headers or ("x-api-key" in headers and "authorization" not in headers)


def read(request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue = LENIENT) -> Ask | Reply:
    path = request.path.removeprefix(PREFIX)
    one = path.startswith(f"{_MODELS}/")
    if path not in (_MESSAGES, _COUNT, _MODELS) and not one:
        there = ", ".join(ANSWERS)
        text = f"Not found: {request.method} {request.path[:200]}. There are: {there}."
        return errors.refusal(request, 404, text)
    if request.method != ("POST" if path in (_MESSAGES, _COUNT) else "GET"):
        return errors.refusal(request, 405, "Method Not Allowed")
    if (refused := _unknown_caller(request)) is not None:
        return refused
    query = {name: values[-1] for name, values in parse_qs(request.query).items()}
    try:
        if path == _MODELS:
            return _json(request, models.page(query))
        if one:
            return _model(request, path.removeprefix(f"{_MODELS}/"), catalogue)
        return _message(request, scripts, catalogue, counting=path == _COUNT, beta=_is_beta(request, query))
    except InvalidRequest as invalid:
        return errors.refusal(request, 400, str(invalid))
    except UnknownScenario as unknown:
        return errors.refusal(request, 400, str(unknown), (unknown.header,))


def form(ask: Ask) -> Form | None:
    return "messages"


def refuse(ask: Ask, text: str) -> Reply:
    path, body = ask.request
    return errors.refusal(IncomingRequest("POST", path, "", {}, body), 400, text)


def _unknown_caller(request: IncomingRequest) -> Reply | None:
    """The answer to a request without a key, or without a version that there is."""
    given = request.headers.get
    scheme, _, token = given("authorization", "").partition(" ")
    if not given("x-api-key", "").strip() and not (scheme.lower() == "bearer" and token.strip()):
        return errors.refusal(request, 401, _NO_KEY)
    if not (version := given("anthropic-version", "").strip()):
        return errors.refusal(request, 400, "anthropic-version: header is required")
    if version not in _VERSIONS:
        return errors.refusal(request, 400, f'anthropic-version: "{version[:64]}" is not a valid version')
    return None


def _is_beta(request: IncomingRequest, query: Mapping[str, str]) -> bool:
    return query.get("beta") == "true" or bool(request.headers.get("anthropic-beta", "").strip())


def _message(
    request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue, *, counting: bool, beta: bool
) -> Ask | Reply:
    body = request.json
    if request.json_error is not None or not isinstance(body, dict):
        reason = request.json_error or "it is not an object"
        raise InvalidRequest(f"The request body is not valid JSON: {reason}")
    requests.check(body, counting=counting, beta=beta)
    if request.headers.get("anthropic-version", "").strip() == _NEWEST:
        for name in _NO_MORE:
            if body.get(name) is not None:
                raise InvalidRequest(f"{name}: Extra inputs are not permitted")
    model = catalogue.find(NAME, body["model"])
    if model is None:
        return errors.refusal(request, 404, f"model: {body['model'][:200]}{catalogue.hint}")
    counted, text = prompt_tokens(body), last_user_text(body["messages"])
    if (wrong := demands.problem(model, body, counted)) is not None:
        raise InvalidRequest(wrong + catalogue.hint)
    if counting:
        return _json(request, {"input_tokens": counted}, case_of(text))
    dialogue = MessagesDialogue(body)
    script = choose(text, scripts, model=body["model"], provider=NAME, dialogue=dialogue)
    if not script.name:
        magic = (shown for words, shown in _MAGIC.items() if _TRIGGER + words in text)
        script = next(magic, None) or demanded_script(body, requests.output_format(body)) or script
    return Ask(
        script=script,
        text=text,
        model=body["model"],
        stream=body.get("stream") is True,
        usage=True,
        prompt_tokens=counted,
        max_tokens=body["max_tokens"],
        stops=tuple(body.get("stop_sequences") or ()),
        thinking=demands.thinking(model, body),
        provider=NAME,
        flavour="messages",
        after_tool=dialogue.results != (),
        request=request.identity,
    )


def _model(request: IncomingRequest, name: str, catalogue: Catalogue) -> Reply:
    if (found := models.described(name, catalogue)) is not None:
        return _json(request, found)
    return errors.refusal(request, 404, f"model: {name[:200]}{catalogue.hint}")


def _json(request: IncomingRequest, value: dict[str, Any], case: str | None = None) -> Reply:
    """An answer that needs no script."""
    name = errors.request_id(f"{request.path}\n{request.query}\n{request.body.hex()[:4_000]}")
    body = json.dumps(value, separators=(",", ":")).encode()
    return Reply(200, (errors.JSON, *errors.always(name)), (TimedFrame(body, 0.0),), case=case)
