"""Google's Gemini API: which requests it answers, and how.

Source: https://ai.google.dev/api, what the official clients send and read, and recorded answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from chatproof.fake_providers.dialects.base import Ask, Headers, IncomingRequest, Reply, TimedFrame
from chatproof.fake_providers.dialects.gemini import model_refusals as refusals
from chatproof.fake_providers.dialects.gemini import models as models
from chatproof.fake_providers.dialects.gemini import reply as replies
from chatproof.fake_providers.dialects.gemini import request as prompts
from chatproof.fake_providers.dialects.gemini.error_bodies import bad_request, error, no_key
from chatproof.fake_providers.dialects.gemini.gemini_dialogue import GeminiDialogue
from chatproof.fake_providers.dialects.gemini.google_json import pretty
from chatproof.fake_providers.dialects.gemini.request_schema import Reader
from chatproof.fake_providers.dialects.gemini.response_schema import SchemaRefused, demanded_script
from chatproof.fake_providers.dialects.vectors import vector
from chatproof.fake_providers.models.catalogue import LENIENT, Catalogue, Model
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.selection import UnknownScenario, case_of, choose
from chatproof.fake_providers.scripting.wire_table import Form

NAME = "gemini"
ANSWERS: Final = (
    "POST /v1beta/models/{model}:generateContent", ":streamGenerateContent", ":countTokens", ":embedContent",
    ":batchEmbedContents", "GET /v1beta/models",
)  # fmt: skip
"""What there is, for errors about what there is not."""
render = replies.render

_REQUESTS: Final = {
    "generateContent": "GenerateContentRequest",
    "streamGenerateContent": "GenerateContentRequest",
    "countTokens": "CountTokensRequest",
    "embedContent": "EmbedContentRequest",
    "batchEmbedContents": "BatchEmbedContentsRequest",
}
_PATH: Final = re.compile(rf"/(v1|v1beta|v1alpha)/(?:models|tunedModels)(?:/([^/]+?)(?::({'|'.join(_REQUESTS)}))?)?")
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_DIGITS: Final = 9  # of an embedding's numbers
_MAX_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class _Route:
    """A request's address. `model` and `action` are empty where the path has none."""

    version: str
    model: str
    action: str
    query: Mapping[str, str]

    @property
    def array(self) -> bool:
        return self.action == "streamGenerateContent" and self.alt != "sse"

    @property
    def alt(self) -> str:
        return self.query.get("$alt") or self.query.get("alt") or "json"


def answers(request: IncomingRequest) -> bool:
    """Whether the request is to Gemini. On /v1/models, which OpenAI has too, only if it has a Google key."""
    if (found := _PATH.fullmatch(request.path)) is None:
        return False
    version, _, action = found.groups()
    return version != "v1" or action is not None or bool(_key(request, _query(request)))


def read(request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue = LENIENT) -> Ask | Reply:
    found = _PATH.fullmatch(request.path)
    assert found is not None, "the dialect is asked about its own paths only"
    version, model, action = found.groups()
    route = _Route(version, model or "", action or "", _query(request))
    if request.method != ("POST" if route.action else "GET"):
        return _refusal(route, error(404, "Method not found."))
    if not _key(request, route.query) and not request.headers.get("authorization", "").lower().startswith("bearer "):
        return _refusal(route, no_key())
    if not route.action:
        return _catalogue(route, catalogue)
    if request.json_error is not None:
        text = f"Invalid JSON payload received. {request.json_error}"
        return _refusal(route, bad_request([("", text)]))
    body = {} if not request.body else request.json
    if not isinstance(body, dict):
        return _refusal(route, bad_request([("", "Invalid JSON payload received. The root must be an object.")]))
    reader = Reader(route.version)
    message = reader.message(_REQUESTS[route.action], body)
    if reader.violations:
        return _refusal(route, bad_request(reader.violations))
    if not _MODEL.fullmatch(route.model):
        return _refusal(route, error(400, f"* {_REQUESTS[route.action]}.model: unexpected model name format\n"))
    model = refusals.model_for(catalogue, route.model, route.action, route.version)
    if isinstance(model, dict):
        return _refusal(route, model)
    if route.action == "countTokens":
        return _counted(route, message)
    if route.action in ("embedContent", "batchEmbedContents"):
        return _embedded(route, model, message)
    if (wrong := prompts.generation_problem(message)) is not None:
        return _refusal(route, error(400, wrong))
    counted = prompts.prompt_tokens(message)
    if (wrong := refusals.problem(model, message, sum(number for _, number in counted))) is not None:
        return _refusal(route, error(400, wrong + catalogue.hint))
    return _generation(route, request, message, counted, scripts)


def form(ask: Ask) -> Form | None:
    return "gemini-array" if ask.flavour == replies.ARRAY else "gemini"


