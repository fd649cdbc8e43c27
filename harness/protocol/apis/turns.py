"""What most apis have in common: turns as a list of messages, each with a role; tokens; and errors as HTTP answers."""

from __future__ import annotations

from typing import Any

from chatproof.harness.protocol.apis.api import Conversation, Headers
from chatproof.harness.protocol.messages import decode_object, is_text


def role_and_content(conversation: Conversation) -> list[dict[str, Any]]:
    """`{"role": …, "content": …}` for each turn, oldest first."""
    return [{"role": str(turn.role), "content": turn.text} for turn in conversation.turns]


def bearer(token: str | None) -> Headers:
    """The header that carries a token; none without one."""
    return (("Authorization", f"Bearer {token}"),) if token is not None else ()


def text_of_error(body: bytes, *names: str) -> str | None:
    """What a client shows of an HTTP error that it does not take apart: the field of one of these names, else the body
    itself. None where that is empty, an object without a text, or a page."""
    text = body.decode("utf-8", "replace").strip()
    said = decode_object(text).body
    if said is None:
        return text if text and text[0] not in "<[{" else None
    return next((value for name in names if is_text(value := said.get(name))), None)
