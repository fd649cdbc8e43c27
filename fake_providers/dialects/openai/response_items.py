"""The input items of OpenAI's responses: validates them, and finds the last user message."""

from __future__ import annotations

from typing import Any, Final

from chatproof.fake_providers.dialects.openai import field_checks as fields
from chatproof.fake_providers.dialects.openai.field_checks import Problem
from chatproof.fake_providers.scripting.dialogue import Dialogue

_ROLES: Final = ("assistant", "system", "developer", "user")
_PARTS: Final = ("input_text", "input_image", "output_text", "refusal", "input_file", "input_audio")
_TEXT_PARTS: Final = ("input_text", "output_text")
KINDS: Final = (
    "message", "file_search_call", "computer_call", "computer_call_output", "web_search_call", "function_call",
    "function_call_output", "tool_search_call", "tool_search_output", "additional_tools", "configuration_update",
    "reasoning", "compaction", "image_generation_call", "code_interpreter_call", "local_shell_call",
    "local_shell_call_output", "shell_call", "shell_call_output", "apply_patch_call", "apply_patch_call_output",
    "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "mcp_call", "custom_tool_call_output",
    "custom_tool_call", "compaction_trigger", "item_reference", "program", "program_output",
)  # fmt: skip
"""The types of items, as the official client has them."""


class ResponseDialogue(Dialogue):
    """What a valid request for a response says. What `previous_response_id` stands for is no part of it."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    @property
    def system(self) -> str:
        written = [item_text(item) for item in self._items if item.get("role") in ("system", "developer")]
        return "\n".join([self._body.get("instructions") or "", *written]).strip("\n")

    @property
    def tools(self) -> list[str]:
        """OpenAI's own tools are named by their type: web_search."""
        return [str(tool.get("name") or tool["type"]) for tool in self._body.get("tools") or ()]

    @property
    def turn(self) -> int:
        if isinstance(self._body.get("input"), str):
            return 1
        return sum(item.get("role") == "user" for item in self._items)

    @property
    def results(self) -> tuple[str, ...]:
        names: list[str] = []
        for item in reversed(self._items):
            if str(item.get("type")).endswith("_output"):
                names.append(self._called(item))
            elif item.get("role") not in ("system", "developer"):
                break
        return tuple(names)

    @property
    def _items(self) -> list[dict[str, Any]]:
        said = self._body.get("input")
        return said if isinstance(said, list) else []

    def _called(self, result: dict[str, Any]) -> str:
        """The name of the tool that gave the result, which only the call has; of OpenAI's own tools the type."""
        kind = result["type"].removesuffix("_output").removesuffix("_call")
        calls = (item for item in self._items if str(item.get("type")).endswith("_call"))
        called = next((item for item in calls if item.get("call_id") == result.get("call_id")), {})
        return str(called.get("name") or ("" if kind in ("function", "custom_tool") else kind))


def input_items(said: Any, *, earlier: bool) -> Problem | None:
    """The first error in `input`; None if it is valid. `earlier`: an earlier request may have begun it."""
    if said is None:
        return None if earlier else fields.missing("input")
    if isinstance(said, str):
        return None
    if not isinstance(said, list):
        return fields.wrong_type("input", "one of a string or array of input items", said)
    return fields.first_wrong("input", said, _item) or _calls_and_outputs(said, earlier) or _reasoning_leads(said)


def last_user_text(said: Any) -> str:
    """The text of the last user message of a valid `input`; empty if there is none."""
    if isinstance(said, str):
        return said
    for item in reversed(said or ()):
        if item.get("role") == "user":
            return item_text(item)
    return ""


def item_text(item: dict[str, Any]) -> str:
    """A valid item's text: a message's, or the output of a called function."""
    content = item.get("content", item.get("output"))
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(part["text"] for part in content if _is_text(part))


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in _TEXT_PARTS and isinstance(part.get("text"), str)


def _item(where: str, item: dict[str, Any]) -> Problem | None:
    if (kind := item.get("type")) is None:
        kind = "message" if "role" in item else "item_reference" if "id" in item else None
    if kind is None:
        return fields.missing(f"{where}.type")
    if kind not in KINDS:
        return fields.wrong_value(f"{where}.type", kind, KINDS)
    if kind == "message":
        return _message(where, item)
    if kind == "reasoning":
        known = None if item.get("encrypted_content") else fields.required(where, item, "id")
        return known or fields.required(where, item, "summary", kind=fields.ARRAY)
    if kind == "function_call":
        return fields.required(where, item, "call_id", "name", "arguments")
    if kind == "function_call_output":
        output = item.get("output")
        if output is not None and not isinstance(output, str | list):
            return fields.wrong_type(f"{where}.output", "one of a string or array of objects", output)
        return fields.required(where, item, "call_id") or (
            fields.missing(f"{where}.output") if output is None else None
        )
    return None


def _message(where: str, item: dict[str, Any]) -> Problem | None:
    if (wrong := fields.required_word(where, item, "role", _ROLES)) is not None:
        return wrong
    if (content := item.get("content")) is None:
        return fields.missing(f"{where}.content")
    if isinstance(content, str):
        return None
    if not isinstance(content, list):
        return fields.wrong_type(f"{where}.content", "one of a string or array of objects", content)
    return fields.first_wrong(f"{where}.content", content, _part)


def _part(where: str, part: dict[str, Any]) -> Problem | None:
    if (wrong := fields.required_word(where, part, "type", _PARTS)) is not None:
        return wrong
    if part["type"] in _TEXT_PARTS:
        return fields.required(where, part, "text")
    if part["type"] == "input_image" and part.get("file_id") is None:
        return fields.required(where, part, "image_url") or fields.wrong_url(f"{where}.image_url", part["image_url"])
    return None


def open_calls(said: list[dict[str, Any]]) -> Problem | None:
    """What is wrong with the calls of a whole conversation: one without an output, or an output without its call."""
    return _calls_and_outputs(said, earlier=False)


def _calls_and_outputs(said: list[dict[str, Any]], earlier: bool) -> Problem | None:
    # A reference may stand for the call, as the AI SDK sends it.
    earlier = earlier or any(item.get("type") == "item_reference" for item in said)
    called = {item["call_id"] for item in said if item.get("type") == "function_call"}
    answered = {item["call_id"] for item in said if item.get("type") == "function_call_output"}
    for item in said:
        kind, call = item.get("type"), item.get("call_id")
        if kind == "function_call_output" and call not in called and not earlier:
            return Problem(f"No tool call found for function call output with call_id {call}.", "input", None)
        if kind == "function_call" and call not in answered:
            return Problem(f"No tool output found for function call {call}.", "input", None)
    return None


def _reasoning_leads(said: list[dict[str, Any]]) -> Problem | None:
    """A reasoning item is sent back together with what the model made of it: a message, a call or more reasoning.

    Source: the refusals in openai/openai-node#1567, vercel/ai#7099 and continuedev/continue#8933.
    """
    for item, after in zip(said, [*said[1:], None], strict=False):
        if item.get("type") == "reasoning" and not _is_made_by_the_model(after):
            which = f"Item '{str(item.get('id'))[:64]}' of type 'reasoning'"
            return Problem(f"{which} was provided without its required following item.", "input", None)
    return None


def _is_made_by_the_model(item: dict[str, Any] | None) -> bool:
    if item is None or item.get("role") not in (None, "assistant"):
        return False
    return not str(item.get("type")).endswith("_output")
