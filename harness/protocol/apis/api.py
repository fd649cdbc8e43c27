"""What an api is: it says how to ask a server, and what each event of a reply means.

An api holds all that one way of speaking has for itself: paths, bodies, event names, field names, end marks. Clients,
transcript, checks and suite know none of these; they ask the api.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from chatproof.harness.protocol.messages import JsonObject

Headers = tuple[tuple[str, str], ...]
ANSWER = "answer"  # the channel of what the user reads; others hold, for instance, the model's thoughts


class History(StrEnum):
    """Who carries the turns of a conversation from one ask to the next."""

    SERVER = "server"  # it keeps them under the conversation's id
    CLIENT = "client"  # it sends all of them with each ask
    EITHER = "either"


class Framing(StrEnum):
    """How events are told apart in the body of an HTTP reply."""

    SSE = "sse"


# -- asking


class Role(StrEnum):
    """Who said something."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said, as the client sent or received it."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """All that a client has when it asks.

    `turns`: oldest first; the last one is the user's new message. `id` names the conversation; None: the ask names
    none. `run` names this one ask, for an api that wants an id for each. `credential`: the user's token, or None.
    """

    turns: tuple[Turn, ...]
    id: str | None = None
    run: str = ""
    credential: str | None = None

    @property
    def message(self) -> str:
        """The user's new message."""
        return self.turns[-1].text


@dataclass(frozen=True, slots=True)
class HttpAsk:
    """A POST: its path, the headers beside `Content-Type: application/json`, and its body."""

    path: str
    headers: Headers
    body: JsonObject


@dataclass(frozen=True, slots=True)
class SocketAsk:
    """A Socket.IO event: its name and its one argument."""

    event: str
    payload: Mapping[str, Any]


# -- reading


class Text(NamedTuple):
    """A piece of the reply's text.

    `snapshot`: it is all text of its block so far, not what is new. A reply may hold several blocks, in several
    channels; the reply's text is what comes in the channel `ANSWER`.
    """

    text: str
    snapshot: bool = False
    channel: str = ANSWER
    block: str = ""


class Finish(NamedTuple):
    """The reply is whole. `reason`: the api's word for why it ended, if it has one."""

    reason: str | None = None


class Failure(NamedTuple):
    """The reply failed. `text`: what the client is told, or None where that is no string."""

    text: str | None


class Usage(NamedTuple):
    """How many tokens the server counted in the reply, or None where it does not say."""

    tokens: int | float | None = None


class Other(NamedTuple):
    """Something that a client may pass over."""


Part = Text | Finish | Failure | Usage | Other


class Api(Protocol):
    """One way of speaking. Sans-IO: it makes requests and reads events, and sends nothing."""

    @property
    def name(self) -> str:
        """How options and reports call it."""

    @property
    def history(self) -> History:
        """Who carries the turns."""

    @property
    def framing(self) -> Framing:
        """How events are told apart over HTTP."""

    @property
    def path(self) -> str:
        """The path that streams are asked at; the same for all asks."""

    def ask(self, conversation: Conversation) -> HttpAsk:
        """The request that continues a conversation."""

    def emit(self, conversation: Conversation) -> SocketAsk:
        """The same over Socket.IO."""

    def read(self, name: str, text: str, body: JsonObject | None) -> Sequence[Part]:
        """What one event of an HTTP reply says; nothing where it is no event of this api.

        Args:
            name: the event's name; `message` where it has none.
            text: its data, as it came.
            body: the JSON object in its data, or None where there is none.
        """

    def read_emitted(self, name: str, body: JsonObject) -> Sequence[Part]:
        """What one Socket.IO event says. `body`: its first argument, empty where that is no object."""

    def error_of(self, body: bytes) -> str | None:
        """The text of an error that came as an HTTP answer, or None where there is no such text."""


class HttpOnly:
    """What an api says that knows no Socket.IO; to be mixed in."""

    __slots__ = ()

    def emit(self, conversation: Conversation) -> SocketAsk:
        """See Api. Raises LookupError: a run over such an api opens no sockets."""
        raise LookupError("this api has no Socket.IO")

    def read_emitted(self, name: str, body: JsonObject) -> Sequence[Part]:
        """See Api."""
        return ()
