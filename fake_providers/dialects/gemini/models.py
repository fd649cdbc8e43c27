"""What Gemini says of its models. Source: https://ai.google.dev/api/models."""

from __future__ import annotations

from typing import Any, Final

from chatproof.fake_providers.models.catalogue import Catalogue, Model, listed, model_of

_GENERATES: Final = ["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"]
_EMBEDS: Final = ["embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent"]
_DEFAULT_PAGE: Final = 50
_MAX_PAGE: Final = 1_000


_SAMPLING: Final = {"temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2}


def model(name: str, catalogue: Catalogue) -> dict[str, Any] | None:
    """The model with that name, which is without "models/"; None where there is none."""
    found = catalogue.find("gemini", name)
    return None if found is None else _described(model_of("gemini", name))


def page(size: str, token: str) -> dict[str, Any] | None:
    """One page of the list; None if the page size or the page token, as the query gave them, is invalid."""
    if not (size or "0").isdecimal() or not (token or "0").isdecimal():
        return None
    start, length = int(token or 0), min(int(size or 0) or _DEFAULT_PAGE, _MAX_PAGE)
    models = listed("gemini")
    answer: dict[str, Any] = {"models": [_described(one) for one in models[start : start + length]]}
    if start + length < len(models):
        answer["nextPageToken"] = str(start + length)
    return answer


def _described(model: Model) -> dict[str, Any]:
    title = model.title or model.name.replace("-", " ").title()
    embeds = "embedding" in model.can
    return {
        "name": f"models/{model.name}",
        "version": model.version,
        "displayName": title,
        "description": f"{title}, as the fake provider plays it.",
        "inputTokenLimit": model.context,
        "outputTokenLimit": model.output,
        "supportedGenerationMethods": _EMBEDS if embeds else _GENERATES,
        **({} if embeds else _SAMPLING),
        **({"thinking": True} if "thinking" in model.can else {}),
    }
