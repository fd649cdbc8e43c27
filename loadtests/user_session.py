"""A conversation of one user: what the api wants to be told again with each ask."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Self

from chatproof.harness.protocol.apis.api import Api, History, Role, Turn
from chatproof.loadtests.readers.http_reader import StreamRequest
from chatproof.loadtests.readers.reading import Reading, StreamOutcome


@dataclass(slots=True)
class UserSession:
    """A conversation. `id`: its name; None until a server that chooses the name has told it. `turns`: what was said so
    far, oldest first, where the client sends it."""

    api: Api
    id: str | None = None
    turns: tuple[Turn, ...] = ()

    @classmethod
    def begun(cls, api: Api) -> Self:
        """A new conversation."""
        return cls(api, None if api.names_conversations else f"load-{uuid.uuid4().hex[:16]}")

    @property
    def needs_reply(self) -> bool:
        """Whether the next ask depends on what the server answers."""
        return self.id is None or self._carries_turns

    @property
    def _carries_turns(self) -> bool:
        return self.api.history in (History.CLIENT, History.EITHER)

    def heard(self, ask: StreamRequest, reading: Reading) -> None:
        """Add an exchange. One that failed leaves no turns, as in a client that asks again."""
        self.id = self.id or reading.conversation or None
        if self._carries_turns and reading.outcome is StreamOutcome.COMPLETE:
            self.turns += (Turn(Role.USER, ask.message, ask.run), Turn(Role.ASSISTANT, reading.text, reading.message))
