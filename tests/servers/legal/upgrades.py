"""Odd ways to let a socket move from polling to a WebSocket, or to keep it there."""

from __future__ import annotations

import asyncio

from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import Config
from tests.servers.plain_server import ChatServer, Handler

ROWS = "SIO-01 SIO-02 SIO-13"


@legal("no-upgrades", only=f"{ROWS} INT-03 INT-11")
class StaysWithPolling(ChatServer):
    """Its handshake offers no upgrade, though it speaks WebSocket to those who begin with it."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.sio.eio.allow_upgrades = False


@legal("slow-upgrade", only=ROWS)
class SlowUpgrade(ChatServer):
    """As behind a slow proxy: the WebSocket takes a while, and the proxy tells its clients by a cookie."""

    @web.middleware
    async def as_json(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if "Upgrade" in request.headers:
            await asyncio.sleep(0.2)
            if "sid" in request.query and request.cookies.get("route") != "1":
                return web.Response(status=400)
        return await super().as_json(request, handler)

    def app(self) -> web.Application:
        app = super().app()
        app.on_response_prepare.append(self.add_cookie)
        return app

    async def add_cookie(self, request: web.Request, response: web.StreamResponse) -> None:
        if "sid" not in request.query:
            response.headers.add("Set-Cookie", "route=1; Path=/")
