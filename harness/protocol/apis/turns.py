"""Turns as most apis carry them: a list of messages, each with a role."""

from __future__ import annotations

from typing import Any

from chatproof.harness.protocol.apis.api import Conversation, Headers


def role_and_content(conversation: Conversation) -> list[dict[str, Any]]:
    """`{"role": …, "content": …}` for each turn, oldest first."""
    return [{"role": str(turn.role), "content": turn.text} for turn in conversation.turns]


def bearer(token: str | None) -> Headers:
    """The header that carries a token; none without one."""
    return (("Authorization", f"Bearer {token}"),) if token is not None else ()
