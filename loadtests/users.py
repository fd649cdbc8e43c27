"""The users of a closed loop. Locust gets one request for each stream, when it has ended, with its end-to-end time.

All that they measure goes to the environment's `LoadGenerator`, which `loadtests.locust_run` puts there.
"""

from __future__ import annotations

import random
import uuid
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from locust import User, task

from chatproof.loadtests.load_generator import LoadGenerator
from chatproof.loadtests.locust_run import run_of
from chatproof.loadtests.readers.socketio_reader import SocketReader


class ChatUser(User):
    """What all users share: the think time between asks, and the load generator."""

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.generator: LoadGenerator = run_of(environment).open()

    def wait_time(self) -> float:
        """The think time, in seconds."""
        return random.uniform(*self.generator.options.think)


class ChatSSE(ChatUser):
    """Asks over SSE, each time without a session."""

    @task
    def chat(self) -> None:
        self.generator.ask(self.generator.compose())


class SessionChat(ChatUser):
    """Asks several turns in one session over SSE, then begins another session."""

    @task
    def talk(self) -> None:
        session_id = f"load-{uuid.uuid4().hex[:16]}"
        for turn in range(self.generator.options.turns):
            if turn:
                gevent.sleep(self.wait_time())
            self.generator.ask(self.generator.compose(session_id))


class Interrupter(ChatUser):
    """Asks over SSE and hangs up in the middle of the reply."""

    @task
    def interrupt(self) -> None:
        """One stream that the user leaves."""
        self.generator.ask(self.generator.compose(interrupts=True))


class PlainChat(ChatUser):
    """Asks `/api/chat`, which answers in one piece."""

    @task
    def chat(self) -> None:
        self.generator.ask(self.generator.compose(), plain=True)


class ChatSocketIO(ChatUser):
    """Asks over Socket.IO, on one connection for as long as it lasts."""

    interrupts = False

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._reader: SocketReader | None = None

    @task
    def chat(self) -> None:
        if self._reader is None or self._reader.closed:
            self._reader = self.generator.connect()
        if self._reader is None:
            gevent.sleep(1.0)  # back off: do not ask a server that is down in a busy loop
            return
        self.generator.ask_on(self._reader, self.generator.compose(interrupts=self.interrupts))

    def on_stop(self) -> None:
        if self._reader is not None:
            self._reader.close()


class SocketInterrupter(ChatSocketIO):
    """Asks over Socket.IO, disconnects in the middle of the reply and listens for what still arrives."""

    interrupts = True


CLOSED: dict[str, type[ChatUser]] = {
    "sse": ChatSSE,
    "socketio": ChatSocketIO,
    "session": SessionChat,
    "interrupt": Interrupter,
    "socket-interrupt": SocketInterrupter,
    "plain": PlainChat,
}
"""The user classes of a closed loop, by the value of --transport."""
