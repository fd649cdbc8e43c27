"""What a request to Gemini says, as scripts look at it."""

from __future__ import annotations

from typing import Any

from chatproof.fake_providers.dialects.gemini.request import text_of
from chatproof.fake_providers.scripting.dialogue import Dialogue

_DECLARED = "function_declarations"
_RESULT = "function_response"


class GeminiDialogue(Dialogue):
    """A valid request to generate content, as `request_schema` reads it: its keys are in snake case."""

    def __init__(self, message: dict[str, Any]) -> None:
        self._message = message
        self._contents: list[dict[str, Any]] = message.get("contents", [])

    @property
    def system(self) -> str:
        return text_of(self._message.get("system_instruction", {}))

    @property
    def tools(self) -> list[str]:
        """Google's own tools are named by their key: google_search."""
        offered = self._message.get("tools", [])
        declared = [one.get("name", "") for tool in offered for one in tool.get(_DECLARED, [])]
        return declared + [key for tool in offered for key in tool if key != _DECLARED]

    @property
    def turn(self) -> int:
        users = [content for content in self._contents if content.get("role", "user") == "user"]
        return sum(any(_RESULT not in part for part in content["parts"]) for content in users)

    @property
    def results(self) -> tuple[str, ...]:
        """A text behind a result, in the same content, is the user's next message."""
        parts = self._contents[-1]["parts"]
        kinds = [kind for part in parts for kind in (_RESULT, "text") if kind in part]
        if kinds[-1:] != [_RESULT]:
            return ()
        return tuple(part[_RESULT].get("name", "") for part in parts if _RESULT in part)
