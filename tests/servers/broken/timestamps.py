"""Faults that END-11 notices."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Config, Event
from tests.servers.plain_server import ChatServer

ROWS = "END-11 END-08"


@fault("example-as-timestamp", "END-11", ROWS, says="the API document's example")
class Example(ChatServer):
    def timestamp(self) -> Any:
        return "2025-11-20T18:15:30.123456"


@fault("local-time-as-utc", "END-11", ROWS, says="2.0 hours ahead of the clock")
class LocalTimeAsUtc(ChatServer):
    """Two hours east of Greenwich, with a Z."""

    def timestamp(self) -> Any:
        return (datetime.now(UTC) + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")


@fault("started-at", "END-11", ROWS, says="in two replies,")
class StartedAt(ChatServer):
    """A default value that was computed once."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.started = datetime.now(UTC).isoformat()

    def timestamp(self) -> Any:
        return self.started


@fault("session-begun-at", "END-11", ROWS, says="in two replies,")
class SessionBegunAt(ChatServer):
    """Each reply has the time of its session's first one."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.begun: dict[str, str] = {}

    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        event = super().completion(count, partial, ask, first_at)
        return {**event, "timestamp": self.begun.setdefault(ask.session_id, event["timestamp"])}


@fault("uptime-as-date", "END-11", ROWS, says="behind the clock")
class UptimeAsDate(ChatServer):
    """Seconds of the monotonic clock, read as seconds since 1970."""

    def timestamp(self) -> Any:
        return datetime.fromtimestamp(time.monotonic(), UTC).isoformat()


@fault("zero-time-of-session", "END-11", "END-11 SES-01", says="GET of its session: timestamp '0001-01-01T00:00:00Z'")
class ZeroTimeOfSession(ChatServer):
    """Go's time that nobody set."""

    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        await super().on_get_session(request)
        name = self.session_named(request)
        count = self.messages_in(name)
        return web.json_response({"session_id": name, "messages": count, "timestamp": "0001-01-01T00:00:00Z"})
