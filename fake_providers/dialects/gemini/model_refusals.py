"""What Gemini's API refuses of one model and takes of another: asked only of a strict catalogue's models.

Sources: https://ai.google.dev/gemini-api/docs/thought-signatures and …/thinking, and refusals that users reported:
openclaw/openclaw#14036 (unknown model), google-gemini/gemini-cli#6678 (length), nanbingxyz/5ire#405 (signature),
RooCodeInc/Roo-Code#10700 (thinking level), vercel/ai#8027 (budget 0), BerriAI/litellm#11118 (modalities).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from chatproof.fake_providers.dialects.gemini.error_bodies import error
from chatproof.fake_providers.models.catalogue import Catalogue, Model

_NEEDS: Final = {
    "generateContent": "chat",
    "streamGenerateContent": "chat",
    "embedContent": "embedding",
    "batchEmbedContents": "embedding",
}
"""What a model must be able to do for an action."""


def model_for(catalogue: Catalogue, name: str, action: str, version: str) -> Model | dict[str, Any]:
    """The model of that name, if it has the action; else the error's body."""
    model = catalogue.find("gemini", name)
    if model is not None and (model.anything or action not in _NEEDS or _NEEDS[action] in model.can):
        return model
    text = (
        f"models/{name[:200]} is not found for API version {version}, or is not supported for {action}. Call ListModels"
        " to see the list of available models and their supported methods."
    )
    return error(404, text + catalogue.hint)


def problem(model: Model, request: Mapping[str, Any], prompt_tokens: int) -> str | None:
    """What this model does not take of a valid request to generate: the API's text, for a 400."""
    if model.anything:
        return None
    if model.context is not None and prompt_tokens > model.context:
        return (
            f"The input token count ({prompt_tokens}) exceeds the maximum number of tokens allowed ({model.context})."
        )
    config = request.get("generation_config", {})
    if any(one != "TEXT" for one in config.get("response_modalities", ())):
        text = "The requested combination of response modalities is not supported by the model."
        return f"{text} models/{model.name} accepts the following combination of response modalities:\n* TEXT\n"
    return _thinking(model, config.get("thinking_config", {})) or (
        _signatures(request["contents"]) if "signatures" in model.can else None
    )


def _thinking(model: Model, config: Mapping[str, Any]) -> str | None:
    level, budget = config.get("thinking_level"), config.get("thinking_budget")
    if level is not None and budget is not None:
        return "You can only set only one of thinking budget and thinking level."
    if level is not None and "thinking_level" in model.refuses:
        return "Thinking level is not supported for this model."
    if budget == 0 and "thinking_budget 0" in model.refuses:
        return "Budget 0 is invalid. This model only works in thinking mode."
    return None


def _signatures(contents: list[dict[str, Any]]) -> str | None:
    """In the current turn, begun by a user's text, the first call of each of the model's contents has a signature."""
    begun = max((number for number, content in enumerate(contents) if _is_users_text(content)), default=0)
    for number, content in enumerate(contents[begun:], begun + 1):
        call = next((part for part in content.get("parts", ()) if "function_call" in part), None)
        if content.get("role") == "model" and call is not None and not call.get("thought_signature"):
            return unsigned_call(call["function_call"].get("name", ""), number)
    return None


def unsigned_call(name: str, position: int) -> str:
    """The API's text for a call in the history that has lost its signature. `position`: of its content, from 1."""
    return (
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work"
        " correctly, and missing thought_signature may lead to degraded model performance. Additional data,"
        f" function call `default_api:{name}` , position {position}. Please refer to"
        " https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
    )


def _is_users_text(content: Mapping[str, Any]) -> bool:
    return content.get("role", "user") == "user" and any("text" in part for part in content.get("parts", ()))
