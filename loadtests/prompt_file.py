"""A file of messages that users send: one a line, as text, or as JSON in a `.jsonl` file, as data sets have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from chatproof.harness.common.errors import ChatproofError

_MOST_LINES: Final = 100_000
_KEYS: Final = ("message", "prompt", "text", "question", "input")
"""What the files of vLLM, aiperf, GuideLLM and common data sets call it; the first one that is there counts."""


def read_messages(path: str) -> tuple[str, ...]:
    """The messages of a file, without blank lines. Raises ChatproofError, which names the line that is wrong."""
    lines = read_lines(path, "--messages")
    if not path.endswith(".jsonl"):
        return lines
    return tuple(_message(line, f"--messages: {path}: message {number}") for number, line in enumerate(lines, 1))


def read_lines(path: str, option: str) -> tuple[str, ...]:
    """The lines of a file, without blank ones. Raises ChatproofError, which names `option`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ChatproofError(f"{option}: cannot read {path}: {reason}") from error
    # by line feeds alone: a JSON string may hold other line separators
    lines = tuple(line.strip() for line in text.split("\n") if line.strip())
    if not lines or len(lines) > _MOST_LINES:
        raise ChatproofError(f"{option}: {path} has {len(lines)} lines with text; it needs 1 to {_MOST_LINES:,}")
    return lines


def _message(line: str, where: str) -> str:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ChatproofError(f"{where} is not JSON") from error
    found = _text(data)
    if not isinstance(found, str) or not found.strip():
        names = ", ".join(_KEYS)
        raise ChatproofError(f"{where} has no text: it needs to be a string, or an object with {names} or messages")
    return found


def _text(data: Any) -> Any:
    """What a user says: the text itself, that of a key, or the last turn of the user in a list of `messages`."""
    if not isinstance(data, dict):
        return data
    if isinstance(data.get("messages"), list):
        turns = [turn for turn in data["messages"] if isinstance(turn, dict) and turn.get("role") == "user"]
        return turns[-1].get("content") if turns else None
    return next((data[key] for key in _KEYS if key in data), None)
