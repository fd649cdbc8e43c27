"""The steps of an interaction: validates the input, and reads what a conversation says.

Source: https://ai.google.dev/api/interactions-api, and the types of google-genai.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from chatproof.fake_providers.scripting import tokenizer
from chatproof.fake_providers.scripting.dialogue import Dialogue

Step = dict[str, Any]

CONTENTS: Final = ("text", "image", "audio", "document", "video")
STEPS: Final = (
    "user_input", "model_output", "thought", "function_call", "function_result", "code_execution_call",
    "code_execution_result", "file_search_call", "file_search_result", "google_maps_call", "google_maps_result",
    "google_search_call", "google_search_result", "mcp_server_tool_call", "mcp_server_tool_result", "processing_call",
    "processing_result", "retrieval_call", "retrieval_result", "tool_search_call", "tool_search_result",
    "url_context_call", "url_context_result",
)  # fmt: skip
_NEEDS: Final[dict[str, tuple[tuple[str, type], ...]]] = {
    "function_call": (("id", str), ("name", str), ("arguments", dict)),
    "function_result": (("call_id", str),),
}
_MEDIA_TOKENS: Final = 258  # of an image, a sound, a document or a video


class InteractionDialogue(Dialogue):
    """What a valid request for an interaction says, with the conversation before it."""

    def __init__(self, body: dict[str, Any], steps: list[Step]) -> None:
        self._body = body
        self._steps = steps

    @property
    def system(self) -> str:
        return str(self._body.get("system_instruction") or "")

    @property
    def tools(self) -> list[str]:
        """Google's own tools are named by their type: google_search."""
        return [str(tool.get("name") or tool["type"]) for tool in self._body.get("tools") or ()]

    @property
    def turn(self) -> int:
        return sum(step["type"] == "user_input" for step in self._steps)

    @property
    def results(self) -> tuple[str, ...]:
        names: list[str] = []
        for step in reversed(self._steps):
            if not step["type"].endswith("_result"):
                break
            called = (one for one in self._steps if one["type"] == "function_call" and one["id"] == step.get("call_id"))
            names.append(str(step.get("name") or next(called, {}).get("name") or ""))
        return tuple(names)


def wrong_input(said: Any) -> str | None:
    """What is wrong with `input`: a text, a content, contents or steps. None if it is valid."""
    if isinstance(said, str):
        return None
    listed = said if isinstance(said, list) else [said]
    for number, one in enumerate(listed):
        kind = one.get("type") if isinstance(one, dict) else None
        if kind in CONTENTS:
            wrong = None if kind != "text" or isinstance(one.get("text"), str) else "text is missing"
        elif isinstance(said, list) and kind in STEPS:
            wrong = _wrong_step(one)
        else:
            wrong = f"unknown type {str(kind)[:60]!r}"
        if wrong is not None:
            return f"Invalid value at 'input[{number}]': {wrong}."
    return None if listed else "Invalid value at 'input': it is empty."


def as_steps(said: Any) -> list[Step]:
    """A valid `input` as steps."""
    if isinstance(said, str):
        return [{"type": "user_input", "content": [{"type": "text", "text": said}]}]
    listed = said if isinstance(said, list) else [said] if said is not None else []
    if listed and listed[0]["type"] in CONTENTS:
        return [{"type": "user_input", "content": listed}]
    return list(listed)


def last_user_text(steps: list[Step]) -> str:
    """The text parts of the last thing that the user said, one line each; empty if there is none."""
    for step in reversed(steps):
        if step["type"] == "user_input" and (texts := list(_texts(step.get("content")))):
            return "\n".join(texts)
    return ""


def unanswered(steps: list[Step]) -> str | None:
    """What is wrong with the calls of a conversation: a result without its call, or fewer results than calls."""
    called: list[Step] = []
    answered = 0
    for step in steps:
        if step["type"] == "function_call":
            called, answered = [*called, step], 0
        elif step["type"] == "function_result":
            if step["call_id"] not in [call["id"] for call in called]:
                named = f" Got function response with name '{step.get('name') or ''}'."
                return f"Please ensure that function response turn comes immediately after a function call turn.{named}"
            answered += 1
        elif step["type"] == "user_input" and called:
            if answered < len(called):
                return _TOO_FEW
            called = []
    return None


def count_tokens(body: dict[str, Any], steps: list[Step]) -> tuple[tuple[str, int], ...]:
    """How many tokens of each modality the prompt has: ("text", 12), …, text first."""
    counted: dict[str, int] = {"text": 0}
    for step in steps:
        for content in _contents(step.get("content")):
            kind = content.get("type", "text")
            if kind == "text":
                counted["text"] += _tokens(content.get("text") or "")
            else:
                counted[kind] = counted.get(kind, 0) + _MEDIA_TOKENS
        if "name" in step:
            counted["text"] += _tokens(str(step["name"])) + _tokens(_json(step.get("arguments") or step.get("result")))
    counted["text"] += _tokens(str(body.get("system_instruction") or "")) + _tokens(_json(body.get("tools")))
    return tuple((kind, number) for kind, number in counted.items() if number)


_TOO_FEW: Final = (
    "Please ensure that the number of function response parts is equal to the number of function call parts of the"
    " function call turn."
)


def _wrong_step(step: Step) -> str | None:
    kind = step["type"]
    for name, of in _NEEDS.get(kind, ()):
        if not isinstance(step.get(name), of):
            return f"{name} is missing" if step.get(name) is None else f"{name} has the wrong type"
    if kind == "function_result" and "result" not in step:
        return "result is missing"
    content = step.get("content")
    if content is not None and (not isinstance(content, list) or any(not isinstance(one, dict) for one in content)):
        return "content must be an array of objects"
    return None


def _contents(content: Any) -> Iterator[dict[str, Any]]:
    yield from (one for one in content or () if isinstance(one, dict))


def _texts(content: Any) -> Iterator[str]:
    yield from (one["text"] for one in _contents(content) if one.get("type", "text") == "text" and "text" in one)


def _tokens(text: str) -> int:
    return tokenizer.count(text, "cl100k") if text else 0


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else ""
    except RecursionError:
        return ""
