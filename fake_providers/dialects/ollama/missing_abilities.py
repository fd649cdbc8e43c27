"""What Ollama refuses of a model that cannot do it: asked only of a strict catalogue's models.

Source: server/routes.go of ollama (GenerateHandler, ChatHandler, EmbedHandler), and ollama/ollama#12182, #6027.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chatproof.fake_providers.models.catalogue import Model


def speech_problem(model: Model, asked: str, body: Mapping[str, Any], kind: str) -> str | None:
    """The text of a 400, for a valid request. `asked`: the model's name in the request; `kind`: "chat", "generate"."""
    if model.anything:
        return None
    if "completion" not in model.can:
        return f'"{asked}" does not support {kind}'
    if body.get("think") not in (None, False) and "thinking" not in model.can:
        return f'"{asked}" does not support thinking'
    if body.get("tools") and "tools" not in model.can:
        return f"registry.ollama.ai/library/{model.name} does not support tools"
    if body.get("suffix") and "insert" not in model.can:
        return f"registry.ollama.ai/library/{model.name} does not support insert"
    images = [body, *(body.get("messages") or ())]
    if "vision" not in model.can and any(one.get("images") for one in images):
        return "this model is missing data required for image input"
    return None


def embedding_problem(model: Model, body: Mapping[str, Any], longest: int) -> tuple[int, str] | None:
    """The status and text of a refusal. `longest`: the tokens of the longest input, which Ollama usually cuts."""
    if model.anything:
        return None
    if "embedding" not in model.can:
        return 501, "this model does not support embeddings"
    if body.get("truncate") is False and longest > (model.context or 0):
        return 400, "the input length exceeds the context length"
    return None
