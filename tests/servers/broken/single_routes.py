"""Faults that one route has and the others do not: of sessions that are deleted, and of providers that fall silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Config, Event, ProviderFailed, Session
from tests.servers.plain_server import ChatServer
from tests.servers.session_turns import OneInASession


@fault("chat-outlives-a-deletion", "SES-05", "SES-02 SES-05 CHAT-06", says="at /api/chat, in a session", contract=2)
class ChatOutlivesADeletion(ChatServer):
    """`/api/chat` keeps what was said in a store of its own, of which DELETE knows nothing."""

    def key(self, session_id: str, over: str = "sse") -> str:
        return f"chat {session_id}" if over == "chat" else session_id


@fault("chat-is-not-counted", "SES-02", "SES-02 SES-05 CHAT-06", says="after one more at /api/chat", contract=2)
class ChatIsNotCounted(ChatServer):
    """`messages` is a number of its own, which `/api/chat` leaves as it was."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.uncounted: Counter[str] = Counter()

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer)
        if ask.over == "chat":
            self.uncounted[ask.session_id] += 2

    def messages_in(self, session_id: str) -> int | None:
        count = super().messages_in(session_id)
        return None if count is None else count - self.uncounted[session_id]


class _StoresItsList(ChatServer):
    """A reply ends by storing the list that it began with."""

    route = ""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer)
        if ask.over == self.route:
            self.sessions[self.key(ask.session_id, ask.over)] = session


@fault("socket-brings-back", "SES-13", "SES-13", says="over websocket", contract=2)
class SocketBringsBack(_StoresItsList):
    """A reply over a socket ends by storing the list that it began with."""

    route = "socket"


@fault("chat-brings-back", "SES-13", "SES-13", says="over /api/chat", contract=2)
class ChatBringsBack(_StoresItsList):
    """An answer of `/api/chat` ends by storing the list that it began with."""

    route = "chat"


@fault(
    "busy-after-a-timeout",
    "SES-18 SIO-17 CHAT-07",
    "SES-18 SIO-17 CHAT-07",
    says='over websocket, after stall ("',
    contract=2,
)
class BusyAfterATimeout(OneInASession):
    """The way out of a timeout leaves out the cleanup: the session stays busy for ever. Over SSE all is well."""

    hurried = True

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.stuck: set[str] = set()

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        if ask.over != "sse" and isinstance(failure.__cause__, TimeoutError):
            self.stuck.add(ask.session_id)
        async with aclosing(super().on_failure(failure, count, partial, ask)) as events:
            async for event in events:
                yield event

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        try:
            async with aclosing(super().reply(ask)) as events:
                async for event in events:
                    yield event
        finally:
            self.busy |= {ask.session_id} & self.stuck
