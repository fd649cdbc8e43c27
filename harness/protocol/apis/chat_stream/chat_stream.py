"""How the API document asks and reads. All its paths, field names and event names stand here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chatproof.harness.protocol.apis import api
from chatproof.harness.protocol.apis.turns import bearer
from chatproof.harness.protocol.messages import JsonObject, Kind, decode_object, is_text

STREAM_PATH: Final = "/api/chat/stream"
CHAT_PATH: Final = "/api/chat"
SESSIONS_PATH: Final = "/api/chat/sessions/"
ASK_EVENT: Final = "chat_stream"

# the fields of a token event and of a completion
TOKEN, COUNT, PARTIAL = "token", "count", "partial"
TOKENS, DURATION, SPEED = "tokens", "duration", "tokens_per_second"
FULL_RESPONSE, USER, TIMESTAMP = "full_response", "user", "timestamp"
RESPONSE, ERROR = "response", "error"  # of an answer of `CHAT_PATH`; of every error
MESSAGES, SESSION_ID = "messages", "session_id"  # of a session

ABSENT: Final = object()
_OTHER: Final = (api.Other(),)
_FINISH: Final = (api.Finish(),)


def body_of(message: object = ABSENT, session_id: object = ABSENT) -> dict[str, Any]:
    """A request's body, with any JSON value in its two fields, or without them."""
    fields = (("message", message), (SESSION_ID, session_id))
    return {name: value for name, value in fields if value is not ABSENT}


def classify(body: JsonObject) -> Kind:
    """Say what an SSE event's object is.

    `error: null`, `error: ""` and `done: false` count as absent. An object that has both a text and
    `done: true` is a token: the API document's client looks at `token` first and never sees its `done`.
    """
    if body.get(ERROR) not in (None, ""):
        return Kind.ERROR
    if body.get("done") is True:
        return Kind.TOKEN if body.get(TOKEN) else Kind.COMPLETION
    return Kind.TOKEN if TOKEN in body else Kind.OTHER


@dataclass(frozen=True, slots=True)
class ChatStream(api.BaseApi):
    """The API document's api."""

    name: str = "chat-stream"
    history: api.History = api.History.SERVER
    framing: api.Framing = api.Framing.SSE
    path: str = STREAM_PATH
    _events: dict[str, Kind] = field(
        default_factory=lambda: {
            "chat_token": Kind.TOKEN,
            "chat_complete": Kind.COMPLETION,
            "chat_stream_error": Kind.ERROR,
        }
    )

    @property
    def ends_at_error(self) -> bool:
        return False

    def ask(self, conversation: api.Conversation) -> api.HttpAsk:
        return api.HttpAsk(STREAM_PATH, bearer(conversation.credential), _body(conversation))

    def ask_chat(self, conversation: api.Conversation) -> api.HttpAsk:
        """The same ask, answered with one JSON object."""
        return api.HttpAsk(CHAT_PATH, bearer(conversation.credential), _body(conversation))

    def emit(self, conversation: api.Conversation) -> api.SocketAsk:
        return api.SocketAsk(ASK_EVENT, _body(conversation))

    def read(self, name: str, text: str, body: JsonObject | None) -> Sequence[api.Part]:
        return () if body is None else _parts(classify(body), body)

    def read_emitted(self, name: str, data: Any) -> Sequence[api.Part]:
        return _parts(self._events.get(name, Kind.OTHER), data if isinstance(data, dict) else {})

    def error_of(self, body: bytes) -> str | None:
        error = (decode_object(body.decode("utf-8", "replace")).body or {}).get(ERROR)
        return error if is_text(error) else None


CHAT_STREAM: Final = ChatStream()


def _body(conversation: api.Conversation) -> dict[str, Any]:
    return body_of(conversation.message, ABSENT if conversation.id is None else conversation.id)


def _parts(kind: Kind, body: JsonObject) -> Sequence[api.Part]:
    if kind is Kind.TOKEN:
        token = body.get(TOKEN)
        return (api.Text(token if isinstance(token, str) else ""),)
    if kind is Kind.COMPLETION:
        return _FINISH
    if kind is Kind.ERROR:
        error = body.get(ERROR)
        return (api.Failure(error if isinstance(error, str) else None),)
    return _OTHER
