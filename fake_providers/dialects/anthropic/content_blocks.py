"""The messages of a request, and the content blocks in them, as Anthropic's API takes them.

Sources: https://platform.claude.com/docs/en/api/messages and the parameter types of the official clients; the texts of
refusals as issues quote them, such as anthropics/claude-code#3632 (tool_use without its result).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final

from chatproof.fake_providers.dialects.anthropic.conversation_turns import RoleRun, blocks_of, turns_of
from chatproof.fake_providers.dialects.anthropic.field_rules import (
    InvalidRequest,
    Shape,
    anything,
    dictionary,
    filled,
    flag,
    listed,
    refuse,
    shaped,
    tagged,
    text,
    text_or,
    words,
)

CACHE: Final = shaped(Shape({"type": words("ephemeral"), "ttl": words("5m", "1h"), "scope": anything}, ("type",)))
"""The rule for `cache_control`."""

_MOST_CACHED: Final = 4
_ALL: Final = "all messages must have non-empty content except for the optional final assistant message"
_NO_SYSTEM: Final = (
    'Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as an input'
    " message role."
)


def _base64(where: str, value: Any) -> None:
    text(where, value)
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        refuse(where, "invalid base64 data")


def _cached(fields: Mapping[str, Any], *required: str) -> Shape:
    return Shape({"cache_control": CACHE, **fields}, required)


_TEXT: Final = _cached({"text": text, "citations": anything}, "text")
_IMAGE_TYPES: Final = words("image/jpeg", "image/png", "image/gif", "image/webp")
_URL: Final = Shape({"url": filled}, ("url",))
_FILE: Final = Shape({"file_id": filled}, ("file_id",))
_IMAGE: Final = _cached(
    {
        "source": tagged(
            {
                "base64": Shape({"media_type": _IMAGE_TYPES, "data": _base64}, ("media_type", "data")),
                "url": _URL,
                "file": _FILE,
            }
        )
    },
    "source",
)
_DOCUMENT: Final = _cached(
    {
        "source": tagged(
            {
                "base64": Shape({"media_type": words("application/pdf"), "data": _base64}, ("media_type", "data")),
                "text": Shape({"media_type": words("text/plain"), "data": text}, ("media_type", "data")),
                "content": Shape({"content": anything}, ("content",)),
                "url": _URL,
                "file": _FILE,
            }
        ),
        "title": text,
        "context": text,
        "citations": anything,
    },
    "source",
)
_SEARCH: Final = _cached(
    {"source": text, "title": text, "content": listed(tagged({"text": _TEXT})), "citations": anything},
    *("source", "title", "content"),
)
_IN_RESULTS: Final = {
    "text": _TEXT,
    "image": _IMAGE,
    "search_result": _SEARCH,
    "document": _DOCUMENT,
    "tool_reference": _cached({"tool_name": text}, "tool_name"),
    "browser_state": _cached(dict.fromkeys(("tabs", "active_tab_id", "changes", "viewport"), anything)),
}
_RESULT: Final = _cached(
    {"tool_use_id": filled, "content": text_or(listed(tagged(_IN_RESULTS))), "is_error": flag}, "tool_use_id"
)
_CALL: Final = _cached(
    {"id": filled, "name": filled, "input": dictionary, "caller": anything, "toolset_name": anything},
    "id",
    "name",
    "input",
)
_HOSTED: Final = (  # what Anthropic's own tools leave in a conversation
    "server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result",
    "bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "tool_search_tool_result",
    "advisor_tool_result", "mcp_tool_use", "mcp_tool_result", "container_upload", "compaction", "mid_conv_system",
    "tool_addition", "tool_removal", "fallback",
)  # fmt: skip


_BLOCKS: Final = {
    "text": _TEXT,
    "image": _IMAGE,
    "document": _DOCUMENT,
    "search_result": _SEARCH,
    "thinking": Shape({"thinking": text, "signature": text}, ("thinking", "signature")),
    "redacted_thinking": Shape({"data": text}, ("data",)),
    "tool_use": _CALL,
    "tool_result": _RESULT,
}
_ONLY_OF: Final = {
    **dict.fromkeys(("tool_use", "thinking", "redacted_thinking"), "assistant"),
    **dict.fromkeys(("tool_result", "image", "document", "search_result"), "user"),
}
SYSTEM: Final = text_or(listed(tagged({"text": _TEXT})))
"""The rule for `system`."""

_BLOCK: Final = tagged(_BLOCKS)


def _block(where: str, value: Any) -> None:
    if not isinstance(value, dict) or value.get("type") not in _HOSTED:
        _BLOCK(where, value)


_MESSAGE: Final = Shape(
    {
        "role": words("user", "assistant", "system"),
        "content": text_or(listed(_block)),
        **dict.fromkeys(("output_config", "clear_at"), anything),
    },
    ("role", "content"),
)


def messages(where: str, value: Any) -> None:
    """Raises InvalidRequest for the first thing wrong with the messages."""
    if isinstance(value, list) and not value:
        refuse(where, "at least one message is required")
    listed(shaped(_MESSAGE))(where, value)
    _contents(value)
    turns = turns_of(value)
    for number, turn in enumerate(turns):
        _calls_are_answered(turn, turns[number + 1] if number + 1 < len(turns) else None)
        _results_have_calls(turn, turns[number - 1] if number else None)
    called = [block["id"] for turn in turns for block in turn.of("tool_use")]
    if len(set(called)) < len(called):
        refuse("messages", "`tool_use` ids must be unique")


def knows_no_system_role(said: list[dict[str, Any]]) -> str | None:
    """What a model says that takes no system message between the others; None where there is none."""
    return f"messages: {_NO_SYSTEM}" if any(message["role"] == "system" for message in said) else None


def cached_blocks(body: dict[str, Any]) -> None:
    """Raises InvalidRequest for more cache breakpoints than the API has."""
    system = body.get("system")
    marked = [*(system if isinstance(system, list) else ()), *(body.get("tools") or ())]
    marked += [block for message in body["messages"] for block in blocks_of(message)]
    found = sum(one.get("cache_control") is not None for one in marked)
    if found > _MOST_CACHED:
        raise InvalidRequest(f"A maximum of {_MOST_CACHED} blocks with cache_control may be provided. Found {found}.")


def _contents(said: list[dict[str, Any]]) -> None:
    for index, message in enumerate(said):
        role, blocks = message["role"], blocks_of(message)
        last = index == len(said) - 1
        if not blocks and not (last and role == "assistant"):
            refuse(f"messages.{index}", "user messages must have non-empty content" if role == "user" else _ALL)
        for block in blocks:
            if (only := _ONLY_OF.get(block["type"], role)) != role:
                refuse(f"messages.{index}", f"`{block['type']}` blocks can only be in `{only}` messages")
        for words_ in _texts(blocks):
            if not words_.strip():
                how = "contain non-whitespace text" if words_ else "be non-empty"
                refuse("messages", f"text content blocks must {how}")
        ends = blocks[-1].get("text", "") if blocks and last and role == "assistant" else ""
        if ends != ends.rstrip():
            refuse("messages", "final assistant content cannot end with trailing whitespace")


def _texts(blocks: list[dict[str, Any]]) -> Iterator[str]:
    return (block["text"] for block in blocks if block["type"] == "text")


def _calls_are_answered(turn: RoleRun, following: RoleRun | None) -> None:
    """Each call has its result in the next message. The last message may end with calls that nobody answered."""
    if following is None:
        return
    answered = {block["tool_use_id"] for block in following.of("tool_result")}
    left = [block["id"] for block in turn.of("tool_use") if block["id"] not in answered]
    if left:
        refuse(
            f"messages.{turn.last}",
            f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(left)}. Each"
            " `tool_use` block must have a corresponding `tool_result` block in the next message.",
        )


def _results_have_calls(turn: RoleRun, before: RoleRun | None) -> None:
    called = {block["id"] for block in before.of("tool_use")} if before is not None else set()
    for number, block in enumerate(turn.blocks):
        if block["type"] == "tool_result" and block["tool_use_id"] not in called:
            refuse(
                f"messages.{turn.first}.content.{number}",
                f"unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id'][:64]}. Each"
                " `tool_result` block must have a corresponding `tool_use` block in the previous message.",
            )
