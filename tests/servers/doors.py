"""Who may come in to the plain server: limits, tokens, origins."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

import jwt
from aiohttp import web

from tests.servers.parts import ANONYMOUS, Config, Refused


class Limits:
    """So many requests a minute and address."""

    limits: ClassVar[Mapping[str, int]] = {"stream": 30, "chat": 60}
    window = 60.0  # seconds
    counts_refused = False
    seen: dict[tuple[str, ...], deque[float]]

    def keep_to_limit(self, request: web.Request, route: str) -> None:
        wait = self.count(self.bucket(route, self.client(request)), self.limits[route])
        if wait is not None:
            self.on_refused(request)
            raise self.too_many(wait)

    def client(self, request: web.Request) -> str:
        return request.remote or ""

    def bucket(self, route: str, client: str) -> tuple[str, ...]:
        return route, client

    def count(self, bucket: tuple[str, ...], limit: int) -> float | None:
        """Count a request, and give the seconds to wait where it is one too many."""
        now, seen = time.monotonic(), self.seen.setdefault(bucket, deque())
        while seen and seen[0] <= now - self.window:
            seen.popleft()
        over = len(seen) >= limit
        if not over or self.counts_refused:
            seen.append(now)
        return seen[0] + self.window - now if over else None

    def too_many(self, wait: float) -> Refused:
        return Refused(429, "Too many requests.", {"Retry-After": self.retry_after(wait)})

    def retry_after(self, wait: float) -> str:
        return str(math.ceil(wait))

    def on_refused(self, request: web.Request) -> None:
        """A request was refused for its number."""


class Identity:
    """Tokens of HS256, the user in `sub`."""

    config: Config

    def user_of(self, request: web.Request) -> str:
        """Whom a request's token names. Raises Refused."""
        return self.user_named(request.headers.get("Authorization", ""))

    def user_named(self, header: str) -> str:
        """Whom an `Authorization` names. Raises Refused."""
        if not header or not self.config.secret:
            return ANONYMOUS
        try:
            return self.identity(self.token_in(header))
        except jwt.InvalidTokenError as error:
            return self.on_bad_token(error)

    def token_in(self, header: str) -> str:
        scheme, _, token = header.partition(" ")
        return token if scheme.lower() == "bearer" else header

    def identity(self, token: str) -> str:
        """Raises jwt.InvalidTokenError."""
        claims = jwt.decode(token, self.config.secret, algorithms=["HS256"], options={"require": ["sub"]})
        return str(claims["sub"])

    def on_bad_token(self, error: jwt.InvalidTokenError) -> str:
        raise Refused(401, "The token is not valid.")


class Origins:
    """CORS: what pages of other origins may do."""

    config: Config

    async def on_preflight(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=204)

    async def add_cors(self, request: web.Request, response: web.StreamResponse) -> None:
        """Before any answer is sent."""
        origin = request.headers.get("Origin")
        if request.path.startswith("/api/") and origin:
            response.headers.update(self.cors_headers(request, response, origin))

    def cors_headers(self, request: web.Request, response: web.StreamResponse, origin: str) -> dict[str, str]:
        if not self.is_allowed(origin):
            return {"Vary": "Origin"}
        headers = {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Credentials": "true",
            "Vary": "Origin",
        }
        return {**headers, **self.preflight_headers()} if request.method == "OPTIONS" else headers

    def is_allowed(self, origin: str) -> bool:
        return origin in self.config.origins

    def socket_is_allowed(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        """Whether a page of `origin` may open a socket; None where the client names no origin."""
        own = f"http://{environ['HTTP_HOST']}"
        return origin is None or origin in (own, *self.config.origins)

    def preflight_headers(self) -> dict[str, str]:
        return {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Content-Type, Authorization",
        }
