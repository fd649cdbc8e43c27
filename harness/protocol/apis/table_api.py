"""The user's own api: how a server is asked and what its events say, as a table of theirs has it (`api_table.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chatproof.harness.protocol.apis import api
from chatproof.harness.protocol.apis.event_rule import EventRule, SeenEvent
from chatproof.harness.protocol.apis.json_pointer import ABSENT, Pointer
from chatproof.harness.protocol.apis.placeholders import LEFT_OUT, filled, filled_path, filled_text, named_in
from chatproof.harness.protocol.messages import JsonObject, is_text

BEARER: Final = ("Authorization", "Bearer {credential}")
TURN: Final[Mapping[str, Any]] = {"role": "{role}", "content": "{text}"}
_OTHER: Final = (api.Other(),)
# where frameworks put the text of an error that comes as an HTTP answer
_USUAL: Final = tuple(
    Pointer.to(*steps)
    for steps in (("error", "message"), ("error",), ("message",), ("detail",), ("title",), ("errors", 0, "message"))
)


@dataclass(frozen=True, slots=True)
class TextRule:
    """A rule about the reply's text. `snapshot`: it is all text so far. `block`: the place of the name of the block
    that it belongs to, where a reply has several snapshots."""

    rule: EventRule
    snapshot: bool = False
    block: Pointer | None = None


@dataclass(frozen=True, slots=True)
class EventRules:
    """What events say: a piece of the text, the end, an error, and the server's own ids of the ask and of the
    conversation."""

    texts: tuple[TextRule, ...]
    ends: tuple[EventRule, ...] = ()
    errors: tuple[EventRule, ...] = ()
    run: EventRule | None = None
    conversation: EventRule | None = None

    def parts(self, seen: SeenEvent, closes: bool) -> Iterator[api.Part]:
        """All that one event says. `closes`: an end says nothing once the reply has ended, or failed."""
        if self.run and self.run.means(seen) and (name := self.run.text_in(seen)):
            yield api.Named(name)
        if self.conversation and self.conversation.means(seen) and (name := self.conversation.text_in(seen)):
            yield api.Named(conversation=name)
        for rule in self.errors:
            if rule.means(seen):
                yield api.Failure(rule.text_in(seen))
                return
        end = next((rule for rule in self.ends if rule.means(seen)), None)
        for one in self.texts:
            if (end is None or not (end.mark or one.rule.raw)) and one.rule.means(seen):
                if text := one.rule.text_in(seen):
                    block = one.block.find(seen.value) if one.block else ABSENT
                    yield api.Text(text, one.snapshot, block="" if block is ABSENT else str(block))
                break
        if end:
            yield api.Finish(end.text_in(seen) if end.pointer else None, closes)


@dataclass(frozen=True, slots=True)
class SocketTable:
    """The same over Socket.IO: the name of the event that asks, its argument, and what events say."""

    ask: str
    payload: Mapping[str, Any]
    reading: EventRules


@dataclass(frozen=True, slots=True, kw_only=True)
class TableApi(api.BaseApi):
    """An api of the user's own.

    `path`, `headers` and `body` have placeholders. `turn` is one turn of `{history}`, with the placeholders `{role}`
    and `{text}`; `roles` says how the two roles are called. `refusal`: where the text of an error is that comes as an
    HTTP answer; None: where frameworks put it.
    """

    name: str
    path: str
    reading: EventRules
    body: Mapping[str, Any] | None
    history: api.History
    method: str = "POST"
    headers: api.Headers = ()
    credential: tuple[str, str] = BEARER
    model: str = ""
    framing: api.Framing = api.Framing.SSE
    turn: Mapping[str, Any] = field(default_factory=lambda: TURN)
    roles: Mapping[str, str] = field(default_factory=dict)
    refusal: Pointer | None = None
    socket: SocketTable | None = None

    @property
    def has_sockets(self) -> bool:
        return self.socket is not None

    @property
    def names_conversations(self) -> bool:
        return self.reading.conversation is not None

    @property
    def reads_raw(self) -> bool:
        return any(one.rule.raw for one in self.reading.texts)

    def ask(self, conversation: api.Conversation) -> api.HttpAsk:
        values = self._values(conversation)
        headers = [(name, filled_text(value, values)) for name, value in self.headers]
        if conversation.credential is not None:
            headers.append((self.credential[0], filled_text(self.credential[1], values)))
        body = None if self.body is None else filled(self.body, values)
        return api.HttpAsk(filled_path(self.path, values), tuple(headers), body, self.method)

    def emit(self, conversation: api.Conversation) -> api.SocketAsk:
        """See Api. Raises LookupError: the table has no Socket.IO."""
        if self.socket is None:
            raise LookupError(f"the api {self.name} has no Socket.IO")
        return api.SocketAsk(self.socket.ask, filled(self.socket.payload, self._values(conversation)))

    def read(self, name: str, text: str, body: JsonObject | None) -> Sequence[api.Part]:
        seen = SeenEvent.over_http(name, text, body)
        return tuple(self.reading.parts(seen, closes=True)) or (() if seen.value is ABSENT else _OTHER)

    def read_emitted(self, name: str, data: Any) -> Sequence[api.Part]:
        if self.socket is None:
            return ()
        seen = SeenEvent(name, data if isinstance(data, str) else "", data)
        return tuple(self.socket.reading.parts(seen, closes=False)) or _OTHER

    def error_of(self, body: bytes) -> str | None:
        text = body.decode("utf-8", "replace")
        seen = SeenEvent.over_http("message", text, None)
        if self.refusal:
            found = self.refusal.find(seen.value)
            return found if is_text(found) else None
        if seen.value is ABSENT:
            return None if text.lstrip().startswith("<") else text.strip() or None
        places = [*(rule.pointer for rule in self.reading.errors if rule.pointer), *_USUAL]
        return next((found for place in places if is_text(found := place.find(seen.value))), None)

    def _values(self, conversation: api.Conversation) -> dict[str, Any]:
        asked: dict[str, Any] = {"message": conversation.message, "run": conversation.run, "model": self.model}
        asked["credential"] = conversation.credential or ""
        unnamed = LEFT_OUT if self.names_conversations else conversation.run
        asked["conversation"] = conversation.id or unnamed
        turns = conversation.turns[:-1] if self.sends_the_message_apart else conversation.turns
        return {**asked, "history": [self._turn(one) for one in turns]}

    @property
    def sends_the_message_apart(self) -> bool:
        """Whether the new message has a place of its own, so that `{history}` is what was said before it."""
        return "message" in {*named_in(self.body), *named_in(self.path)}

    def _turn(self, turn: api.Turn) -> Any:
        return filled(self.turn, {"role": self.roles.get(turn.role, str(turn.role)), "text": turn.text})
