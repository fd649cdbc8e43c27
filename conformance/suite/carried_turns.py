"""The turns that a client carries itself, of an api whose server keeps none."""

from __future__ import annotations

from dataclasses import dataclass, field

from chatproof.harness.protocol.apis.api import Conversation, Role, Turn
from chatproof.harness.protocol.transcript import Transcript


@dataclass(slots=True)
class CarriedTurns:
    """By what the suite calls a conversation, what its client has sent and received.

    Part of a reply, which was stopped or has failed, is kept as well, as `useChat` does. A message that brought no text
    is not, as if it had been sent again.
    """

    _asked: dict[str, tuple[str, Turn]] = field(default_factory=dict)  # by the id of its run
    _said: dict[str, list[tuple[Turn, Transcript]]] = field(default_factory=dict)

    def of(self, name: str) -> tuple[Turn, ...]:
        """The turns of a conversation so far, oldest first."""
        said = [(turn, reply) for turn, reply in self._said.get(name, ()) if reply.text]
        return tuple(one for turn, reply in said for one in (turn, turn_of(reply)))

    def note_ask(self, name: str, conversation: Conversation) -> None:
        """Note what is about to be asked in a conversation that the suite calls so."""
        self._asked[conversation.run] = name, conversation.turns[-1]

    def note_reply(self, run: str, reply: Transcript) -> None:
        """Note the reply to an ask, which may not have come yet."""
        if asked := self._asked.pop(run, None):
            self._said.setdefault(asked[0], []).append((asked[1], reply))


def turn_of(reply: Transcript) -> Turn:
    """A reply as its client keeps it."""
    return Turn(Role.ASSISTANT, reply.text, reply.message, reply.stepped)
