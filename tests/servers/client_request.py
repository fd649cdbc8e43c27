"""A plain server that knows, while it asks its provider, what its client sent."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from aiohttp import web

from tests.servers.parts import Ask
from tests.servers.plain_server import ChatServer


class KnowsItsClient(ChatServer):
    """`request`: the HTTP request, None over sockets. `body`: what the client sent; empty where that is no object."""

    request: ContextVar[web.Request | None] = ContextVar("request", default=None)
    body: ContextVar[dict[str, Any]] = ContextVar("body")

    async def ask_of(self, request: web.Request, over: str) -> Ask:
        self.request.set(request)
        return await super().ask_of(request, over)

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        self.body.set(body if isinstance(body, dict) else {})
        return super().read_ask(body, over, default_session)

    @property
    def headers(self) -> dict[str, str]:
        """The client's headers, their names in lower case."""
        request = self.request.get()
        return {name.lower(): value for name, value in request.headers.items()} if request else {}
