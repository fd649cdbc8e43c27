"""The OpenAI-compatible paths of Ollama, vLLM, llama.cpp and LM Studio. Which product answers which path:

    /vllm/v1/…  /llamacpp/v1/…  /lmstudio/v1/…  /ollama/v1/…    that product, with any key or none
    /v1/…                                                       Ollama, if the request is to Ollama's port or to
                                                                the in-process host, or names a local model of
                                                                `models.toml` or one with a tag (`mistral:7b`), or
                                                                has no key and names a model that OpenAI does not
                                                                have; else OpenAI

The product's own paths have the prefix too: /vllm/health, /llamacpp/health. Ollama's own API is a dialect of its own.
`LOCAL_LLM_URL` is the fakes' root (an Ollama), or that root with /vllm, /llamacpp or /lmstudio.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from chatproof.fake_providers.dialects.base import Ask, Headers, IncomingRequest, Recall, Reply, Thinking, TimedFrame
from chatproof.fake_providers.dialects.openai import dialect as openai
from chatproof.fake_providers.dialects.openai.chat_messages import ChatDialogue, last_user_text
from chatproof.fake_providers.dialects.openai.completions_request import logprobs, problem, stops
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.dialects.openai.prompt_size import local_chat_tokens
from chatproof.fake_providers.dialects.openai.responses_reply import ResponseWishes
from chatproof.fake_providers.dialects.openai.structured_choice import chat_script
from chatproof.fake_providers.dialects.openai_compatible.encoder import CONTINUOUS, Compatible
from chatproof.fake_providers.dialects.openai_compatible.guided_decoding import guided_script
from chatproof.fake_providers.dialects.openai_compatible.products import PRODUCTS
from chatproof.fake_providers.dialects.provider_variables import HOSTS
from chatproof.fake_providers.dialects.timed_reply import json_reply, speak, text_reply
from chatproof.fake_providers.models.catalogue import LENIENT, STRICT, Catalogue, Model, listed
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.selection import UnknownScenario, choose
from chatproof.fake_providers.scripting.wire_table import Form

NAME: Final = "local"

_CHAT: Final = "/v1/chat/completions"
_MODELS: Final = "/v1/models"
_EMBEDDINGS: Final = "/v1/embeddings"
_PASSED_ON: Final = (_EMBEDDINGS, "/v1/completions", "/v1/responses")
_SHARED: Final = (_CHAT, _MODELS, *_PASSED_ON)
"""OpenAI's paths that a local server answers without a prefix too."""

_OPENAI_MODEL: Final = re.compile(
    r"(?:ft:)?(?:gpt-(?!oss)|chatgpt-|o\d|text-embedding-|codex-|computer-use-|davinci|babbage)"
)
_PORT: Final = ":11434"  # Ollama's
_OWN_PATHS: Final = {  # by product and path
    **dict.fromkeys((("vllm", "/health"), ("vllm", "/ping")), Reply(200)),
    ("vllm", "/version"): json_reply(200, {"version": "0.11.2"}),
    **dict.fromkeys((("llamacpp", "/health"), ("llamacpp", "/v1/health")), json_reply(200, {"status": "ok"})),
}


def _split(path: str) -> tuple[str, str]:
    """The product that the path begins with and the rest: ("vllm", "/v1/models"); ("", path) where it has none."""
    product, slash, rest = path[1:].partition("/")
    if product in PRODUCTS and path.startswith("/"):
        return product, slash + rest or "/"
    return "", path


def answers(request: IncomingRequest) -> bool:
    """Every path under a product's name, and OpenAI's paths where the request is to a local server."""
    product, path = _split(request.path)
    return product != "" or (path in _SHARED and _is_local(request))


def _is_local(request: IncomingRequest) -> bool:
    """Whether a request to one of OpenAI's paths is to a local server: by its host, its model, or its missing key.

    A key says little, since every client of OpenAI's sends one.
    """
    host = request.headers.get("host", "")
    if host == HOSTS["local"] or host.endswith(_PORT):
        return True
    model = request.json.get("model") if isinstance(request.json, dict) else None
    if not isinstance(model, str) or model == "" or _OPENAI_MODEL.match(model) is not None:
        return False
    return "authorization" not in request.headers or ":" in model or STRICT.find(NAME, model) is not None


def read(request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue = LENIENT) -> Ask | Reply:
    product, path = _split(request.path)
    product = product or "ollama"
    voice = PRODUCTS[product]
    if (own := _OWN_PATHS.get((product, path))) is not None:
        return own if request.method in ("GET", "HEAD") else _refused(voice, 405, "Method Not Allowed")
    if path not in _SHARED:
        return _nowhere(voice, request, path)
    if request.method != ("GET" if path == _MODELS else "POST"):
        return _refused(voice, 405, "Method Not Allowed")
    if path == _MODELS:
        return json_reply(200, voice.models([model.name.removesuffix(":latest") for model in listed(NAME)]))
    body = request.json
    if request.json_error is not None or not isinstance(body, dict):
        return _refused(voice, 400, f"Invalid JSON body: {request.json_error or 'it is not an object'}")
    if product != "ollama" and not body.get("model"):
        body = {**body, "model": listed(NAME)[0].name}  # these serve what they have loaded
    model = body.get("model")
    found = catalogue.find(NAME, model) if isinstance(model, str) else None
    if product != "llamacpp" and isinstance(model, str) and found is None:
        text = f"model '{model}' not found" if product == "ollama" else f"The model `{model}` does not exist."
        return _refused(voice, 404, text + catalogue.hint, "model", "model_not_found")
    if path == _CHAT:
        return _chat(voice, request, body, scripts, found, catalogue)
    if path == "/v1/completions" and found is not None and not found.anything and "completion" not in found.can:
        return _refused(voice, 400, f'"{model}" does not support completions{catalogue.hint}', "model")
    if path == _EMBEDDINGS and found is not None and not found.anything and "embedding" not in found.can:
        return _refused(voice, 400, f"{voice.NO_EMBEDDINGS}{catalogue.hint}")
    return _passed_on(voice, replace(request, path=path, json=body), scripts, catalogue)


