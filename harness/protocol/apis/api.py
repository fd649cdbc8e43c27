"""What an api is: it says how to ask a server, and what each event of a reply means.

An api holds all that one way of speaking has for itself: paths, bodies, event names, field names, end marks. Clients,
transcript, checks and suite know none of these; they ask the api.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from chatproof.harness.protocol.apis.placeholders import filled, filled_path, filled_text
from chatproof.harness.protocol.messages import JsonObject

Headers = tuple[tuple[str, str], ...]
ANSWER = "answer"  # the channel of what the user reads; others hold, for instance, the model's thoughts


class History(StrEnum):
    """Who carries the turns of a conversation from one ask to the next."""

    SERVER = "server"  # it keeps them under the conversation's id
    CLIENT = "client"  # it sends all of them with each ask
    EITHER = "either"
    NOBODY = "nobody"  # each ask stands alone


class Framing(StrEnum):
    """How events are told apart in the body of an HTTP reply."""

    SSE = "sse"
    NDJSON = "ndjson"  # one JSON value a line


# -- asking


class Role(StrEnum):
    """Who said something."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said, as the client sent or received it. `id`: the message's own, which the server gave it, or the
    client. `stepped`: it began with the mark of a step, which clients keep as a part of the message."""

    role: Role
    text: str
    id: str = ""
    stepped: bool = False


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
    """A request: its path, its headers and its body, a JSON object. The header `Content-Type: application/json` is not
    among them; it goes with a body. Without a body (None) nothing is sent."""

    path: str
    headers: Headers
    body: JsonObject | None
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is told about a reply that runs: to stop it, or to go on with it after the connection was lost.

    In `path`, in `headers` and in the texts of `body` these stand for what is known when the request is sent:
    `{path}` the path that streams are asked at, `{conversation}` the conversation's id (or the run's, where it has
    none), `{run}` the id of the one ask: the server's own (`Transcript.run`) where it names one, else the client's,
    `{last_event}` the `id` of the last SSE event that came (empty where there was none). `body`: None for no body.

    Example: `Endpoint("GET", "{path}/{conversation}/stream")` is how the AI SDK resumes a stream.
    """

    method: str
    path: str
    headers: Headers = ()
    body: JsonObject | None = None

    def ask(self, path: str, conversation: Conversation, run: str = "", last_event: str = "") -> HttpAsk:
        """The request about an ask. `path`: that of the ask itself. `run`: the server's own id of it, if it told one.

        The user's credential is not in it: the api puts it in (`Api.about`).
        """
        own = run or conversation.run
        names = {"conversation": conversation.id or own, "run": own, "last_event": last_event}
        # the ask's path is a path already, and so is not percent-encoded once more
        where = filled_path(self.path.replace("{path}", path.partition("?")[0]), names)
        headers = tuple((name, filled_text(value, names)) for name, value in self.headers)
        return HttpAsk(where, headers, None if self.body is None else filled(self.body, names), self.method)


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
    """The reply is whole. `reason`: the api's word for why it ended, if it has one. `closes`: it says that nothing more
    comes, and nothing of how the reply went, so that it is no completion where the reply has ended, or failed."""

    reason: str | None = None
    closes: bool = False


class Failure(NamedTuple):
    """The reply failed. `text`: what the client is told, or None where that is no string."""

    text: str | None


class Usage(NamedTuple):
    """How many tokens the server counted in the reply, or None where it does not say."""

    tokens: int | float | None = None


class Named(NamedTuple):
    """The server's own id of this ask, by which it is stopped or resumed, the one that it gave the conversation, or the
    one of the message that follows, under which clients keep it. `stepped`: see Turn."""

    run: str = ""
    conversation: str = ""
    message: str = ""
    stepped: bool = False


class Other(NamedTuple):
    """Something that a client may pass over."""


Part = Text | Finish | Failure | Usage | Named | Other


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
    def has_sockets(self) -> bool:
        """Whether it can be spoken over Socket.IO."""

    @property
    def ends_with_body(self) -> bool:
        """Whether an HTTP reply is whole where its body ends as HTTP says, since no event tells its end."""

    @property
    def names_conversations(self) -> bool:
        """Whether the server chooses a conversation's id, and tells it: a new conversation has none."""

    @property
    def reads_raw(self) -> bool:
        """Whether the data of an event may be text that is no JSON: then its lines are one text."""

    @property
    def path(self) -> str:
        """The path that streams are asked at; in an api of the user's own perhaps with placeholders, see `ask`."""

    @property
    def stop(self) -> Endpoint | None:
        """Where a client stops a reply; None: it has nothing but hanging up."""

    @property
    def resume(self) -> Endpoint | None:
        """Where a client goes on with a reply whose connection was lost; None: nowhere."""

    def about(self, endpoint: Endpoint, conversation: Conversation, run: str = "", last_event: str = "") -> HttpAsk:
        """The request to `stop` or `resume`, with the user's credential. See `Endpoint.ask`."""

    @property
    def ends_at_error(self) -> bool:
        """Whether its clients take nothing that stands behind an error, such as an end, for more of the reply."""

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

    def read_emitted(self, name: str, data: Any) -> Sequence[Part]:
        """What one Socket.IO event says. `data`: its first argument, any JSON value; None where it has none."""

    def error_of(self, body: bytes) -> str | None:
        """The text of an error that came as an HTTP answer, or None where there is no such text."""


@dataclass(frozen=True, slots=True)
class BaseApi:
    """What an api says beside the ask and its reply. Those that are built in have no endpoints, unless they are given
    some: whether a server stops and resumes is declared, never guessed."""

    stop: Endpoint | None = None
    resume: Endpoint | None = None
    ends_with_body: bool = False

    @property
    def has_sockets(self) -> bool:
        """See Api."""
        return True

    @property
    def names_conversations(self) -> bool:
        """See Api."""
        return False

    @property
    def reads_raw(self) -> bool:
        """See Api."""
        return False

    @property
    def ends_at_error(self) -> bool:
        """See Api."""
        return True

    def about(self, endpoint: Endpoint, conversation: Conversation, run: str = "", last_event: str = "") -> HttpAsk:
        """See Api. It has the ask's headers, the credential among them, but for `Accept`."""
        api: Api = self  # type: ignore[assignment]  # those that have this base are
        ask = api.ask(conversation)
        found = endpoint.ask(ask.path, conversation, run, last_event)
        own = {"accept", *(name.lower() for name, _ in found.headers)}
        also = tuple((name, value) for name, value in ask.headers if name.lower() not in own)
        return replace(found, headers=(*also, *found.headers))


@dataclass(frozen=True, slots=True)
class HttpOnly(BaseApi):
    """What an api says that knows no Socket.IO."""

    @property
    def has_sockets(self) -> bool:
        """See Api."""
        return False

    def emit(self, conversation: Conversation) -> SocketAsk:
        """See Api. Raises LookupError: a run over such an api opens no sockets."""
        raise LookupError("this api has no Socket.IO")

    def read_emitted(self, name: str, data: Any) -> Sequence[Part]:
        """See Api."""
        return ()
