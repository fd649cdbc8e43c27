"""What OpenAI's API refuses of one model and takes of another: asked only of a strict catalogue's models.

Sources: the model pages of https://developers.openai.com/api/docs/models, and refusals that users reported, such as
microsoft/vscode-copilot-release#9954 (max_tokens), khoj-ai/khoj#1377 (temperature), huggingface/smolagents#1671 (stop),
run-llama/llama_index#20865 (parallel_tool_calls), itzcrazykns/vane#1173 (tools with reasoning_effort),
pgadmin-org/pgadmin4#9795 (a model of v1/responses only), infiniflow/ragflow#1835 (embeddings of a chat model),
browser-use/web-ui#274 (images), ChatGPTNextWeb/NextChat#3195 (lengths), langchain-ai/langchain#31490 (json_schema),
tmc/langchaingo#1484 (metadata), pydantic/pydantic-ai#2865 (encrypted content).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from chatproof.fake_providers.dialects.base import Reply
from chatproof.fake_providers.dialects.openai.error_bodies import refusal
from chatproof.fake_providers.dialects.openai.field_checks import Problem, listed_words
from chatproof.fake_providers.dialects.openai.response_ids import is_stored
from chatproof.fake_providers.models.catalogue import Catalogue, Model, is_retired

_SAMPLING: Final = ("temperature", "top_p")
_LOGPROBS: Final = ("logprobs", "top_logprobs")
_SEARCH_REFUSES: Final = (*_SAMPLING, *_LOGPROBS, "n", "seed", "stop", "logit_bias", "tools", "parallel_tool_calls")
_TOOLS_WITH_EFFORT: Final = "reasoning_effort with tools"


class Refusal(NamedTuple):
    """A status of the API, and its error."""

    status: int
    problem: Problem


def refused(found: Refusal, catalogue: Catalogue) -> Reply:
    """The reply to what only a strict catalogue refuses."""
    status, (message, param, code) = found
    return refusal(status, Problem(message + catalogue.hint, param, code))


def model_for(catalogue: Catalogue, name: str, path: str) -> Model | Refusal:
    """The model of that name, if the endpoint `path` takes it."""
    model = catalogue.find("openai", name)
    if model is None:
        return _unknown(name, path)
    if model.anything or _ENDPOINTS[path] in model.can:
        return model
    if path == "/v1/embeddings":
        return Refusal(403, Problem("You are not allowed to generate embeddings from this model", None, None))
    if path == "/v1/responses":
        text = f"The requested model '{name[:100]}' cannot be used with the Responses API."
        return Refusal(400, Problem(text, "model", "unsupported_model"))
    if path == "/v1/completions":
        text = "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use"
        return Refusal(404, Problem(f"{text} v1/chat/completions?", "model", None))
    if "responses" in model.can:
        text = "This model is only supported in v1/responses and not in v1/chat/completions."
    else:
        text = (
            "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use"
            " v1/completions?"
        )
    return Refusal(404, Problem(text, "model", None))


def chat_problem(model: Model, body: dict[str, Any], heard: Callable[[int], int]) -> Refusal | None:
    """What this model does not take of a valid chat request.

    `heard` counts the prompt's tokens; where there are surely not more than its argument, any such number will do.
    """
    if model.anything:
        return None
    found = next((found for found in _chat_parameters(model, body) if found is not None), None)
    found = found or _chat_length(model, body, heard)
    return None if found is None else Refusal(400, found)


def response_problem(model: Model, body: dict[str, Any], heard: Callable[[int], int]) -> Refusal | None:
    """The same for a valid request for a response."""
    if model.anything:
        return None
    previous, conversation = body.get("previous_response_id"), body.get("conversation")
    if previous is not None and not is_stored(previous):
        return Refusal(400, no_previous(previous))
    if conversation is not None:  # the fakes have none
        name = conversation.get("id") if isinstance(conversation, dict) else conversation
        return Refusal(404, Problem(f"Conversation with id '{str(name)[:64]}' not found.", None, None))
    found = next((found for found in _response_parameters(model, body) if found is not None), None)
    if found is None and body.get("truncation") != "auto" and heard(limit := _longest_prompt(model)) > limit:
        text = "Your input exceeds the context window of this model. Please adjust your input and try again."
        found = Problem(text, "input", "context_length_exceeded")
    return None if found is None else Refusal(400, found)


def no_previous(name: str) -> Problem:
    """The error of a `previous_response_id` that is not kept."""
    text = f"Previous response with id '{name[:64]}' not found."
    return Problem(text, "previous_response_id", "previous_response_not_found")


def completion_problem(model: Model, wanted: int, heard: int) -> Refusal | None:
    """What this model does not take of a valid request for text completions: too many tokens, all in all."""
    if model.anything or model.context is None or heard + wanted <= model.context:
        return None
    text = (
        f"This model's maximum context length is {model.context} tokens, however you requested {heard + wanted} tokens"
        f" ({heard} in your prompt; {wanted} for the completion). Please reduce your prompt; or completion length."
    )
    return Refusal(400, Problem(text, None, "context_length_exceeded"))


_ENDPOINTS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/responses": "responses",
    "/v1/embeddings": "embedding",
}
"""What a model must be able to do."""


def _unknown(name: str, path: str) -> Refusal:
    shown = name[:100]
    if path == "/v1/responses":
        text = f"The requested model '{shown}' does not exist."
        return Refusal(400, Problem(text, "model", "model_not_found"))
    text = f"The model `{shown}` does not exist or you do not have access to it."
    if is_retired("openai", name):
        text = (
            f"The model `{shown}` has been deprecated, learn more here: https://platform.openai.com/docs/deprecations"
        )
    return Refusal(404, Problem(text, None, "model_not_found"))


def _chat_parameters(model: Model, body: dict[str, Any]) -> Iterator[Problem | None]:
    yield from (_unsupported(name) for name in model.refuses if _is_given(body, name))
    effort = body.get("reasoning_effort")
    if effort is not None and not model.efforts:
        yield Problem("Unrecognized request argument supplied: reasoning_effort", None, None)
    elif effort is not None and effort not in model.efforts:
        text = f"'reasoning_effort' does not support '{effort}' with this model."
        yield _not_among(text, "reasoning_effort", model.efforts)
    elif effort not in (None, "none") and _TOOLS_WITH_EFFORT in model.refuses and body.get("tools"):
        text = (
            f"Function tools with reasoning_effort are not supported for {model.name} in /v1/chat/completions. To use"
            " function tools, use /v1/responses or set reasoning_effort to 'none'."
        )
        yield Problem(text, "reasoning_effort", None)
    if _thinks(model, effort):
        yield from (_default_only(body, name) for name in _SAMPLING)
        yield from (_unsupported(name) for name in _LOGPROBS if _is_given(body, name))
    if "search" in model.can:
        for name in _SEARCH_REFUSES:
            if _is_given(body, name):
                yield Problem(f"Model incompatible request argument supplied: {name}", None, None)
    elif body.get("web_search_options") is not None:
        yield Problem("Web search options not supported with this model.", "web_search_options", None)
    kind = (body.get("response_format") or {}).get("type")
    if kind in model.refuses:
        text = f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."
        yield Problem(text, "response_format", None)
    if body.get("verbosity") not in (None, "medium") and "verbosity" not in model.can:
        text = f"'verbosity' does not support '{body['verbosity']}' with this model."
        yield _not_among(text, "verbosity", ["medium"])
    yield _service_tier(model, body)
    if body.get("metadata") and body.get("store") is not True:
        yield Problem("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata", None)
    yield from _media(model, body["messages"])


def _response_parameters(model: Model, body: dict[str, Any]) -> Iterator[Problem | None]:
    effort = (body.get("reasoning") or {}).get("effort")
    if effort is not None and not model.efforts:
        yield _unsupported("reasoning.effort")
    elif effort is not None and effort not in model.efforts:
        text = f"'{effort}' is not supported with the '{model.name}' model."
        yield _not_among(text, "reasoning.effort", model.efforts)
    if _thinks(model, effort):
        # unlike chat completions, it names the parameter, not its value
        yield from (_unsupported(name) for name in _SAMPLING if body.get(name) not in (None, 1))
        yield from (_unsupported(name) for name in _LOGPROBS if _is_given(body, name))
    elif "thinking" not in model.can and "reasoning.encrypted_content" in (body.get("include") or ()):
        yield Problem("Encrypted content is not supported with this model.", "include", None)
    verbosity = (body.get("text") or {}).get("verbosity")
    if verbosity not in (None, "medium") and "verbosity" not in model.can:
        text = f"'{verbosity}' is not supported with the '{model.name}' model."
        yield _not_among(text, "text.verbosity", ["medium"])
    yield _service_tier(model, body)
    if "vision" not in model.can:
        items = body.get("input")
        yield from _wrong_parts(items if isinstance(items, list) else [], "input[{}].content[{}].type", "input_image")


def _chat_length(model: Model, body: dict[str, Any], heard: Callable[[int], int]) -> Problem | None:
    name = "max_tokens" if body.get("max_tokens") is not None else "max_completion_tokens"
    wanted, most = body.get(name) or 0, model.output or 0
    if wanted > most and most != model.context:
        text = f"{name} is too large: {wanted}. This model supports at most {most} completion tokens,"
        return Problem(f"{text} whereas you provided {wanted}.", name, None)
    limit = _longest_prompt(model)
    prompt = heard(min(limit, (model.context or 0) - wanted))
    if prompt > limit and "thinking" in model.can:
        text = f"Input tokens exceed the configured limit of {limit} tokens. Your messages resulted in {prompt} tokens."
    elif prompt > limit:
        text = (
            f"This model's maximum context length is {model.context} tokens. However, your messages resulted in"
            f" {prompt} tokens."
        )
    elif prompt + wanted > (model.context or 0):
        text = (
            f"This model's maximum context length is {model.context} tokens. However, you requested {prompt + wanted}"
            f" tokens ({prompt} in the messages, {wanted} in the completion)."
        )
        advice = "Please reduce the length of the messages or completion."
        return Problem(f"{text} {advice}", "messages", "context_length_exceeded")
    else:
        return None
    return Problem(f"{text} Please reduce the length of the messages.", "messages", "context_length_exceeded")


def _longest_prompt(model: Model) -> int:
    """The most tokens of a prompt. A model that thinks keeps room for its longest reply."""
    assert model.context is not None, "only a lenient catalogue's models have no limit"
    return model.context - (model.output or 0) if "thinking" in model.can else model.context


def _thinks(model: Model, effort: str | None) -> bool:
    return "thinking" in model.can and (effort or model.effort) != "none"


def _is_given(body: dict[str, Any], name: str) -> bool:
    """Whether the request wants it: what changes nothing is taken by every model, but of a flag any value counts."""
    value = body.get(name)
    if name == "parallel_tool_calls":
        return value is not None
    return value not in (None, False, 0, [], {}) and (name, value) != ("n", 1)


def _default_only(body: dict[str, Any], name: str) -> Problem | None:
    value = body.get(name)
    if value in (None, 1):
        return None
    if name == "top_p":
        return _unsupported(name)
    text = f"Unsupported value: '{name}' does not support {value} with this model. Only the default (1) value is"
    return Problem(f"{text} supported.", name, "unsupported_value")


def _unsupported(name: str) -> Problem:
    text = f"Unsupported parameter: '{name}' is not supported with this model."
    if name == "max_tokens":
        text += " Use 'max_completion_tokens' instead."
    return Problem(text, name, "unsupported_parameter")


def _not_among(text: str, param: str, known: Sequence[str]) -> Problem:
    return Problem(
        f"Unsupported value: {text} Supported values are: {listed_words(known)}.", param, "unsupported_value"
    )


def _service_tier(model: Model, body: dict[str, Any]) -> Problem | None:
    if body.get("service_tier") == "flex" and "flex" not in model.can:
        return Problem("Invalid service_tier argument", "service_tier", None)
    return None


def _media(model: Model, said: list[dict[str, Any]]) -> Iterator[Problem]:
    """Images and sound that the model does not take, or that it cannot do without."""
    if "vision" not in model.can:
        yield from _wrong_parts(said, "messages.[{}].content.[{}].type", "image_url")
    heard = list(_wrong_parts(said, "messages.[{}].content.[{}].type", "input_audio"))
    if "audio" not in model.can:
        yield from heard
    elif not heard:
        text = "This model requires that either input content or output modality contain audio."
        yield Problem(text, "model", "invalid_value")


def _wrong_parts(said: list[dict[str, Any]], place: str, kind: str) -> Iterator[Problem]:
    for number, message in enumerate(said):
        parts = message.get("content")
        for index, part in enumerate(parts if isinstance(parts, list) else ()):
            if part.get("type") == kind:
                text = f"Invalid content type. {kind} is only supported by certain models."
                yield Problem(text, place.format(number, index), None)
