"""What each session remembers: in memory, bounded, gone when the server stops. `redis_sessions` is its twin.

An exchange is written in one piece when its reply is complete, the user's message and the
assistant's together. So an exchange that fails or is interrupted leaves nothing, exchanges that
run at the same time lose nothing, and an assistant's message always follows its user's.

A reply holds the ChatSession that it began in. If that one is deleted meanwhile, the reply is written
to the deleted object, which nobody reads any more: what was said before a deletion cannot return.
"""

import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypedDict

from chatproof.reference_server.config import Config


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

    limits: Config
    messages: int = 0
    updated: str = field(default_factory=timestamp)
    exchanges: list[dict[str, str]] = field(default_factory=list)  # role to text, in order
    used: float = field(default_factory=time.monotonic)  # time.monotonic() of the last use

    def history(self) -> list[ChatMessage]:
        """Return the messages that are kept, oldest first."""
        return [ChatMessage(role=role, content=text) for one in self.exchanges for role, text in one.items()]

    def add_exchange(self, user: str, assistant: str) -> None:
        """Add a message and the complete reply to it, and drop the oldest exchanges beyond the limits."""
        self.messages += 2
        self.updated = timestamp()
        self.exchanges.append({"user": user, "assistant": assistant})
        del self.exchanges[: -(self.limits.max_history // 2)]
        while sum(len(text) for one in self.exchanges for text in one.values()) > self.limits.max_history_chars:
            del self.exchanges[0]


class MemorySessions:
    """Sessions in memory, least recently used first. The first ones are deleted when they are too many or too old."""

    def __init__(self, limits: Config) -> None:
        self._limits = limits
        self._by_name: OrderedDict[SessionName, ChatSession] = OrderedDict()

    def open(self, name: SessionName) -> ChatSession:
        """Return the session of that name for a new reply; creates it if it does not exist."""
        session = self._by_name.setdefault(name, ChatSession(self._limits))
        self._by_name.move_to_end(name)
        session.used = time.monotonic()
        self._forget()
        return session

    def get(self, name: SessionName) -> ChatSession | None:
        """Return the session of that name to read it, or None."""
        self._forget()
        return self._by_name.get(name)

    def delete(self, name: SessionName) -> bool:
        """Delete a session. Returns False if it does not exist."""
        return self._by_name.pop(name, None) is not None

    def _forget(self) -> None:
        oldest = time.monotonic() - self._limits.max_session_age
        while self._by_name:
            first = next(iter(self._by_name.values()))
            if len(self._by_name) <= self._limits.max_sessions and first.used > oldest:
                return
            self._by_name.popitem(last=False)
