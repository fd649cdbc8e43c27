"""Faults in what is kept of a session after trouble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed, Session
from tests.servers.plain_server import ChatServer

TROUBLE = "SES-18 SES-07"


class _AfterFailure(ChatServer):
    """Does something with the session when the provider has failed."""

    def after_failure(self, session: Session, ask: Ask, partial: str) -> None:
        raise NotImplementedError

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        self.after_failure(self.session_of(ask), ask, partial)
        async with aclosing(super().on_failure(failure, count, partial, ask)) as events:
            async for event in events:
                yield event


def user(ask: Ask) -> Message:
    """The message of an ask."""
    return {"role": "user", "content": ask.message}


def assistant(text: str) -> Message:
    """A message of the model."""
    return {"role": "assistant", "content": text}


@fault("empty-after-stop", "SES-18", TROUBLE, says="an empty assistant message in")
class EmptyAfterStop(ChatServer):
    """Stores what it has when the client leaves, if only nothing."""

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        self.keep(session, ask, partial)


@fault("placeholder", "SES-18", TROUBLE, says="an assistant message that the model did not say, '(no answer)'")
class Placeholder(ChatServer):
    """Keeps roles in turn with words of its own, over sockets alone."""

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        if ask.over == "socket":
            self.keep(session, ask, partial or "(no answer)")


@fault("error-kept-as-reply", "SES-18", TROUBLE, says="that the model did not say, 'The language model")
class ErrorAsReply(_AfterFailure):
    """What the client was told stays as what the model said; on /api/chat alone."""

    def after_failure(self, session: Session, ask: Ask, partial: str) -> None:
        if ask.over == "chat":
            self.keep(session, ask, "The language model is not available.")


@fault("kept-at-both-ends", "SES-18", TROUBLE, says="the message that was not answered stands 2 times")
class KeptAtBothEnds(_AfterFailure):
    """The message is stored when it comes, and once more when its reply fails."""

    def on_begin(self, session: Session, ask: Ask) -> None:
        session.messages.append(user(ask))

    def prompt(self, session: Session, message: str) -> list[Message]:
        return list(session.messages)

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        session.messages.append(assistant(answer))

    def after_failure(self, session: Session, ask: Ask, partial: str) -> None:
        session.messages.append(user(ask))


@fault("partial-without-question", "SES-18", TROUBLE, says="no user message stands before the assistant message")
class PartialWithoutQuestion(_AfterFailure):
    def after_failure(self, session: Session, ask: Ask, partial: str) -> None:
        if partial:
            session.messages.append(assistant(partial))


@fault("rolls-back-too-far", "SES-18", TROUBLE, says="is missing in")
class RollsBackTooFar(_AfterFailure):
    """Takes back two messages, of which it had stored none."""

    def after_failure(self, session: Session, ask: Ask, partial: str) -> None:
        del session.messages[-2:]


@fault("keeps-its-buffer", "SES-18", TROUBLE, says="two replies in one assistant message")
class KeepsItsBuffer(_AfterFailure):
    """The text of a broken reply stands before that of the next one."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.buffers: dict[str, str] = {}

    def after_failure(self, session: Session, ask: Ask, partial: str) -> None:
        self.buffers[ask.session_id] = partial

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, self.buffers.pop(ask.session_id, "") + answer)


@fault("late-retry", "SES-18", TROUBLE, says="the message that was not answered stands 2 times")
class LateRetry(_AfterFailure):
    """What failed waits in a queue, and is stored twice with the next exchange: the second request shows it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.waiting: dict[str, list[Message]] = {}

    def after_failure(self, session: Session, ask: Ask, partial: str) -> None:
        self.waiting[ask.session_id] = [user(ask), user(ask)]

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        session.messages += self.waiting.pop(ask.session_id, [])
        super().keep(session, ask, answer)


@fault(
    "stores-late",
    "SES-02 SES-07",
    "SES-01 SES-02 SES-07 SES-10 SES-11 AUTH-04",
    may="SES-01 SES-03",
    contract=2,
)
class StoresLate(ChatServer):
    """Exchanges are stored a moment after their completion: no other row calls it forgetful, or worse."""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        asyncio.get_running_loop().call_later(0.3, super().keep, session, ask, answer)


class _AtOnce(ChatServer):
    """Knows what a session held when a reply of it began."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.before: dict[Ask, list[Message]] = {}

    def on_begin(self, session: Session, ask: Ask) -> None:
        self.before[ask] = list(session.messages)


@fault("snapshot-restored", "SES-19", "SES-19 SES-18 SES-12", says="is missing in")
class SnapshotRestored(_AtOnce, _AfterFailure):
    """A failure puts the session back to where it was, whatever others have said meanwhile."""

    def after_failure(self, session: Session, ask: Ask, partial: str) -> None:
        session.messages[:] = self.before[ask]


@fault("sockets-write-back", "SES-19", "SES-19 SES-12", says="is missing in")
class SocketsWriteBack(_AtOnce):
    """A reply over a socket writes its own copy of the session back, others append to it."""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        if ask.over == "socket":
            session.messages[:] = self.before[ask]
        super().keep(session, ask, answer)


@fault("socket-keeps-a-copy", "SES-19", "SES-19 SES-11", says="is missing in")
class SocketKeepsACopy(ChatServer):
    """Sockets read a session once, and remember only what they have said themselves since."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.copies: dict[str, list[Message]] = {}

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        if ask.over == "socket":
            self.copies.setdefault(ask.session_id, list(self.session_of(ask).messages))
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                yield event

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        if ask.over == "socket":
            messages = [*self.copies[ask.session_id], user(ask)]
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer)
        if ask.over == "socket":
            self.copies[ask.session_id] += session.messages[-2:]


@fault("one-buffer-a-session", "SES-19", "SES-19 SES-07", says="an assistant message that the model did not say")
class OneBufferASession(_AtOnce):
    """All tokens of a session go into one buffer, which is stored as the reply."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.buffers: dict[str, str] = {}

    def on_begin(self, session: Session, ask: Ask) -> None:
        self.buffers[ask.session_id] = ""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                self.buffers[ask.session_id] += token
                yield token

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, self.buffers[ask.session_id])


@fault("empty-after-timeout", "SES-18", TROUBLE, says='after stall ("Three tokens, then the connection stays open')
class EmptyAfterTimeout(_AfterFailure):
    """Stores an empty reply where the provider was too slow; other failures leave nothing."""

    def after_failure(self, session: Session, ask: Ask, partial: str) -> None:
        if "scenario stall" in ask.message:
            self.keep(session, ask, "")


@fault("failed-moves-to-the-end", "SES-18", TROUBLE, says="stands before the message that was not answered")
class FailedMovesToTheEnd(_AfterFailure):
    """A failed message is put off: it stands behind what was said after it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.waiting: dict[str, list[Message]] = {}

    def after_failure(self, session: Session, ask: Ask, partial: str) -> None:
        self.waiting[ask.session_id] = [user(ask)]

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer)
        session.messages += self.waiting.pop(ask.session_id, [])


@fault("empty-after-chat-stop", "SES-18", TROUBLE, says="after a client that left /api/chat before its answer")
class EmptyAfterChatStop(ChatServer):
    """As `empty-after-stop`, where it does not stream."""

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        if ask.over == "chat":
            self.keep(session, ask, "")
