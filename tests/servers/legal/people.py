"""Odd ways to tell people apart, and to count what they ask."""

from __future__ import annotations

import time

from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import ANONYMOUS, Ask, Config, Session
from tests.servers.plain_server import ChatServer


@legal("balancer-cookie", only="SES-08 SES-09")
class StickyCookie(ChatServer):
    """A balancer sets a cookie with each answer, which names a worker and no conversation."""

    async def add_cors(self, request: web.Request, response: web.StreamResponse) -> None:
        await super().add_cors(request, response)
        if "AWSALB" not in request.cookies:
            response.headers.add("Set-Cookie", "AWSALB=k3jf02Zx; Path=/; HttpOnly")
            response.headers.add("Set-Cookie", "session=eyJfZnJlc2giOmZhbHNlfQ.Z; Path=/; HttpOnly; SameSite=Lax")


@legal("claimed-at-login", only="AUTH-01 AUTH-04 SES-07 SES-09")
class ClaimedAtLogin(ChatServer):
    """A session that was begun without a token belongs to the first user who asks in it."""

    def session_of(self, ask: Ask) -> Session:
        session = super().session_of(ask)
        if session.owner == ANONYMOUS:
            session.owner = ask.user
        return session


@legal("bucket-that-refills", only="LIM-01 LIM-02 LIM-03 LIM-04 LIM-14 CORS-01")
class NginxLimit(ChatServer):
    """A bucket that refills, as nginx has it; preflights name methods and headers in small letters, too."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.levels: dict[tuple[str, ...], tuple[float, float]] = {}

    def count(self, bucket: tuple[str, ...], limit: int) -> float | None:
        now = time.monotonic()
        excess, since = self.levels.get(bucket, (-1.0, now))
        excess = max(0.0, excess - (now - since) * limit / 60 + 1) if bucket in self.levels else 0.0
        if excess > limit - 1:
            return 2.0
        self.levels[bucket] = (excess, now)
        return None

    def preflight_headers(self) -> dict[str, str]:
        return {
            "access-control-allow-methods": "get, post, delete, GET, POST, DELETE, OPTIONS",
            "access-control-allow-headers": "authorization,content-type,x-requested-with",
            "access-control-max-age": "86400",
        }
