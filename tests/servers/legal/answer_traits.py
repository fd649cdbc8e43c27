"""Legal ways to answer, remember and refuse: traits that `chameleon` mixes. What stands under one heading excludes each
other."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from tests.servers.parts import Ask, Config, Event, Message, Refused, Session
from tests.servers.plain_server import ChatServer

# -- refusals


class Unprocessable(ChatServer):
    """422 for what is no message, with details beside the text."""

    def refusal(self, refused: Refused) -> web.Response:
        status = 422 if refused.status == 400 else refused.status
        body = {"error": refused.text, "detail": [{"loc": ["body"], "type": "invalid"}], "status": status}
        return web.json_response(body, status=status, headers=refused.headers)


class Problems(ChatServer):
    """RFC 9457."""

    def refusal(self, refused: Refused) -> web.Response:
        body = {"type": "about:blank", "title": refused.text, "status": refused.status, "error": refused.text}
        kind = "application/problem+json"
        return web.json_response(body, status=refused.status, headers=refused.headers, content_type=kind)


class Closing(ChatServer):
    """The connection ends with the refusal."""

    def refusal(self, refused: Refused) -> web.Response:
        response = super().refusal(refused)
        response.force_close()
        return response


# -- figures and dates of a completion


class FromTheFirstToken(ChatServer):
    """The duration begins with the first token; both figures are rounded."""

    def duration(self, ask: Ask, first_at: float) -> float:
        return round(time.monotonic() - (first_at or time.monotonic()), 1)

    def speed(self, tokens: int, duration: float) -> float:
        return int(tokens / duration) if duration else 0


class NotRounded(ChatServer):
    """All digits, and the reply without the blanks around it."""

    def duration(self, ask: Ask, first_at: float) -> float:
        return time.monotonic() - ask.began

    def speed(self, tokens: int, duration: float) -> float:
        return tokens / duration

    def full_response(self, partial: str) -> str:
        return partial.strip()


class UtcDates(ChatServer):
    """As JavaScript writes them."""

    def timestamp(self) -> str:
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class OffsetDates(ChatServer):
    """Of another time zone, in whole seconds."""

    def timestamp(self) -> str:
        return datetime.now(timezone(timedelta(hours=5, minutes=30))).isoformat(timespec="seconds")


class NanoDates(ChatServer):
    """As Go and Java write them."""

    def timestamp(self) -> str:
        return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}123Z"


# -- sessions


class NarrowIds(ChatServer):
    """Only letters, digits and a few marks; others are refused on every route."""

    def is_session_id(self, text: str) -> bool:
        return text.isascii() and all(one.isalnum() or one in "-_." for one in text) and 0 < len(text) <= 256

    def socket_session(self, sid: str) -> str | None:
        return None

    def new_session_id(self) -> str:
        return f"chat_{random.getrandbits(96):x}"

    def session_named(self, request: web.Request) -> str:
        name = super().session_named(request)
        if not self.is_session_id(name):
            raise Refused(400, "session_id: letters, digits and - _ . only.")
        return name


class SystemMessage(ChatServer):
    """One that goes upstream, and is counted."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        return [{"role": "system", "content": "You are a helpful assistant."}, *super().prompt(session, message)]

    def messages_in(self, session_id: str) -> int | None:
        found = super().messages_in(session_id)
        return None if found is None else found + 1


class WholeInOne(ChatServer):
    """The conversation upstream as one message."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        said = [f"{one['role'].title()}: {one['content']}" for one in super().prompt(session, message)]
        return [{"role": "user", "content": "\n\n".join(["Continue this conversation.", *said])}]


class ContentsAsParts(ChatServer):
    """Each message upstream as a list of one text."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        return [
            {**one, "content": [{"type": "text", "text": one["content"]}]} for one in super().prompt(session, message)
        ]


# -- limits


class FixedWindow(ChatServer):
    """By the clock; Retry-After as a date."""

    def count(self, bucket: tuple[str, ...], limit: int) -> float | None:
        now, window = time.time(), int(time.time() // 60)
        tally = self.seen.setdefault((*bucket, str(window)), deque())
        tally.append(now)
        return (window + 1) * 60 - now if len(tally) > limit else None

    def retry_after(self, wait: float) -> str:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=math.ceil(wait)), usegmt=True)


class TokenBucket(ChatServer):
    """A place comes free every few seconds; who is refused may try again after the shortest time that makes sense."""

    def count(self, bucket: tuple[str, ...], limit: int) -> float | None:
        now, seen = time.monotonic(), self.seen.setdefault(bucket, deque())
        level = min(limit, seen[0] + (now - seen[1]) * limit / 60) if seen else limit
        self.seen[bucket] = deque([level - 1 if level >= 1 else level, now])
        return None if level >= 1 else (1 - level) * 60 / limit


# -- sockets


class Queued(ChatServer):
    """A second ask on a socket waits for its turn."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.turns: dict[str, asyncio.Lock] = {}

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        async with self.turns.setdefault(sid, asyncio.Lock()):
            if self.sio.manager.is_connected(sid, "/"):
                await super().on_chat_stream(sid, *args)


class Acknowledging(ChatServer):
    """Each ask is acknowledged at its end, for clients that ask for it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.sio.on("chat_stream", self.acknowledge)

    async def acknowledge(self, sid: str, *args: Any) -> tuple[str, dict[str, Any]]:
        await self.on_chat_stream(sid, *args)
        return "ok", {"status": "done", "error": None}


class TalkativeSockets(ChatServer):
    """Events and fields of its own, and a cookie."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.sio.eio.cookie = "io"

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        if event.get("count") == 1:
            await self.sio.emit("status", {"state": "typing"}, to=sid)
        await super().emit(sid, {**event, "id": 7}, ask)


# -- the way of a token


class Halved(ChatServer):
    """Every token in two."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                half = len(token) // 2
                for part in filter(None, (token[:half], token[half:])):
                    yield part
