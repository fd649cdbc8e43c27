"""Odd ways to serve or refuse requests, and to know whom a proxy speaks for."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import HttpVersion11, web

from tests.servers.front import PACKET, Fronted
from tests.servers.legal.variant import legal
from tests.servers.parts import Event, Refused
from tests.servers.plain_server import ChatServer, Handler

NEXT_DOOR = ("127.0.0.1", "::1")


@legal("refuses-old-forms", only="REQ-09 REQ-12 REQ-13 REQ-16 SSE-05 SES-20")
class RefusesOldForms(ChatServer):
    """411 for chunks, 505 for HTTP/1.0, 417 for Expect, 501 for HEAD, 403 for GET, 401 for whatever credential it does
    not know, 400 for long ids; a named ping between the tokens."""

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.append(self.guard)
        for resource in app.router.resources():
            for route in resource:
                if route.method == "POST":
                    route._expect_handler = self.on_expect
        return app

    async def on_expect(self, request: web.Request) -> web.StreamResponse:
        return self.refusal(Refused(417, "No expectations, please."))

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "HEAD":
            raise Refused(501, "HEAD is not implemented.")
        if request.version < HttpVersion11:
            raise Refused(505, "HTTP/1.1, please.")
        if "Transfer-Encoding" in request.headers:
            raise Refused(411, "The length is needed.")
        if request.method == "GET" and request.path == "/api/chat/stream":
            raise Refused(403, "Forbidden.")
        if "Authorization" in request.headers and not request.headers["Authorization"].startswith("Bearer ey"):
            raise Refused(401, "Which credential is this?")
        return await handler(request)

    def is_session_id(self, text: str) -> bool:
        return super().is_session_id(text) and len(text) < 128

    def encode(self, event: Event) -> bytes:
        return b'event: ping\ndata: {"at": 1}\n\n' + super().encode(event)


@legal("slow-front", only="REQ-01 REQ-12 REQ-13 REQ-16 SSE-01 SSE-09")
class SlowFront(Fronted):
    """Behind a front that passes everything on in packets of 7 bytes."""

    async def take_requests(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while packet := await reader.read(PACKET):
            for start in range(0, len(packet), 7):
                server.write(packet[start : start + 7])
                await server.drain()
                await asyncio.sleep(0)


@legal("says-no-continue", only="REQ-01 REQ-13 SSE-01")
class SaysNoContinue(Fronted):
    """Waits for a body in silence, as some servers do; its clients send it after a moment."""

    def packet(self, packet: bytes) -> bytes:
        return packet.replace(b"\r\nExpect: 100-continue", b"")


@legal("trusts-its-proxy", only="LIM-01 LIM-10 LIM-13")
class TrustsItsProxy(ChatServer):
    """Believes a proxy on this machine: the last address that it added, whatever stands before it."""

    def client(self, request: web.Request) -> str:
        seen = super().client(request)
        if not seen.startswith("127."):
            return seen
        chain = request.headers.get("X-Forwarded-For") or request.headers.get("Forwarded", "").replace("for=", "")
        return chain.rpartition(",")[2].strip() or seen


@legal("trusts-next-door", only="LIM-01 LIM-10 LIM-13")
class TrustsNextDoor(ChatServer):
    """Believes X-Real-IP and the like from 127.0.0.1 alone, and so do many frameworks by default; answers paths with a
    slash by a redirect, and counts requests that it refuses for their token."""

    def client(self, request: web.Request) -> str:
        seen = super().client(request)
        return (request.headers.get("X-Real-IP") if seen in NEXT_DOOR else None) or seen

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_post("/api/chat/stream/", self.on_slash)
        return app

    async def on_slash(self, request: web.Request) -> Any:
        raise web.HTTPPermanentRedirect("/api/chat/stream")


@legal("short-messages", only="REQ-06 REQ-07 REQ-11 SES-17 SIO-16 CHAT-05")
class ShortMessages(ChatServer):
    """Takes messages of 2,000 characters and no longer ones."""

    def is_message(self, text: str) -> bool:
        return super().is_message(text) and len(text) <= 2000


@legal("streams-from-both", only="REQ-12 REQ-13")
class StreamsFromBoth(ChatServer):
    """/api/chat streams to those who ask for that."""

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Accept") != "text/event-stream":
            return await super().on_chat(request)
        return await self.send_stream(request, await self.ask_of(request, "chat"))
