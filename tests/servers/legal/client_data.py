"""Odd ways to read what a client sends beside its message."""

from __future__ import annotations

from typing import Any

from tests.servers.client_request import KnowsItsClient
from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Message, Refused
from tests.servers.plain_server import ChatServer

ROWS = "REQ-14 REQ-15"


@legal("no-unknown-fields", only=ROWS)
class NoUnknownFields(ChatServer):
    """Its schema has two fields, and no others."""

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        if isinstance(body, dict) and body.keys() - {"message", "session_id"}:
            raise Refused(422, "Unknown fields are not permitted.")
        return super().read_ask(body, over, default_session)


@legal("client-chooses-model", only=ROWS)
class ClientChoosesModel(KnowsItsClient):
    """And names the session to the provider."""

    def question(self, messages: list[Message]) -> dict[str, Any]:
        body = self.body.get()
        model = body.get("model", "gpt-4o-mini")
        return {**super().question(messages), "model": model, "user": str(body.get("session_id"))[:64]}
