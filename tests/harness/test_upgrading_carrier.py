"""A socket that moves from polling to a WebSocket, against the official Python server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import WSMsgType, web

from chatproof.harness.client.http import Deadlines
from chatproof.harness.client.socketio import NotConnected, SocketClient
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.transcript import End, Transport
from tests.harness.test_socketio import Official, official

__all__ = ["official"]
QUICK = Deadlines(silence=3)


def is_upgraded(one: Official) -> bool:
    """Whether the server's only socket is a WebSocket by now."""
    (socket,) = one.server.eio.sockets.values()
    return bool(socket.upgraded)


async def until_upgraded(one: Official) -> None:
    """The last step of an upgrade has no answer."""
    async with asyncio.timeout(2):
        while not is_upgraded(one):
            await asyncio.sleep(0.01)


async def test_a_socket_moves_while_it_connects(official: Official) -> None:
    client = await SocketClient(official.target, Transport.UPGRADED, "127.83.9.1").connect()
    await until_upgraded(official)
    await client.disconnect()


async def test_a_reply_goes_on_over_the_new_transport(official: Official) -> None:
    client = await SocketClient(official.target, Transport.POLLING).connect()
    reply = await client.emit("chat_stream", {"pause": 0.2})
    assert await client.until(lambda: bool(reply.tokens), 2)
    assert not is_upgraded(official)
    await client.upgrade()
    await until_upgraded(official)
    await client.terminal(reply, QUICK)
    assert (reply.text, reply.end) == ("é🙂" * 2, End.COMPLETE)
    await client.disconnect()


async def test_an_ask_at_the_same_time_is_sent(official: Official) -> None:
    client = await SocketClient(official.target, Transport.POLLING).connect()
    reply, _ = await asyncio.gather(client.emit("chat_stream", {}), client.upgrade())
    await client.terminal(reply, QUICK)
    assert reply.text == "é🙂" * 2
    await client.disconnect()


async def test_a_server_that_offers_no_upgrade_is_polled(official: Official) -> None:
    official.server.eio.allow_upgrades = False
    client = await SocketClient(official.target, Transport.UPGRADED).connect()
    assert not is_upgraded(official)
    reply = await client.terminal(await client.emit("chat_stream", {}), QUICK)
    assert reply.text == "é🙂" * 2
    await client.disconnect()


HANDSHAKE = '0{"sid":"one","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}'


@pytest_asyncio.fixture
async def odd() -> AsyncIterator[tuple[Target, dict[str, Any]]]:
    """A server that offers an upgrade, and what it says to it: `probe` answers the probe, `cookies` are what the
    WebSocket was asked with."""
    state: dict[str, Any] = {"polls": 0}

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query["transport"] == "websocket":
            state["cookies"] = request.headers.get("Cookie")
            if "probe" not in state:
                raise web.HTTPBadRequest
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                if message.type is WSMsgType.TEXT and message.data == "2probe":
                    await socket.send_str(state["probe"])
            return socket
        if request.method == "POST":
            return web.Response(text="ok")
        state["polls"] += 1
        if state["polls"] > 2:
            await asyncio.sleep(10)
        text = HANDSHAKE if state["polls"] == 1 else '40{"sid":"one"}'
        return web.Response(text=text, headers={"Set-Cookie": "worker=7; Path=/"})

    app = web.Application()
    app.router.add_route("*", "/socket.io/", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Target("http", "127.0.0.1", runner.addresses[0][1]), state
    await runner.cleanup()


@pytest.mark.parametrize(
    ("probe", "said"),
    [(None, "refused the WebSocket with status 400"), ("6", r"answered with \['6'\] instead of 3probe")],
)
async def test_what_went_wrong_is_told(odd: tuple[Target, dict[str, Any]], probe: str | None, said: str) -> None:
    target, state = odd
    state.update({"probe": probe} if probe else {})
    with pytest.raises(NotConnected, match=f"the upgrade to WebSocket failed: .*{said}"):
        await SocketClient(target, Transport.UPGRADED).connect()
    assert state["cookies"] == "worker=7"
