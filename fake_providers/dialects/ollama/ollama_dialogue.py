"""What a request to Ollama says, as scripts look at it."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from chatproof.fake_providers.scripting.dialogue import Dialogue


class OllamaDialogue(Dialogue):
    """A valid request to chat or to generate."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._messages: list[dict[str, Any]] = body.get("messages") or []

    @property
    def system(self) -> str:
        said = [message.get("content") or "" for message in self._messages if _role(message) == "system"]
        return "\n".join([self._body.get("system") or "", *said]).strip("\n")

    @property
    def tools(self) -> list[str]:
        return [_name_of(tool) for tool in self._body.get("tools") or ()]

    @property
    def turn(self) -> int:
        return sum(_role(message) == "user" for message in self._messages) if self._messages else 1

    @property
    def results(self) -> tuple[str, ...]:
        if not self._messages or _role(self._messages[-1]) not in ("tool", "system"):
            return ()
        said = [message for message in self._messages if _role(message) != "system"]
        results = list(takewhile(lambda message: _role(message) == "tool", reversed(said)))[::-1]
        before = said[: -len(results)] if results else []
        calls = (before[-1].get("tool_calls") or []) if before else []
        return tuple(_tool(result, calls, index) for index, result in enumerate(results))


def _role(message: dict[str, Any]) -> str:
    return str(message.get("role")).lower()


def _name_of(called: dict[str, Any]) -> str:
    return str((called.get("function") or {}).get("name") or "")


def _tool(result: dict[str, Any], calls: list[dict[str, Any]], index: int) -> str:
    """The tool that gave the result: by its name, else by the call's id, else by its place among the calls."""
    if (name := result.get("tool_name") or result.get("name")) is not None:
        return str(name)
    wanted = result.get("tool_call_id")
    found = [call for call in calls if wanted and call.get("id") == wanted] or calls[index : index + 1]
    return _name_of(found[0]) if found else ""
