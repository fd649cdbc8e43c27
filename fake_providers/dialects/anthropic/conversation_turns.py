"""What a request for a message says: its turns, its last question, and what scripts look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chatproof.fake_providers.scripting.dialogue import Dialogue


@dataclass(slots=True)
class RoleRun:
    """Messages of one role in a row, which the API takes for one. `first` and `last`: their places in the request."""

    role: str
    blocks: list[dict[str, Any]]
    first: int
    last: int

    def of(self, kind: str) -> Iterator[dict[str, Any]]:
        """The content blocks of that type."""
        return (block for block in self.blocks if block["type"] == kind)


def blocks_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The content blocks of a message; a text stands for one block."""
    content = message["content"]
    return ([{"type": "text", "text": content}] if content else []) if isinstance(content, str) else content


def turns_of(messages: list[dict[str, Any]]) -> list[RoleRun]:
    """The turns of valid messages, without instructions that stand between them."""
    turns: list[RoleRun] = []
    for index, message in enumerate(messages):
        if message["role"] == "system":
            continue
        if turns and turns[-1].role == message["role"]:
            turns[-1].blocks, turns[-1].last = turns[-1].blocks + blocks_of(message), index
        else:
            turns.append(RoleRun(message["role"], list(blocks_of(message)), index, index))
    return turns


def text_of(content: Any) -> str:
    """The text of a content: its text blocks, one line each."""
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content or () if block.get("type") == "text")


def last_user_text(messages: list[dict[str, Any]]) -> str:
    """The text of the last message in which the user says something; empty if there is none."""
    users = (text_of(message["content"]) for message in reversed(messages) if message["role"] == "user")
    return next(filter(None, users), "")


class MessagesDialogue(Dialogue):
    """A valid request for a message."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    @property
    def system(self) -> str:
        between = (text_of(one["content"]) for one in self._body["messages"] if one["role"] == "system")
        return "\n".join(filter(None, [text_of(self._body.get("system")), *between]))

    @property
    def tools(self) -> list[str]:
        """Anthropic's own tools have names too: web_search."""
        return [str(tool.get("name") or tool.get("type", "")) for tool in self._body.get("tools") or ()]

    @property
    def turn(self) -> int:
        users = [turn for turn in turns_of(self._body["messages"]) if turn.role == "user"]
        return sum(any(block["type"] != "tool_result" for block in turn.blocks) for turn in users)

    @property
    def results(self) -> tuple[str, ...]:
        """A text behind a result, in the same turn, is the user's next message."""
        turns = turns_of(self._body["messages"])
        blocks = turns[-1].blocks if turns else []
        if not blocks or blocks[-1]["type"] != "tool_result":
            return ()
        names = {block["id"]: block["name"] for turn in turns for block in turn.of("tool_use")}
        return tuple(names.get(block["tool_use_id"], "") for block in blocks if block["type"] == "tool_result")
