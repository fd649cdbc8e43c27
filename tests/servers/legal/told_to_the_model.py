"""Servers that tell the model of a conversation in their own way, and say more where a reply fails."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import Event, Message, Session
from tests.servers.plain_server import ChatServer


@legal("history-as-json", only="SES-07 SES-17 SES-18 CHAT-06")
class HistoryAsJson(ChatServer):
    """What was said before is one text of JSON, in ASCII, in front of the new message."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        before = f"What was said before, as JSON: {json.dumps(session.messages)}\n\nThe user says now: "
        return [{"role": "user", "content": (before if session.messages else "") + message}]


@legal("more-behind-the-error", only="ERR-01 ERR-02 ERR-03 SSE-04 SSE-08 SSE-09 SIO-08")
class MoreBehindTheError(ChatServer):
    """The error event says more than its text, a comment stands behind it, and the stream ends a moment later."""

    async def send_event(self, response: web.StreamResponse, event: Event) -> None:
        if "error" not in event:
            await super().send_event(response, event)
            return
        more = {"code": 502, "retryable": True, "done": False, "partial": None}
        await super().send_event(response, {**event, **more})
        await self.write(response, b": that was all\n\n")
        await asyncio.sleep(0.3)
