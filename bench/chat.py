"""The requests to every chat server, the scripts of the fakes behind it, and the checks that a reply is complete."""

from __future__ import annotations

import json
from itertools import product
from typing import Any, Final

from bench.reply import WrongReply, body

TOKENS: Final = 100
PACE_MS: Final = 100
SESSION_TOKENS: Final = 5

_WORDS: Final = ["".join(letters) + " " for letters in product("bdklmnprst", "aeio", "ln", "ao")]
_LONG: Final = ["".join(_WORDS[start : start + 20]) for start in range(0, 100, 20)]


def words(tokens: int) -> list[str]:
    """Return this many tokens of five characters; at most 160."""
    return _WORDS[:tokens]


def scripts(paced_tokens: int) -> dict[str, str]:
    """Scripts as TOML, by name: without delay; one token every PACE_MS; 500 characters in five tokens."""
    about = 'about = "Tokens to measure a server with."\n'
    paced = f"[timing]\ninter_token_ms = {PACE_MS}\n"
    return {
        "bench-joined": about + _steps(words(TOKENS)),
        "bench-paced": about + paced + _steps(words(paced_tokens)),
        "bench-session": about + _steps(_LONG),
    }


def _steps(tokens: list[str]) -> str:
    return f"[[steps]]\ntokens = {json.dumps(tokens)}\n"


def request(script: str, case: str = "", session: str | None = None) -> bytes:
    """Build the HTTP request. `case` marks the fakes' journal entry. Without `session`, the server creates one."""
    ask = {"message": f"scenario {script}" + (f" case {case}" if case else "")}
    if session is not None:
        ask["session_id"] = session
    content = json.dumps(ask).encode()
    head = (
        "POST /api/chat/stream HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def check_quickly(raw: bytes, tokens: int) -> None:
    """Check the status, the number of token events, and the completion at the end. Raises WrongReply."""
    counted = raw.count(b'"count":')
    if raw[8:13] != b" 200 " or counted != tokens or b'"done":' not in raw[-3000:]:
        raise WrongReply(f"{counted} of {tokens} tokens, ending …{raw[-200:]!r}" if counted else f"{raw[-200:]!r}")


def check_fully(raw: bytes, tokens: list[str]) -> None:
    """Check every event's token, count and text so far, then one completion as the last event. Raises WrongReply."""
    events = [json.loads(line[6:]) for line in body(raw).decode().split("\n\n") if line.startswith("data: ")]
    *said, last = events or [{}]
    expected: list[dict[str, Any]] = [
        {"token": token, "count": number, "partial": "".join(tokens[:number])} for number, token in enumerate(tokens, 1)
    ]
    if [{name: event.get(name) for name in ("token", "count", "partial")} for event in said] != expected:
        raise WrongReply(f"expected {len(tokens)} token events, got {len(said)}, the last {said[-1:]}")
    if not last.get("done") or last.get("tokens") != len(tokens) or last.get("full_response") != "".join(tokens):
        raise WrongReply(f"the last event is not the completion of {len(tokens)} tokens: {str(last)[:200]}")


LONG: Final = _LONG