def render(ask: Ask) -> Reply:
    if isinstance(ask.extra, Ask):
        return openai.render(replace(ask.extra, script=ask.script))  # the planner may have changed it
    return speak(ask, PRODUCTS[ask.flavour](ask))


def form(ask: Ask) -> Form | None:
    return openai.form(ask.extra) if isinstance(ask.extra, Ask) else "chat"


def refuse(ask: Ask, text: str) -> Reply:
    return _refused(PRODUCTS[ask.flavour], 400, text, "messages", "unplayable")


def _chat(
    voice: type[Compatible],
    request: IncomingRequest,
    body: dict[str, Any],
    scripts: Mapping[str, Script],
    model: Model | None,
    catalogue: Catalogue,
) -> Ask | Reply:
    # LM Studio's and llama.cpp's examples say -1 for "no limit".
    limits = {name: body[name] for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None}
    unlimited = {name for name, value in limits.items() if value in (-1, -2)}
    body = {name: value for name, value in body.items() if name not in unlimited}
    if (wrong := problem(body, strict=False)) is not None:
        return _refused(voice, 400, *wrong)
    if body.get("n") not in (None, 1):
        return _refused(voice, 400, "Only one completion choice is allowed", "n")
    if model is not None and not model.anything and (missing := voice.missing(model, body)) is not None:
        return _refused(voice, 400, missing + catalogue.hint)
    heard = local_chat_tokens(body)
    if catalogue.strict and (longer := voice.too_long(heard)) is not None:
        return _refused(voice, 400, longer + catalogue.hint, kind=voice.TOO_LONG_TYPE)
    text = last_user_text(body["messages"])
    dialogue = ChatDialogue(body)
    try:
        script = choose(text, scripts, model=body["model"], provider=NAME, dialogue=dialogue)
    except UnknownScenario as unknown:
        return _refused(voice, 400, str(unknown), "messages", "unknown_scenario", (unknown.header,))
    if not script.name:
        wanted = guided_script(body) or chat_script(body)
        if isinstance(wanted, Problem):
            return _refused(voice, 400, *wanted)
        script = wanted or script
    options = body.get("stream_options") or {}
    usage = options.get("include_usage") is True
    limit = next((body[name] for name in limits if body.get(name) is not None), None)
    return Ask(
        script=script,
        text=text,
        model=body["model"],
        stream=body.get("stream") is True,
        usage=usage,
        prompt_tokens=heard,
        max_tokens=limit,
        stops=stops(body),
        thinking=_thinking(body),
        logprobs=logprobs(body) if voice.LIKELY else None,
        provider=NAME,
        flavour=voice.PRODUCT,
        extra=CONTINUOUS if usage and options.get(CONTINUOUS) is True else None,
        after_tool=dialogue.results != (),
        request=request.identity,
    )


def _thinking(body: dict[str, Any]) -> Thinking:
    """Whether the model thinks, by what the products' chat templates and vLLM's `include_reasoning` understand."""
    template = body.get("chat_template_kwargs")
    wanted = template.get("enable_thinking", True) if isinstance(template, dict) else True
    if body.get("reasoning_effort") == "none" or wanted is False:
        return "none"
    return "hidden" if body.get("include_reasoning") is False else "shown"


def _passed_on(
    voice: type[Compatible], request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue
) -> Ask | Reply:
    """Requests that these products answer just like OpenAI. Only their error bodies differ."""
    keyed = replace(request, headers={**request.headers, "authorization": "Bearer none"})
    answer = openai.read(keyed, scripts, catalogue, NAME)
    assert not isinstance(answer, Recall), "only OpenAI keeps replies"
    if isinstance(answer, Ask):
        if isinstance(answer.extra, ResponseWishes) and answer.thinking != "none":
            # Nobody hides the thoughts here. Ollama calls them a summary (its openai/responses.go).
            raw = answer.extra._replace(raw=voice.PRODUCT != "ollama", encrypted=False)
            answer = replace(answer, thinking="shown", extra=raw)
        return replace(answer, provider=NAME, flavour=voice.PRODUCT, extra=answer)
    if answer.status == 200:
        return answer
    error = json.loads(b"".join(frame.payload for frame in answer.frames))["error"]
    hints = tuple(header for header in answer.headers if header[0].startswith("x-fake-"))
    return _refused(voice, answer.status or 400, error["message"], error["param"], error["code"], hints)


def _nowhere(voice: type[Compatible], request: IncomingRequest, path: str) -> Reply:
    there = f"the fake answers {', '.join(f'/{voice.PRODUCT}{one}' for one in _SHARED)}"
    if voice.PRODUCT == "ollama":
        return text_reply(404, f"404 page not found ({there}, /ollama/api/chat and the rest of Ollama's API)")
    if voice.PRODUCT == "lmstudio":  # with 200, as LM Studio does
        text = f"Unexpected endpoint or method. ({request.method} {path[:200]}; {there})"
        return json_reply(200, {"error": text})
    return _refused(voice, 404, f"{'File Not Found' if voice.PRODUCT == 'llamacpp' else 'Not Found'} ({there})")


def _refused(
    voice: type[Compatible],
    status: int,
    text: str,
    param: str | None = None,
    code: str | None = None,
    headers: Headers = (),
    kind: str | None = None,
) -> Reply:
    body = voice.refused(status, text, param, code, kind)
    return Reply(status, (voice.json_header, *headers), (TimedFrame(body, 0.0),))
