"""Servers that keep replies, or read tokens at more places, and mix up nobody."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Config, Message
from tests.servers.plain_server import ChatServer


@legal("replies-by-history", only="SES-07 SES-08 SES-09")
class RepliesByHistory(ChatServer):
    """The same messages, with all that was said before, get the reply that was given to them before."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.kept: dict[str, list[str]] = {}

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        key = json.dumps(messages)
        if key in self.kept:
            for token in self.kept[key]:
                yield token
            return
        said: list[str] = []
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                said.append(token)
                yield token
        self.kept[key] = said


@legal("tokens-in-query-and-cookies", only="AUTH-01 AUTH-02")
class TokensInQueryAndCookies(ChatServer):
    """A token in the query or in a cookie is verified as that of a header is."""

    def user_of(self, request: web.Request) -> str:
        token = request.query.get("token") or request.cookies.get("access_token")
        return self.user_named(request.headers.get("Authorization") or (f"Bearer {token}" if token else ""))
