"""Faults that the rows of SES notice."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from aiohttp import web

from tests.servers.broken.fault import WHOLE, Crash, fault
from tests.servers.parts import Ask, Config, Event, Message, Session
from tests.servers.plain_server import ChatServer


@fault("delete-without-effect", "SES-05 SES-13", WHOLE)
class DeletesNothing(ChatServer):
    def forget(self, session_id: str) -> bool:
        return self.key(session_id) in self.sessions


@fault("deleted-comes-back", "SES-13", "SES")
class DeletedComesBack(ChatServer):
    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer)
        self.sessions[self.key(ask.session_id, ask.over)] = session


@fault("count-after-delete", "SES-05", "SES")
class CountsAfterDelete(ChatServer):
    """The history is gone, its count is not."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.old: dict[str, int] = {}

    def forget(self, session_id: str) -> bool:
        self.old[session_id] = self.messages_in(session_id) or 0
        return super().forget(session_id)

    def messages_in(self, session_id: str) -> int | None:
        return super().messages_in(session_id) or self.old.get(session_id)


@fault("case-insensitive", "SES-08", "SES")
class IgnoresCase(ChatServer):
    def key(self, session_id: str, over: str = "sse") -> str:
        return session_id.lower()


@fault("default-shared", "SES-09", "REQ-02 SES")
class SharesDefault(ChatServer):
    def new_session_id(self) -> str:
        return "default"

    def socket_session(self, sid: str) -> str | None:
        return "default"


class _KeepsAsks(SharesDefault):
    """Sessions keep a message before the provider is asked, whatever it is: one that the provider refuses stays."""

    def is_message(self, text: str) -> bool:
        return text.strip() != ""

    def on_begin(self, session: Session, ask: Ask) -> None:
        session.messages.append({"role": "user", "content": ask.message})

    def prompt(self, session: Session, message: str) -> list[Message]:
        return list(session.messages)

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        session.messages.append({"role": "assistant", "content": answer})


@fault("default-spoiled", "SES-09", "REQ SIO-03 SIO-05 SIO-10 SES-09 ERR-04", says="the provider also got")
class SpoilsDefault(_KeepsAsks):
    """Over sockets, what is no object is asked in the session of everybody: the provider refuses it from then on."""

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        if over == "socket" and not isinstance(body, dict):
            return Ask(cast("str", None), "default", over)
        return super().read_ask(body, over, default_session)


@fault("default-spoiled-before", "SES-09", "REQ-02 SES-09", says="the provider also got")
class SpoiledDefault(_KeepsAsks):
    """As after such an ask. Over sockets alone: HTTP requests have sessions of their own."""

    def new_session_id(self) -> str:
        return ChatServer.new_session_id(self)

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.sessions["default"] = Session([{"role": "user", "content": "\ud800"}])


@fault("clock-as-id", "SES-09", "REQ-02 SES")
class ClockAsId(ChatServer):
    """Ids of the same second are the same."""

    def new_session_id(self) -> str:
        return str(int(time.time()))


@fault("no-memory", "SES-07", "SES INT-07", may="SES-11 SES-12")
class NoMemory(ChatServer):
    def prompt(self, session: Session, message: str) -> list[Message]:
        return [{"role": "user", "content": message}]


@fault("own-words-forgotten", "SES-07 SES-03", "SES INT-07", may="SES-12")
class ForgetsReplies(ChatServer):
    """Keeps what the user said, not what the model did."""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        session.messages.append({"role": "user", "content": ask.message})


@fault("sockets-apart", "SES-11", "SES SIO-02")
class SocketsApart(ChatServer):
    def key(self, session_id: str, over: str = "sse") -> str:
        return f"socket {session_id}" if over == "socket" else session_id


@fault("last-writer", "SES-12", "SES")
class LastWriterWins(ChatServer):
    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        session = self.session_of(ask)
        before = list(session.messages)
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if "done" in event:
                    session.messages[:] = before + session.messages[-2:]
                yield event


@fault("crash-on-odd-path", "SES-10", "SES", may="SES-14")
class CrashesOnOddPath(ChatServer):
    def session_named(self, request: web.Request) -> str:
        name = super().session_named(request)
        if not name.isascii():
            raise Crash
        return name


@fault("ids-differ", "SES-14", "SES", may="SES-10")
class IdsDiffer(ChatServer):
    """GET decodes what the path has encoded twice."""

    def session_named(self, request: web.Request) -> str:
        return super().session_named(request).replace("%20", " ")


@fault("found-everywhere", "SES-06", "SES")
class FindsEverything(ChatServer):
    def messages_in(self, session_id: str) -> int | None:
        return super().messages_in(session_id) or 0

    def forget(self, session_id: str) -> bool:
        super().forget(session_id)
        return True
