"""Odd ways to keep sessions and limits."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web

from tests.servers.legal.answer_traits import WholeInOne
from tests.servers.legal.variant import legal
from tests.servers.legal.wire import Packed, zlib_packer
from tests.servers.parts import Ask, Config, Event, Message, Refused, Session
from tests.servers.plain_server import ChatServer
from tests.servers.session_lock import SessionLock


@legal("one-prompt", also="LIM-11", contract=1)
class OnePrompt(WholeInOne):
    """The whole history as one prompt; interrupted messages stay, without a reply; windows by the clock;
    Retry-After as a date; a deleted session has no messages; a fresh session for each ask without an id; Socket.IO
    with events and fields of its own."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.deleted: set[str] = set()
        self.tally: dict[tuple[str, ...], int] = {}

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        session.messages.append({"role": "user", "content": ask.message})

    def key(self, session_id: str, over: str = "sse") -> str:
        return f"v1:{session_id}"

    def count(self, bucket: tuple[str, ...], limit: int) -> float | None:
        window = int(time.time() // 60)
        key = (*bucket, str(window))
        self.tally[key] = self.tally.get(key, 0) + 1
        return (window + 1) * 60 - time.time() if self.tally[key] > limit else None

    def retry_after(self, wait: float) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=wait), usegmt=True)

    def forget(self, session_id: str) -> bool:
        there = super().forget(session_id)
        if there:
            self.deleted.add(session_id)
        return there

    def messages_in(self, session_id: str) -> int | None:
        count = super().messages_in(session_id)
        return 0 if count is None and session_id in self.deleted else count

    def socket_session(self, sid: str) -> str | None:
        return None

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if event.get("count") == 1:
            await self.sio.emit("status", "typing", to=sid)
        await super().emit(sid, {**event, "request": 7, "error": event["error"]} if "error" in event else event, ask)


@legal("one-prompt-later", only="SES-15 SES-17 SES-18 SIO-13 CHAT-06 LIM-13 LIM-14 INT-10 INT-12")
class OnePromptLater(OnePrompt):
    """The same, by rows of the second revision that look at what it does otherwise."""


@legal("locked-sessions", only="INT-01 INT-03 INT-05 INT-06 INT-07 SSE-01")
class LockedSessions(SessionLock):
    """New sessions are made one after the other: a crowd takes long to come in."""


@legal("parts", also="LIM-11", contract=1)
class Parts(Packed):
    """deflate; contents as parts; interrupted messages stay with what was said; a token bucket; lone surrogates go to
    the provider, which refuses them."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.buckets: dict[tuple[str, ...], tuple[float, float]] = {}

    def packer(self, accepted: str) -> tuple[str, Callable[[bytes], bytes], Callable[[], bytes]] | None:
        return ("deflate", *zlib_packer(15)) if "deflate" in accepted else None

    def is_message(self, text: str) -> bool:
        return text.strip() != ""

    def prompt(self, session: Session, message: str) -> list[Message]:
        return [
            {"role": one["role"], "content": [{"type": "text", "text": one["content"]}]}
            for one in super().prompt(session, message)
        ]

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        if partial:
            self.keep(session, ask, partial)

    def count(self, bucket: tuple[str, ...], limit: int) -> float | None:
        now = time.monotonic()
        level, since = self.buckets.get(bucket, (float(limit), now))
        level = min(limit, level + (now - since) * limit / 60)
        self.buckets[bucket] = (level - 1 if level >= 1 else level, now)
        return None if level >= 1 else 1.0


@legal("plain-ids-only", only="REQ-16 SES-10 SES-14 SES-20 SIO-15")
class PlainIdsOnly(ChatServer):
    """A schema says what an id is; all others are refused with 422, in the path too."""

    id_of_a_client = re.compile(r"[A-Za-z0-9_-]{1,64}")

    def is_session_id(self, text: str) -> bool:
        return bool(self.id_of_a_client.fullmatch(text)) or text.startswith("the default of socket ")

    def session_named(self, request: web.Request) -> str:
        name = super().session_named(request)
        if not self.id_of_a_client.fullmatch(name):
            raise Refused(422, "session_id: letters, digits, _ and - are needed, 64 at most.")
        return name


@legal("deleted-for-good", only="SES-01 SES-04 SES-05 SES-13 REQ-16")
class DeletedForGood(ChatServer):
    """410 for every later use of a deleted id."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.deleted: set[str] = set()

    def need_owner(self, session_id: str, user: str, over: str = "sse") -> None:
        if session_id in self.deleted:
            raise Refused(410, "This session was deleted.")
        super().need_owner(session_id, user, over)

    def forget(self, session_id: str) -> bool:
        there = super().forget(session_id)
        if there:
            self.deleted.add(session_id)
        return there


@legal("chat-keeps-to-itself", only="SES-02 SES-05 SES-13 SES-18 CHAT-06")
class ChatKeepsToItself(ChatServer):
    """`/api/chat` has conversations of its own, which a deletion ends, too."""

    def key(self, session_id: str, over: str = "sse") -> str:
        return f"chat {session_id}" if over == "chat" else session_id

    def forget(self, session_id: str) -> bool:
        at_chat = self.sessions.pop(self.key(session_id, "chat"), None)
        return super().forget(session_id) or at_chat is not None
