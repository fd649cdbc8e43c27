"""The users: one Locust request to a stream, fired when it is over, with its true end-to-end time.

All that they measure goes to the environment's `LoadGenerator`, which `loadtests.locust_run` puts there.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from locust import User, task

from chatproof.loadtests.load_generator import LoadGenerator
from chatproof.loadtests.locust_run import generator_of
from chatproof.loadtests.readers.socketio_reader import SocketReader


class ChatUser(User):
    """What all of them share: thinking, and the load generator."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.generator: LoadGenerator = generator_of(environment)

    def wait_time(self) -> float:
        """Think, in seconds."""
        return random.uniform(*self.generator.options.think)


class ChatSSE(ChatUser):
    """Asks over SSE, each time as somebody new."""

    @task
    def chat(self) -> None:
        """One stream."""
        self.generator.ask(self.generator.compose())


class SessionChat(ChatUser):
    """Several turns in one session, over SSE; then another one."""

    @task
    def talk(self) -> None:
        """One session."""
        session_id = f"load-{uuid.uuid4().hex[:16]}"
        for turn in range(self.generator.options.turns):
            if turn:
                gevent.sleep(self.wait_time())
            self.generator.ask(self.generator.compose(session_id))


class Interrupter(ChatUser):
    """Asks over SSE and hangs up in mid-reply."""

    @task
    def interrupt(self) -> None:
        """One stream that is left."""
        self.generator.ask(self.generator.compose(interrupts=True))


class PlainChat(ChatUser):
    """Asks `/api/chat`."""

    @task
    def chat(self) -> None:
        """One answer."""
        self.generator.ask(self.generator.compose(), plain=True)


class ChatSocketIO(ChatUser):
    """Asks over Socket.IO, on one connection as long as it lasts."""

    interrupts = False

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._reader: SocketReader | None = None

    @task
    def chat(self) -> None:
        """One reply."""
        if self._reader is None or self._reader.closed:
            self._reader = self.generator.connect()
        if self._reader is None:
            gevent.sleep(1.0)  # as a client backs off: a server that is down is not to be asked in a busy loop
            return
        self.generator.ask_on(self._reader, self.generator.compose(interrupts=self.interrupts))

    def on_stop(self) -> None:
        """Hang up."""
        if self._reader is not None:
            self._reader.close()


class SocketInterrupter(ChatSocketIO):
    """Asks over Socket.IO, says goodbye in mid-reply and listens for what still comes."""

    interrupts = True


CLOSED: dict[str, type[ChatUser]] = {
    "sse": ChatSSE,
    "socketio": ChatSocketIO,
    "session": SessionChat,
    "interrupt": Interrupter,
    "socket-interrupt": SocketInterrupter,
    "plain": PlainChat,
}
"""By the word after --transport."""
