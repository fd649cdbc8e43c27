"""Sockets that introduce themselves, against the official Python server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import socketio  # type: ignore[import-untyped]  # ships no types
from aiohttp import web

from chatproof.harness.client.introduction import Introduction
from chatproof.harness.client.socketio import NotConnected, SocketClient
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.transcript import Transport

SOCKETS = [Transport.WEBSOCKET, Transport.POLLING]
PAGE = "https://chat.example"


class Doorman:
    """An official server that opens to some origins, and notes what its clients say of themselves."""

    def __init__(self, origins: Any) -> None:
        self.server = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins=origins)
        self.heard: asyncio.Queue[tuple[dict[str, Any], Any]] = asyncio.Queue()
        self.target = Target("http", "127.0.0.1", 0)
        self.server.on("connect", self.greet)

    async def greet(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        await self.heard.put((environ, auth))

    async def open(self) -> web.AppRunner:
        app = web.Application()
        self.server.attach(app)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.target = Target("http", "127.0.0.1", runner.addresses[0][1])
        return runner

    async def connect(self, over: Transport, introduction: Introduction) -> None:
        client = SocketClient(self.target, over, introduction=introduction)
        await client.connect()
        await client.disconnect()


@pytest_asyncio.fixture
async def doorman(request: pytest.FixtureRequest) -> AsyncIterator[Doorman]:
    one = Doorman(request.param)
    runner = await one.open()
    yield one
    await one.server.shutdown()
    await runner.cleanup()


@pytest.mark.parametrize("over", SOCKETS)
@pytest.mark.parametrize("doorman", ["*"], indirect=True)
async def test_a_server_hears_all_of_it(doorman: Doorman, over: Transport) -> None:
    await doorman.connect(over, Introduction((("X-Name", "anna"),), "&token=abc", {"token": "def"}, PAGE))
    environ, auth = await doorman.heard.get()
    assert (environ["HTTP_X_NAME"], environ["HTTP_ORIGIN"], auth) == ("anna", PAGE, {"token": "def"})
    assert environ["QUERY_STRING"].endswith("&token=abc")


@pytest.mark.parametrize("over", SOCKETS)
@pytest.mark.parametrize("doorman", [[PAGE]], indirect=True)
async def test_a_page_gets_in_where_its_origin_is_on_the_list(doorman: Doorman, over: Transport) -> None:
    await doorman.connect(over, Introduction(origin=PAGE))
    own = f"http://{doorman.target.authority}"
    for origin in (own, "https://evil.test"):  # python-socketio refuses its own page
        with pytest.raises(NotConnected, match="400"):
            await doorman.connect(over, Introduction(origin=origin))


@pytest.mark.parametrize("doorman", [[]], indirect=True)
async def test_a_page_reads_only_what_cors_shows_it(doorman: Doorman) -> None:
    """This server checks no origin, and sends no header of CORS."""
    await doorman.connect(Transport.POLLING, Introduction(origin=f"http://{doorman.target.authority}"))
    await doorman.connect(Transport.WEBSOCKET, Introduction(origin=PAGE))
    with pytest.raises(NotConnected, match=f"a page of {PAGE} may not read the answer"):
        await doorman.connect(Transport.POLLING, Introduction(origin=PAGE))