def refuse(ask: Ask, text: str) -> Reply:
    frame = TimedFrame(replies.error_body(error(400, text), ask.flavour == replies.ARRAY), 0.0)
    return Reply(400, (replies.JSON_TYPE, *replies.HEADERS), (frame,))


def _generation(
    route: _Route,
    request: IncomingRequest,
    message: dict[str, Any],
    counted: tuple[tuple[str, int], ...],
    scripts: Mapping[str, Script],
) -> Ask | Reply:
    text = prompts.user_text(message.get("contents", []))
    dialogue = GeminiDialogue(message)
    try:
        script = choose(text, scripts, model=route.model, provider=NAME, dialogue=dialogue)
    except UnknownScenario as unknown:
        return _refusal(route, error(400, str(unknown)), (unknown.header,))
    try:
        script = script if script.name else demanded_script(message) or script
    except SchemaRefused as refused:
        return _refusal(route, error(400, str(refused)))
    config = message.get("generation_config", {})
    streams = route.action == "streamGenerateContent"
    return Ask(
        script=script,
        text=text,
        model=route.model,
        stream=streams,
        usage=True,
        prompt_tokens=sum(number for _, number in counted),
        max_tokens=config.get("max_output_tokens"),
        choices=config.get("candidate_count", 1),
        logprobs=config.get("logprobs", 0) if config.get("response_logprobs") else None,
        stops=tuple(filter(None, config.get("stop_sequences", ()))),
        thinking=prompts.thinking(config),
        provider=NAME,
        flavour=(replies.ARRAY if route.array else replies.SSE) if streams else replies.WHOLE,
        extra=counted,
        after_tool=dialogue.results != (),
        request=request.identity,
    )


def _catalogue(route: _Route, catalogue: Catalogue) -> Reply:
    if route.model:
        if (found := models.model(route.model, catalogue)) is not None:
            return _json(found)
        text = f"Model is not found: models/{route.model[:200]} for api version {route.version}{catalogue.hint}"
        return _refusal(route, error(404, text))
    listed = models.page(route.query.get("pageSize", ""), route.query.get("pageToken", ""))
    return _refusal(route, error(400, "Page size or page token is invalid.")) if listed is None else _json(listed)


def _counted(route: _Route, message: dict[str, Any]) -> Reply:
    """countTokens plays no script, whatever the prompt says: it returns the number of tokens."""
    inner = message.get("generate_content_request", message)
    case = case_of(prompts.user_text(inner.get("contents", [])))
    if (wrong := prompts.contents_problem(inner, "CountTokensRequest")) is not None:
        return _refusal(route, error(400, wrong), case=case)
    counted = prompts.prompt_tokens(inner)
    total = sum(number for _, number in counted)
    return _json({"totalTokens": total, "promptTokensDetails": replies.details(counted)}, case)


def _embedded(route: _Route, model: Model, message: dict[str, Any]) -> Reply:
    kind = _REQUESTS[route.action]
    batch = route.action == "batchEmbedContents"
    requests = message.get("requests", []) if batch else [message]
    if not 1 <= len(requests) <= _MAX_BATCH:
        return _refusal(route, error(400, f"* {kind}.requests: requests must hold 1 to {_MAX_BATCH} entries\n"))
    vectors = []
    for index, one in enumerate(requests):
        where = f"{kind}.requests[{index}]" if batch else kind
        size = one.get("output_dimensionality", model.width)
        text = prompts.text_of(one.get("content", {}))
        if not one.get("content", {}).get("parts"):
            return _refusal(route, error(400, f"* {where}.content: content is not specified\n"))
        if not 1 <= size <= model.width:
            range_ = f"output_dimensionality must be in the range [1, {model.width}]."
            return _refusal(route, error(400, f"* {where}.output_dimensionality: {range_}\n"))
        vectors.append({"values": [round(number, _DIGITS) for number in vector(text, model, size)]})
    case = case_of(prompts.text_of(requests[-1]["content"]))
    return _json({"embeddings": vectors} if batch else {"embedding": vectors[0]}, case)


def _query(request: IncomingRequest) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(request.query).items()}


def _key(request: IncomingRequest, query: Mapping[str, str]) -> str:
    return request.headers.get("x-goog-api-key", "").strip() or query.get("key", "").strip()


def _json(value: dict[str, Any], case: str | None = None) -> Reply:
    return Reply(200, (replies.JSON_TYPE, *replies.HEADERS), (TimedFrame(pretty(value).encode(), 0.0),), case=case)


def _refusal(route: _Route, body: dict[str, Any], headers: Headers = (), case: str | None = None) -> Reply:
    frame = TimedFrame(replies.error_body(body, route.array), 0.0)
    return Reply(body["error"]["code"], (replies.JSON_TYPE, *replies.HEADERS, *headers), (frame,), case=case)
