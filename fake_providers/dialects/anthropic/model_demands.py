"""What Anthropic's API refuses of one model and takes of another, asked only of a strict catalogue's models; and
whether a model thinks, and shows it.

Sources: the migration guides of https://platform.claude.com/docs/en/models (Opus 5.5, Sonnet 5.5, Haiku 5.5), and
refusals that users reported: anthropics/claude-code#24451 (max_tokens), zhukunpenglinyutong/jetbrains-cc-gui#1003
(thinking.type.enabled), androoAGI/starnet#32 (thinking.type.disabled), can1357/oh-my-pi#12939 (tool_choice),
Mixpeal/anthropic-sdk#11 (temperature), llm-exe/llm-exe#503 (prefill), elizaOS/eliza#16175 (effort, adaptive).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from chatproof.fake_providers.dialects.anthropic.content_blocks import knows_no_system_role
from chatproof.fake_providers.dialects.anthropic.request import forced
from chatproof.fake_providers.dialects.anthropic.thought_signatures import is_signed
from chatproof.fake_providers.dialects.base import Thinking
from chatproof.fake_providers.models.catalogue import Model

_DEFAULTS: Final = {"temperature": (1,), "top_p": (1, 0.99), "top_k": (0,)}
_USE_ADAPTIVE: Final = 'Use "thinking.type.adaptive" and "output_config.effort" to control thinking behavior.'
_USE_BETWEEN: Final = 'Use "thinking.type.between_tools" to turn off up-front thinking.'


def thinking(model: Model, body: dict[str, Any]) -> Thinking:
    """Whether the model thinks, and what of it the reply shows: `hidden` is a block with a signature and no text."""
    wanted = body.get("thinking") or {}
    kind = wanted.get("type")
    if kind in ("disabled", "between_tools") or (kind is None and "thinks unasked" not in model.can):
        return "none"
    display = wanted.get("display") or ("omitted" if "hides thoughts" in model.can else "summarized")
    return "hidden" if display == "omitted" else "shown"


def problem(model: Model, body: dict[str, Any], prompt_tokens: int) -> str | None:
    """What this model does not take of a valid request: the API's text, for a 400."""
    if model.anything:
        return None
    return next((found for found in _problems(model, body, prompt_tokens) if found is not None), None)


def _problems(model: Model, body: dict[str, Any], prompt_tokens: int) -> Iterator[str | None]:
    most = body.get("max_tokens") or 0
    if model.output is not None and most > model.output:
        yield (
            f"max_tokens: {most} > {model.output}, which is the maximum allowed number of output tokens for"
            f" {model.group}"
        )
    yield from _thinking(model, body)
    yield from _sampling(model, body)
    if forced(body) and "forced tool_choice" in model.refuses:
        yield 'tool_choice: type "tool" and "any" are not supported for this model.'
    if body["messages"][-1]["role"] == "assistant" and "prefill" in model.refuses:
        yield "This model does not support assistant message prefill. The conversation must end with a user message."
    if "system messages" not in model.can:
        yield knows_no_system_role(body["messages"])
    yield _signatures(body["messages"])
    if model.context is not None and prompt_tokens > model.context:
        yield f"prompt is too long: {prompt_tokens} tokens > {model.context} maximum"


def _thinking(model: Model, body: dict[str, Any]) -> Iterator[str | None]:
    kind = (body.get("thinking") or {}).get("type")
    effort = (body.get("output_config") or {}).get("effort")
    if kind is not None and f"thinking.type.{kind}" not in model.can:
        if kind == "adaptive":
            yield "adaptive thinking is not supported on this model"
        between = kind == "disabled" and "thinking.type.between_tools" in model.can
        yield f'"thinking.type.{kind}" is not supported for this model. {_USE_BETWEEN if between else _USE_ADAPTIVE}'
    if effort is not None and not model.efforts:
        yield "This model does not support the effort parameter."
    elif effort is not None and effort not in model.efforts:
        levels = ", ".join(model.efforts)
        yield f"This model does not support effort level '{effort}'. Supported levels: {levels}."
    elif effort in ("xhigh", "max") and kind in ("disabled", "between_tools") and "thinks unasked" in model.can:
        yield f'"thinking.type.{kind}" is not supported with "output_config.effort" "{effort}".'


def _sampling(model: Model, body: dict[str, Any]) -> Iterator[str | None]:
    given = [name for name in _DEFAULTS if body.get(name) is not None]
    if "sampling" in model.refuses:
        for name in given:
            if body[name] not in _DEFAULTS[name]:
                yield f"`{name}` is deprecated for this model."
    elif "temperature" in given and "top_p" in given:
        yield "`temperature` and `top_p` cannot both be specified for this model. Please use only one."


def _signatures(messages: list[dict[str, Any]]) -> str | None:
    """Thoughts come back as they went, with their signature."""
    for index, message in enumerate(messages):
        content = message["content"]
        for number, block in enumerate(content if isinstance(content, list) else ()):
            if block["type"] == "thinking" and not is_signed(block["signature"], block["thinking"]):
                return f"messages.{index}.content.{number}: Invalid `signature` in `thinking` block"
    return None
