"""What each session remembers: in memory, bounded, gone when the server stops.

An exchange is written in one piece when its reply is complete, the user's message and the
assistant's together. So an exchange that fails or is interrupted leaves nothing, exchanges that
run at the same time lose nothing, and an assistant's message always follows its user's.

A reply holds the Session that it began in. If that one is deleted meanwhile, the reply is written
to the deleted object, which nobody reads any more: what was said before a deletion cannot return.
"""

from collections import OrderedDict, deque
from datetime import UTC, datetime
from typing import TypedDict


class Message(TypedDict):
    """One message, in the form in which providers take it."""

    role: str
    content: str


class Session:
    """One conversation."""

    def __init__(self, max_history: int) -> None:
        self.messages = 0  # all that were said, the forgotten ones included
        self.updated = timestamp()
        self._exchanges: deque[tuple[str, str]] = deque(maxlen=max_history // 2)

    def history(self) -> list[Message]:
        """The messages so far, oldest first."""
        return [
            message
            for user, assistant in self._exchanges
            for message in (
                Message(role="user", content=user),
                Message(role="assistant", content=assistant),
            )
        ]

    def add_exchange(self, user: str, assistant: str) -> None:
        """Remember a message and the complete reply to it."""
        self._exchanges.append((user, assistant))
        self.messages += 2
        self.updated = timestamp()


class Sessions:
    """All sessions by their exact id. The one unused for longest gives way to a new one."""

    def __init__(self, max_sessions: int, max_history: int) -> None:
        self._max_sessions = max_sessions
        self._max_history = max_history
        self._by_id: OrderedDict[str, Session] = OrderedDict()

    def open(self, session_id: str) -> Session:
        """The session of that id, a new one if need be."""
        session = self._by_id.setdefault(session_id, Session(self._max_history))
        self._by_id.move_to_end(session_id)
        if len(self._by_id) > self._max_sessions:
            self._by_id.popitem(last=False)
        return session

    def get(self, session_id: str) -> Session | None:
        """The session of that id, if there is one."""
        return self._by_id.get(session_id)

    def delete(self, session_id: str) -> bool:
        """Forget a session; false if there was none."""
        return self._by_id.pop(session_id, None) is not None


def timestamp() -> str:
    """Now, in ISO 8601 with its offset from UTC."""
    return datetime.now(UTC).isoformat()
