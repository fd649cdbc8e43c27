"""What Azure's content filter says of prompts and replies.

Source: https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter, and streams that public issues
quote (AbanteAI/archive-old-cli-mentat#429, langchain4j/langchain4j#2385).
"""

from __future__ import annotations

from typing import Any, Final

SAFE: Final = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
FILTERED: Final = {**SAFE, "violence": {"filtered": True, "severity": "high"}}


def prompt_results(prompts: int = 1) -> dict[str, Any]:
    """The field `prompt_filter_results`: one harmless result for each of the prompts."""
    results = [{"prompt_index": index, "content_filter_results": SAFE} for index in range(prompts)]
    return {"prompt_filter_results": results}


def first_chunk() -> dict[str, Any]:
    """The first chunk of a stream: it has no choices."""
    return {"choices": [], "created": 0, "id": "", "model": "", "object": "", **prompt_results()}
