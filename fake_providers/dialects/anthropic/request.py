"""Validates the requests of Anthropic's Messages API, apart from what depends on the model.

Sources: https://platform.claude.com/docs/en/api/messages, the parameter types of the official clients, and refusals
that issues quote: Aider-AI/aider#4404 (extra inputs), kaitranntt/ccs#56 (budget_tokens).
"""

from __future__ import annotations

from typing import Any, Final

from chatproof.fake_providers.dialects.anthropic.content_blocks import CACHE, SYSTEM, cached_blocks, messages
from chatproof.fake_providers.dialects.anthropic.conversation_turns import turns_of
from chatproof.fake_providers.dialects.anthropic.field_rules import (
    InvalidRequest,
    Shape,
    anything,
    decimal,
    dictionary,
    filled,
    fits,
    flag,
    integer,
    listed,
    matching,
    refuse,
    shaped,
    tagged,
    text,
    words,
)
from chatproof.fake_providers.dialects.anthropic.output_schema import strict_problem

EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")

_THINKING_PAGE: Final = "https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
_LEAST_BUDGET: Final = 1_024
_NAME: Final = matching("^[a-zA-Z0-9_-]{1,128}$")
_DISPLAY: Final = words("summarized", "omitted", "updates")
_FORMAT: Final = shaped(Shape({"type": words("json_schema"), "schema": dictionary}, ("type", "schema")))


def _input_schema(where: str, value: Any) -> None:
    dictionary(where, value)
    if value.get("type") is None:
        refuse(f"{where}.type", "Field required")
    words("object")(f"{where}.type", value["type"])


_TOOL: Final = Shape(
    {
        "name": _NAME,
        "description": text,
        "input_schema": _input_schema,
        "cache_control": CACHE,
        **dict.fromkeys(("strict", "defer_loading", "eager_input_streaming"), flag),
        **dict.fromkeys(("allowed_callers", "input_examples"), listed(anything)),
    },
    ("name", "input_schema"),
)
_HOSTED: Final = (
    "bash_", "text_editor_", "computer_", "browser_toolset_", "web_search_", "web_fetch_", "code_execution_", "memory_",
    "tool_search_tool_", "advisor_", "mcp_toolset",
)  # fmt: skip
"""How the types of Anthropic's own tools begin."""
_DECLARED: Final = tagged({"custom": _TOOL}, "custom")


def _tool(where: str, value: Any) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or not kind.startswith(_HOSTED):
        _DECLARED(where, value)


_CHOICE: Final = {"disable_parallel_tool_use": flag}
_COUNTED: Final = {
    "model": filled,
    "messages": messages,
    "system": SYSTEM,
    "tools": listed(_tool),
    "tool_choice": tagged(
        {
            "auto": Shape(_CHOICE),
            "any": Shape(_CHOICE),
            "tool": Shape({"name": text, **_CHOICE}, ("name",)),
            "none": Shape({}),
        }
    ),
    "thinking": tagged(
        {
            "enabled": Shape({"budget_tokens": integer(_LEAST_BUDGET), "display": _DISPLAY}, ("budget_tokens",)),
            "disabled": Shape({}),
            "adaptive": Shape({"display": _DISPLAY}),
            "between_tools": Shape({"display": _DISPLAY}),
        }
    ),
    "output_config": shaped(Shape({"effort": words(*EFFORTS), "format": _FORMAT, "task_budget": anything})),
    "cache_control": CACHE,
}
_CREATED: Final = {
    **_COUNTED,
    "max_tokens": integer(0),
    "metadata": shaped(Shape({"user_id": text})),
    "stop_sequences": listed(text),
    "stream": flag,
    "temperature": decimal(0, 1),
    "top_p": decimal(0, 1),
    "top_k": integer(0),
    "service_tier": words("auto", "standard_only"),
    "speed": words("standard", "fast"),
    **dict.fromkeys(("container", "inference_geo", "diagnostics"), anything),
}
_BETA: Final = {
    **dict.fromkeys(("context_management", "mcp_servers", "speed", "diagnostics", "fallbacks"), anything),
    **dict.fromkeys(("fallback_credit_token", "betas"), anything),
    "output_format": _FORMAT,
}
"""What the API takes with the header `anthropic-beta` only."""


