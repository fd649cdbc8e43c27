"""What each session remembers: in memory, bounded, gone when the server stops. `redis_sessions` is its twin.

An exchange is written in one piece when its reply is complete, the user's message and the
assistant's together. So an exchange that fails or is interrupted leaves nothing, exchanges that
run at the same time lose nothing, and an assistant's message always follows its user's.

A reply holds the ChatSession that it began in. If that one is deleted meanwhile, nothing is added to the new one of
that name: what was said before a deletion cannot return.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from sys import getsizeof
from typing import TypedDict

MAX_AGE = 86_400.0  # seconds since its last use after which a session is deleted
MAX_EXCHANGES = 200  # kept in one session
MAX_CHARS = 200_000  # kept in one session
SESSION_BYTES, EXCHANGE_BYTES = 1_000, 250  # what Python takes beside the texts, about


class ChatMessage(TypedDict):
    """One message, as the Chat Completions API expects it."""

    role: str
    content: str


@dataclass(frozen=True)
class SessionName:
    """A session's id together with its user; all anonymous users share None."""

    user: str | None
    session_id: str


def timestamp() -> str:
    """The current time in ISO 8601 with its UTC offset."""
    return datetime.now(UTC).isoformat()


@dataclass
class ChatSession:
    """One conversation. `messages` counts all messages, also those that the history no longer holds."""

    name: SessionName
    id: str = ""  # in Redis: another one after each deletion
    messages: int = 0
    updated: str = field(default_factory=timestamp)
    exchanges: list[dict[str, str]] = field(default_factory=list)  # role to text, in order
    used: float = field(default_factory=time.monotonic)  # time.monotonic() of the last use

    def history(self) -> list[ChatMessage]:
        """Return the messages that are kept, oldest first."""
        return [ChatMessage(role=role, content=text) for one in self.exchanges for role, text in one.items()]

    def add(self, user: str, assistant: str) -> None:
        """Add a message and the complete reply to it, and drop the oldest exchanges beyond the limits."""
        self.messages += 2
        self.updated = timestamp()
        self.exchanges.append({"user": user, "assistant": assistant})
        del self.exchanges[:-MAX_EXCHANGES]
        while sum(len(text) for one in self.exchanges for text in one.values()) > MAX_CHARS:
            del self.exchanges[0]

    def size(self) -> int:
        """Bytes of memory, about: an emoji makes each character of its text take four."""
        texts = [self.name.session_id, self.name.user or "", *(text for one in self.exchanges for text in one.values())]
        return SESSION_BYTES + EXCHANGE_BYTES * len(self.exchanges) + sum(map(getsizeof, texts))


class MemorySessions:
    """Sessions in memory, least recently used first. The first ones are deleted when all take too much, or too old."""

    def __init__(self, megabytes: float, max_age: float = MAX_AGE) -> None:
        self._most = megabytes * 1e6
        self._max_age = max_age  # seconds
        self._by_name: OrderedDict[SessionName, ChatSession] = OrderedDict()
        self._bytes = 0

    def open(self, name: SessionName) -> ChatSession:
        """Return the session of that name for a new reply; creates it if it does not exist."""
        if not (session := self._by_name.get(name)):
            session = self._by_name[name] = ChatSession(name)
            self._bytes += session.size()
        self._by_name.move_to_end(name)
        session.used = time.monotonic()
        self._forget()
        return session

    def add_exchange(self, session: ChatSession, user: str, assistant: str) -> None:
        """Add a message and the complete reply to it, unless the session was deleted meanwhile."""
        if self._by_name.get(session.name) is session:
            self._bytes -= session.size()
            session.add(user, assistant)
            self._bytes += session.size()
            self._forget()

    def get(self, name: SessionName) -> ChatSession | None:
        """Return the session of that name to read it, or None."""
        self._forget()
        return self._by_name.get(name)

    def delete(self, name: SessionName) -> bool:
        """Delete a session. Returns False if it does not exist."""
        if session := self._by_name.pop(name, None):
            self._bytes -= session.size()
        return session is not None

    def _forget(self) -> None:
        oldest = time.monotonic() - self._max_age
        while self._by_name:
            first = next(iter(self._by_name.values()))
            if self._bytes <= self._most and first.used > oldest:
                return
            self.delete(first.name)
