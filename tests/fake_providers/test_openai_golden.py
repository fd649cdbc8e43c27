"""Golden bytes of the OpenAI dialect: what a release must not change by accident.

CHATPROOF_WRITE_GOLDEN=1 writes the files anew; look at the difference before you commit it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Final

import pytest

from chatproof.fake_providers.dialects.base import Reply
from chatproof.fake_providers.planning.http_writes import plan_writes
from chatproof.fake_providers.scripting.script import BUILT_IN, load_scripts
from tests.fake_providers.openai_kit import CHAT, EMBEDDINGS, RESPONSES, TWO_CALLS, chat, named, replied, script

FOLDER: Final = Path(__file__).parent / "golden" / "openai"
WRITE: Final = os.environ.get("CHATPROOF_WRITE_GOLDEN") == "1"
USAGE: Final = {"stream": True, "stream_options": {"include_usage": True}}
SCRIPTS: Final = load_scripts(BUILT_IN)
LIMITED: Final = script('[[steps]]\nfault = "status"\nstatus = 429\nretry_after_s = 1\nretry_after_ms = 500')
BROKEN: Final = script('[[steps]]\ntokens = ["a"]\n[[steps]]\nfault = "error"')
TEXT: Final = script()
THINKS: Final = script('[[steps]]\nthinking = ["Hm"]\n[[steps]]\nthinking = ["So"]\n[[steps]]\ntokens = ["Yes"]')
REFUSES: Final = script('[[steps]]\nrefusal = ["I", " won\'t"]')
SUMMARY: Final = {"reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]}

CASES: Final[dict[str, tuple[str, dict[str, Any], Any]]] = {
    "chat.http": (CHAT, chat(), TEXT),
    "chat-stream.http": (CHAT, chat(**USAGE), TEXT),
    "chat-calls.http": (CHAT, chat(), named(TWO_CALLS)),
    "chat-calls-stream.http": (CHAT, chat(**USAGE), named(TWO_CALLS)),
    "chat-two-choices-stream.http": (CHAT, chat(n=2, max_tokens=1, stream=True), TEXT),
    "chat-error-stream.http": (CHAT, chat(stream=True), BROKEN),
    "rate-limit.http": (CHAT, chat(), LIMITED),
    "response.http": (RESPONSES, {"model": "gpt-4o", "input": "scenario tiny"}, TEXT),
    "response-stream.http": (RESPONSES, {"model": "gpt-4o", "input": "scenario tiny", "stream": True}, TEXT),
    "response-calls-stream.http": (
        RESPONSES,
        {"model": "gpt-4o", "input": "scenario tiny", "stream": True},
        named(TWO_CALLS),
    ),
    "response-error-stream.http": (RESPONSES, {"model": "gpt-4o", "input": "scenario tiny", "stream": True}, BROKEN),
    "chat-thoughts-stream.http": (CHAT, chat(**USAGE), THINKS),
    "chat-refusal-stream.http": (CHAT, chat(stream=True), REFUSES),
    "response-thoughts-stream.http": (
        RESPONSES,
        {"model": "gpt-5", "input": "scenario tiny", "stream": True, **SUMMARY},
        THINKS,
    ),
    "response-refusal-stream.http": (RESPONSES, {"model": "gpt-4o", "input": "scenario tiny", "stream": True}, REFUSES),
    "embeddings.http": (EMBEDDINGS, {"model": "m", "input": ["a", "b"], "dimensions": 3}, TEXT),
    "embeddings-base64.http": (
        EMBEDDINGS,
        {"model": "m", "input": "a", "dimensions": 3, "encoding_format": "base64"},
        TEXT,
    ),
}


def served(reply: Reply) -> bytes:
    """The bytes on the wire, and how they end."""
    return b"".join(write.payload for write in plan_writes(reply, True, True).writes) + f"\n-- {reply.end}\n".encode()


@pytest.mark.parametrize("name", CASES)
def test_golden_bytes(name: str) -> None:
    path, body, scripts = CASES[name]
    found = served(replied(body, scripts, path))
    if WRITE:
        (FOLDER / name).write_bytes(found)
    assert found == (FOLDER / name).read_bytes()


def test_every_built_in_script_has_golden_bytes() -> None:
    """As digests: `script chat responses whole`, each the first half of a SHA-256 of the bytes on the wire."""
    lines = []
    for name, one in SCRIPTS.items():
        if one.sequence:
            continue  # its parts are scripts themselves
        text = f"scenario {name}"
        replies = (
            replied(chat(text, **USAGE), SCRIPTS),
            replied({"model": "m", "input": text, "stream": True}, SCRIPTS, RESPONSES),
            replied(chat(text), SCRIPTS),
        )
        lines.append(" ".join([name, *(hashlib.sha256(served(reply)).hexdigest()[:32] for reply in replies)]))
    if WRITE:
        (FOLDER / "scripts.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    expected = (FOLDER / "scripts.txt").read_text(encoding="utf-8").splitlines()
    assert lines == expected, "look at the difference; CHATPROOF_WRITE_GOLDEN=1 accepts it"