def check(body: dict[str, Any], *, counting: bool, beta: bool) -> None:
    """Raises InvalidRequest for the first error. `counting`: a request to count tokens; `beta`: of the beta API."""
    known = _COUNTED if counting else _CREATED
    required = ("model", "messages") if counting else ("model", "max_tokens", "messages")
    fits(Shape({**known, **_BETA} if beta else known, required), "", body)
    cached_blocks(body)
    _stop_sequences(body)
    _tools(body)
    _thinking(body)
    _schemas(body)


def output_format(body: dict[str, Any]) -> dict[str, Any] | None:
    """The format that the request wants; its older name is `output_format`."""
    wanted: dict[str, Any] | None = (body.get("output_config") or {}).get("format") or body.get("output_format")
    return wanted


def forced(body: dict[str, Any]) -> bool:
    """Whether the model has to call a tool."""
    return (body.get("tool_choice") or {}).get("type") in ("any", "tool")


def _stop_sequences(body: dict[str, Any]) -> None:
    if any(not one.strip() for one in body.get("stop_sequences") or ()):
        refuse("stop_sequences", "each stop sequence must contain non-whitespace")


def _tools(body: dict[str, Any]) -> None:
    names = [tool["name"] for tool in body.get("tools") or () if tool.get("name")]
    if len(set(names)) < len(names):
        refuse("tools", "Tool names must be unique.")
    choice = body.get("tool_choice") or {}
    if forced(body) and not body.get("tools"):
        refuse("tool_choice", "tool_choice may only be specified while providing tools")
    if choice.get("type") == "tool" and choice["name"] not in names:
        raise InvalidRequest(f"Tool '{choice['name'][:128]}' not found in provided tools")


def _thinking(body: dict[str, Any]) -> None:
    """What manual thinking asks of the rest of the request."""
    wanted = body.get("thinking") or {}
    kind = wanted.get("type")
    if kind in ("enabled", "adaptive") and forced(body):
        raise InvalidRequest("Thinking may not be enabled when tool_choice forces tool use.")
    if kind != "enabled":
        return
    if (most := body.get("max_tokens")) is not None and most <= wanted["budget_tokens"]:
        raise InvalidRequest(
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at"
            f" {_THINKING_PAGE}#max-tokens-and-context-window-size"
        )
    if body.get("temperature") not in (None, 1):
        raise InvalidRequest(
            "`temperature` may only be set to 1 when thinking is enabled. Please consult our documentation at"
            f" {_THINKING_PAGE}#important-considerations-when-using-extended-thinking"
        )
    if body.get("top_k") is not None:
        raise InvalidRequest("`top_k` must be unset when thinking is enabled.")
    if (share := body.get("top_p")) is not None and share < 0.95:
        raise InvalidRequest("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.")
    _begins_with_thoughts(body)


def _begins_with_thoughts(body: dict[str, Any]) -> None:
    """The assistant's turn whose calls are answered last begins with its thoughts."""
    turns = turns_of(body["messages"])
    last = next((turn for turn in reversed(turns) if turn.role == "assistant"), None)
    if last is None or turns[-1].role != "user" or not any(turns[-1].of("tool_result")):
        return
    if last.blocks and last.blocks[0]["type"] not in ("thinking", "redacted_thinking"):
        refuse(
            f"messages.{last.first}.content.0.type",
            f"Expected `thinking` or `redacted_thinking`, but found `{last.blocks[0]['type']}`. When `thinking` is"
            " enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of"
            " `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To"
            f" avoid this requirement, disable `thinking`. Please consult our documentation at {_THINKING_PAGE}",
        )


def _schemas(body: dict[str, Any]) -> None:
    if (wanted := output_format(body)) is not None and (wrong := strict_problem(wanted["schema"])) is not None:
        refuse("output_config.format.schema", wrong)
    for index, tool in enumerate(body.get("tools") or ()):
        if tool.get("strict") and (wrong := strict_problem(tool["input_schema"])) is not None:
            refuse(f"tools.{index}.custom", wrong)
