"""Servers that keep replies, or read tokens at more places, and mix up nobody."""

from __future__ import annotations

import json

from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Message
from tests.servers.plain_server import ChatServer
from tests.servers.reply_cache import ReplyCache


@legal("replies-by-history", only="SES-07 SES-08 SES-09")
class RepliesByHistory(ReplyCache):
    """The same messages, with all that was said before, get the reply that was given to them before."""

    def key_of(self, messages: list[Message], ask: Ask) -> str:
        return json.dumps(messages)


@legal("tokens-in-query-and-cookies", only="AUTH-01 AUTH-02")
class TokensInQueryAndCookies(ChatServer):
    """A token in the query or in a cookie is verified as that of a header is."""

    def user_of(self, request: web.Request) -> str:
        token = request.query.get("token") or request.cookies.get("access_token")
        return self.user_named(request.headers.get("Authorization") or (f"Bearer {token}" if token else ""))
