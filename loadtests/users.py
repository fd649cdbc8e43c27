"""The users of a closed loop. Locust gets one request for each stream, when it has ended, with its end-to-end time.

All that they measure goes to the environment's `LoadGenerator`, which `loadtests.locust_run` puts there.
"""

from __future__ import annotations

import random
import time
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from locust import User, task

from chatproof.harness.protocol.transcript import Transport
from chatproof.loadtests.load_generator import LoadGenerator
from chatproof.loadtests.locust_run import run_of
from chatproof.loadtests.readers.reading import Reading, StreamOutcome
from chatproof.loadtests.readers.socketio_reader import SocketReader
from chatproof.loadtests.readers.stream_recording import StreamRecording
from chatproof.loadtests.user_session import UserSession

_BACK_OFF_S = 1.0  # do not ask a server that is down in a busy loop


class ChatUser(User):
    """A user. Subclass it for users of your own: its tasks call `ask`, which asks, measures and counts.

    `over_sockets`: it asks over Socket.IO, on one connection for as long as that lasts and its address may ask.
    """

    abstract = True
    over_sockets = False

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.generator: LoadGenerator = run_of(environment).open()
        self._reader: SocketReader | None = None
        self._asked = 0  # on this connection

    def wait_time(self) -> float:
        """The think time, in seconds."""
        return random.uniform(*self.generator.options.think)

    def new_session(self) -> UserSession:
        """Begin a conversation, to hand to `ask`."""
        return UserSession.begun(self.generator.options.api)

    def ask(
        self, message: str | None = None, *, session: UserSession | None = None, stop_after: float | None = None
    ) -> Reading:
        """Ask, and wait for the end of the reply. Never raises for what a server does: see the reading's `outcome`.

        Args:
            message: what to say (default: the next one of `--message` or `--messages`).
            session: the conversation that the message belongs to (default: none).
            stop_after: leave this many seconds after the reply began.

        Returns:
            The reply, with its `outcome`, its `text` and its times, such as `first_token` (seconds).
        """
        asked = self.generator.compose(session, message=message, stop_after=stop_after)
        if not self.over_sockets:
            return self.generator.talk(asked, session)
        if (reader := self.connected()) is None:
            return Reading(StreamOutcome.REFUSED, StreamRecording(Transport.WEBSOCKET, time.monotonic()))
        return self.generator.talk(asked, session, reader)

    def connected(self) -> SocketReader | None:
        """The Socket.IO connection for the next ask, made where there is none or its address has asked often enough.

        None, after a pause: it was refused, which is counted.
        """
        sources = self.generator.sources
        if self._reader is not None and sources.available and self._asked >= sources.per_address:
            self._reader.close()
        if self._reader is None or self._reader.closed:
            self._reader, self._asked = self.generator.connect(), 0
        self._asked += 1
        if self._reader is None:
            gevent.sleep(_BACK_OFF_S)
        return self._reader

    def on_stop(self) -> None:
        """Close the connection."""
        if self._reader is not None:
            self._reader.close()


class ChatSSE(ChatUser):
    """Asks over SSE, each time without a session."""

    @task
    def chat(self) -> None:
        self.generator.ask(self.generator.compose())


class SessionChat(ChatUser):
    """Asks several turns in one session over SSE, then begins another session."""

    @task
    def talk(self) -> None:
        session = self.new_session()
        for turn in range(self.generator.options.turns):
            if turn:
                gevent.sleep(self.wait_time())
            asked = self.generator.compose(session)
            if session.needs_reply:
                self.generator.talk(asked, session)
            else:
                self.generator.ask(asked)


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
        self.generator.ask(self.generator.compose(plain=True))


class ChatSocketIO(ChatUser):
    """Asks over Socket.IO, on one connection for as long as it lasts and its address may ask."""

    over_sockets = True
    interrupts = False

    @task
    def chat(self) -> None:
        if (reader := self.connected()) is not None:
            self.generator.ask_on(reader, self.generator.compose(interrupts=self.interrupts))


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
