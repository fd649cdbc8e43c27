"""Ollama's own HTTP API: which request gets which reply. Its OpenAI-compatible paths are in openai_compatible/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.dialects.base import Ask, IncomingRequest, Reply
from chatproof.fake_providers.dialects.ollama import descriptions as descriptions
from chatproof.fake_providers.dialects.ollama import missing_abilities as abilities
from chatproof.fake_providers.dialects.ollama import request as requests
from chatproof.fake_providers.dialects.ollama.ollama_dialogue import OllamaDialogue
from chatproof.fake_providers.dialects.ollama.reply import CHAT, GENERATE, Lines, metrics
from chatproof.fake_providers.dialects.schedule import Timeline
from chatproof.fake_providers.dialects.timed_reply import (
    TIMING,
    go_json,
    json_reply,
    lay_out,
    speak,
    text_reply,
    timestamp,
)
from chatproof.fake_providers.dialects.vectors import vector
from chatproof.fake_providers.models.catalogue import LENIENT, Catalogue, Model, model_of
from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.dialogue import NOBODY, Dialogue
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.selection import UnknownScenario, choose
from chatproof.fake_providers.scripting.wire_table import Form
from chatproof.fake_providers.structured.answers import json_reply_script, shown_path
from chatproof.fake_providers.structured.schema_nodes import SchemaProblem

NAME = "local"

EMBED: Final = "/api/embed"
EMBEDDINGS: Final = "/api/embeddings"
VERSION: Final = "0.13.0"

_DIGITS: Final = 9  # as many as a 32-bit float has
_MAX_NUMBERS: Final = 500_000  # more would keep everybody else waiting
_GET: Final[dict[str, Callable[[], Reply]]] = {
    "/": lambda: text_reply(200, "Ollama is running"),
    "/api/version": lambda: json_reply(200, {"version": VERSION}),
    "/api/tags": lambda: json_reply(200, descriptions.tags()),
    "/api/ps": lambda: json_reply(200, descriptions.running()),
}
_STRUCTS: Final = {
    CHAT: "ChatRequest",
    GENERATE: "GenerateRequest",
    EMBED: "EmbedRequest",
    EMBEDDINGS: "EmbeddingRequest",
    "/api/show": "ShowRequest",
}


NOT_FOUND: Final = f"404 page not found (the fake answers {', '.join([*_GET, *_STRUCTS])})"


class _EmbeddingInput(NamedTuple):
    """The texts to embed, and how many numbers each embedding has."""

    texts: tuple[str, ...]
    width: int


def answers(request: IncomingRequest) -> bool:
    """The root and every path under /api, unknown ones included: Ollama has its own 404. /ollama may come before."""
    path = _own_path(request)
    return path == "/" or path.startswith("/api/")


def read(request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue = LENIENT) -> Ask | Reply:
    path, method = _own_path(request), request.method
    if path in _GET:
        return _GET[path]() if method in ("GET", "HEAD") else text_reply(405, "405 method not allowed")
    if path not in _STRUCTS:
        return text_reply(404, NOT_FOUND)
    if method != "POST":
        return text_reply(405, "405 method not allowed")
    struct, body = _STRUCTS[path], request.json
    if not request.body:
        return _refusal(400, "missing request body")
    if request.json_error is not None:
        return _refusal(400, f"invalid JSON: {request.json_error}")
    if body is None:  # null is an empty object to Go
        body = {}
    if not isinstance(body, dict):
        kind = {list: "array", str: "string", bool: "bool"}.get(type(body), "number")
        return _refusal(400, f"json: cannot unmarshal {kind} into Go value of type api.{struct}")
    wrong = requests.problem(struct, body)
    if wrong is not None and wrong.status == 400:
        return _refusal(*wrong)
    model = body.get("model") or ""
    if path == "/api/show":
        return _show(model or body.get("name") or "", catalogue)
    if not descriptions.is_name(model):
        required = path == CHAT or not model
        return _refusal(400 if path == CHAT else 404, "model is required" if required else _not_found(model))
    if (found := catalogue.find("local", model)) is None:
        return _refusal(404, _not_found(model) + catalogue.hint)
    if wrong is not None:
        return _refusal(*wrong)
    try:
        if path not in (CHAT, GENERATE):
            return _embedding(path, request, body, scripts, found, catalogue)
        kind = "chat" if path == CHAT else "generate"
        if (missing := abilities.speech_problem(found, model, body, kind)) is not None:
            return _refusal(400, missing + catalogue.hint)
        return _speech(path, request, body, scripts)
    except UnknownScenario as unknown:
        return json_reply(400, {"error": str(unknown)}, unknown.header)


def render(ask: Ask) -> Reply:
    return speak(ask, Lines(ask)) if ask.flavour in (CHAT, GENERATE) else lay_out(ask, _Vectors(ask))


def form(ask: Ask) -> Form | None:
    return "ollama" if ask.flavour in (CHAT, GENERATE) else None


def refuse(ask: Ask, text: str) -> Reply:
    return _refusal(400, text)


def _own_path(request: IncomingRequest) -> str:
    path = request.path
    return (path.removeprefix("/ollama") or "/") if path == "/ollama" or path.startswith("/ollama/") else path


def _speech(path: str, request: IncomingRequest, body: dict[str, Any], scripts: Mapping[str, Script]) -> Ask | Reply:
    said = body
    if path == CHAT:
        if not (messages := body.get("messages") or []):
            return _loaded(path, body)
        text = requests.last_user_text(messages)
        heard = [message.get("content") or "" for message in messages]
    else:
        if not (text := body.get("prompt") or ""):
            return _loaded(path, body)
        heard = [body["system"], text] if body.get("system") else [text]
        said = {name: body.get(name) for name in ("system", "images")}  # the rest is not read, and may be anything
    ask = _asked(path, request, body, text, scripts, OllamaDialogue(said))
    if not ask.script.name and (wanted := body.get("format")):
        try:
            ask = replace(ask, script=json_reply_script({"type": "object"} if wanted == "json" else wanted))
        except SchemaProblem as problem:
            return _refusal(400, f"invalid JSON schema in format: at {list(shown_path(problem.path))}: {problem}")
    return replace(
        ask,
        stream=body.get("stream") is not False,
        prompt_tokens=requests.prompt_tokens(heard, ask.vocabulary, said),
        max_tokens=requests.max_tokens(body),
        logprobs=(body.get("top_logprobs") or 0) if body.get("logprobs") else None,
        stops=tuple(filter(None, (body.get("options") or {}).get("stop") or ())),
        thinking="none" if body.get("think") is False else "shown",
        extra="raw" if body.get("raw") else None,
    )


def _embedding(
    path: str,
    request: IncomingRequest,
    body: dict[str, Any],
    scripts: Mapping[str, Script],
    model: Model,
    catalogue: Catalogue,
) -> Ask | Reply:
    value = body.get("prompt") if path == EMBEDDINGS else body.get("input")
    texts = [value] if isinstance(value, str) else value
    if value is None or value == "":
        texts = []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return _refusal(400, "invalid input type")
    longest = max((tokenizer.count(text, "cl100k") for text in texts), default=0) if catalogue.strict else 0
    if (missing := abilities.embedding_problem(model, body, longest)) is not None:
        return _refusal(missing[0], missing[1] + catalogue.hint)
    ask = _asked(path, request, body, texts[-1] if texts else "", scripts)
    wanted = (body.get("dimensions") if path == EMBED else None) or model.width
    if wanted < 0:
        return _refusal(400, f"invalid dimensions: {wanted}")
    width = min(wanted, model.width)
    if len(texts) * width > _MAX_NUMBERS:
        return _refusal(400, f"the fake provider gives at most {_MAX_NUMBERS:,} numbers for one request")
    return replace(
        ask, prompt_tokens=requests.prompt_tokens(texts, ask.vocabulary), extra=_EmbeddingInput(tuple(texts), width)
    )


def _asked(
    path: str,
    request: IncomingRequest,
    body: dict[str, Any],
    text: str,
    scripts: Mapping[str, Script],
    dialogue: Dialogue = NOBODY,
) -> Ask:
    model = body["model"]
    return Ask(
        script=choose(text, scripts, model=model, provider=NAME, dialogue=dialogue),
        text=text,
        model=model,
        stream=False,
        provider=NAME,
        flavour=path,
        after_tool=dialogue.results != (),
        request=request.identity,
    )


def _loaded(path: str, body: dict[str, Any]) -> Reply:
    """A request without a prompt only loads the model, or unloads it with a keep_alive of 0."""
    reason = "unload" if body.get("keep_alive") in (0, "0", "0s") else "load"
    said: dict[str, Any] = {"message": {"role": "assistant", "content": ""}} if path == CHAT else {"response": ""}
    head = {"model": body["model"], "created_at": timestamp(0).decode()}
    return json_reply(200, {**head, **said, "done": True, "done_reason": reason})


def _show(model: str, catalogue: Catalogue) -> Reply:
    if not model:
        return _refusal(400, "model is required")
    if not descriptions.is_name(model):
        return _refusal(400, "invalid model name")
    if catalogue.find("local", model) is None:
        return _refusal(404, _not_found(model) + catalogue.hint)
    return json_reply(200, descriptions.show(model))


def _not_found(model: str) -> str:
    return f"model '{model[:200]}' not found"


def _refusal(status: int, text: str) -> Reply:
    return json_reply(status, {"error": text})


class _Vectors(Lines):
    """The reply to an embedding request. A script that the text names may delay it or make it fail."""

    def timing(self, line: Timeline) -> bytes:
        shown = ("total_duration", "load_duration", "prompt_eval_count")
        fields = {name: value for name, value in metrics(self._ask, line).items() if name in shown and value}
        return go_json(fields)[1:-1].encode()

    def whole(self, line: Timeline) -> bytes:
        ask = self._ask
        wanted = ask.extra
        assert isinstance(wanted, _EmbeddingInput)
        model = model_of("local", ask.model)
        vectors = [[round(one, _DIGITS) for one in vector(text, model, wanted.width)] for text in wanted.texts]
        if ask.flavour == EMBEDDINGS:
            return go_json({"embedding": vectors[0] if vectors else []}).encode()
        return b'{"model":%b,"embeddings":%b,%b}' % (go_json(ask.model).encode(), go_json(vectors).encode(), TIMING)
