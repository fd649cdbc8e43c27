"""The recording Socket.IO client, against the official Python server as a second opinion."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import socketio  # type: ignore[import-untyped]  # ships no types
from aiohttp import web
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

from chatproof.harness.client.engineio_transports import CarrierClosed, WebSocketCarrier
from chatproof.harness.client.http import Deadlines
from chatproof.harness.client.socketio import NotConnected, SocketClient
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.engineio import Bad, Closed, Emitted, Opened, PacketDecoder, emit
from chatproof.harness.protocol.transcript import End, Transport
from tests.hostile.hostile_server import HostileServer
from tests.hostile.kinds import LATER
from tests.servers.parts import Config

SOCKETS = [Transport.WEBSOCKET, Transport.POLLING, Transport.UPGRADED]


class Official:
    """An official server that answers each ask with two tokens, and keeps account of who left."""

    def __init__(self) -> None:
        self.server = socketio.AsyncServer(async_mode="aiohttp", ping_interval=1, ping_timeout=1)
        self.left: asyncio.Queue[str] = asyncio.Queue()
        self.target = Target("http", "127.0.0.1", 0)
        self.server.on("chat_stream", self.answer)
        self.server.on("disconnect", self.gone)

    async def answer(self, sid: str, data: Any) -> None:
        for count in (1, 2):
            await self.server.emit("chat_token", {"token": "é🙂", "count": count, "partial": "é🙂" * count}, to=sid)
            await asyncio.sleep(data.get("pause", 0))
        await self.server.emit("chat_complete", {"tokens": 2}, to=sid)

    async def gone(self, sid: str, *_: Any) -> None:
        await self.left.put(sid)


@pytest_asyncio.fixture
async def official() -> AsyncIterator[Official]:
    one = Official()
    app = web.Application()
    one.server.attach(app)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    one.target = Target("http", "127.0.0.1", runner.addresses[0][1])
    yield one
    await one.server.shutdown()
    await runner.cleanup()


@pytest.mark.parametrize("transport", SOCKETS)
async def test_events_are_recorded_in_order(official: Official, transport: Transport) -> None:
    client = await SocketClient(official.target, transport, "127.83.9.1").connect()
    reply = await client.terminal(await client.emit("chat_stream", {"pause": 0.05}), Deadlines(silence=3))
    assert reply.end is End.COMPLETE
    assert reply.text == "é🙂" * 2
    assert [message.name for message in reply.messages] == ["chat_token", "chat_token", "chat_complete"]
    assert reply.messages[1].at - reply.messages[0].at > 0.03
    assert client.opened is not None
    assert client.opened.ping_interval == 1.0
    await client.disconnect()


@pytest.mark.parametrize("transport", SOCKETS)
async def test_pings_are_answered(official: Official, transport: Transport) -> None:
    """A client that did not answer would be dropped after two seconds."""
    client = await SocketClient(official.target, transport).connect()
    assert await client.until(lambda: len(client.pings) >= 3, 6)
    assert client.is_open
    await client.disconnect()


@pytest.mark.parametrize("transport", SOCKETS)
async def test_a_goodbye_is_understood(official: Official, transport: Transport) -> None:
    client = await SocketClient(official.target, transport).connect()
    await client.disconnect()
    async with asyncio.timeout(2):
        await official.left.get()


async def test_a_client_can_vanish(official: Official) -> None:
    client = await SocketClient(official.target, Transport.WEBSOCKET).connect()
    await client.vanish()
    async with asyncio.timeout(2):
        await official.left.get()


async def test_a_polling_client_that_vanishes_polls_no_more(official: Official) -> None:
    client = await SocketClient(official.target, Transport.POLLING).connect()
    await client.vanish()
    async with asyncio.timeout(6):
        await official.left.get()


# what makes the official client close a socket, or not connect
UNREADABLE = (
    '0{"sid":"x","upgrades":null,"pingInterval":25000,"pingTimeout":20000}',
    '0{"sid":"x","pingInterval":25000,"pingTimeout":20000}',
    "40",
    "40{}",
    '40{"sid":""}',
    '42["chat_token",{"logprob":NaN}]',
)
OPENING = '0{"sid":"one","upgrades":[],"pingInterval":1000,"pingTimeout":1000}'
LAST_WORDS = [TextMessage(data="2"), Ping(b"there?"), TextMessage(data='42["chat_complete",{"tokens":0}]')]


@pytest_asyncio.fixture
async def abrupt() -> AsyncIterator[Target]:
    """A server that answers each ask with pings, the last event and its goodbye in one write."""
    talks = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.create_task(says_all_at_once(reader, writer)))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Target("http", "127.0.0.1", server.sockets[0].getsockname()[1])
        async with asyncio.timeout(5):
            await asyncio.gather(*talks)


async def says_all_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    ws = WSConnection(ConnectionType.SERVER)
    while data := await reader.read(65536):
        ws.receive_data(data)
        for event in ws.events():
            match event:
                case Request():
                    writer.write(ws.send(AcceptConnection()) + ws.send(TextMessage(data=OPENING)))
                case TextMessage(data="40"):
                    writer.write(ws.send(TextMessage(data='40{"sid":"two"}')))
                case TextMessage(data=text) if text.startswith("42"):
                    writer.write(b"".join(map(ws.send, [*LAST_WORDS, CloseConnection(code=1000)])))
    writer.close()
    await writer.wait_closed()


async def test_a_goodbye_right_behind_the_last_event_hides_nothing(abrupt: Target) -> None:
    """The pings in front of it can no longer be answered, and there is nobody left to say goodbye to."""
    client = await SocketClient(abrupt, Transport.WEBSOCKET).connect()
    reply = await client.terminal(await client.emit("chat_stream", {"message": "hello"}), Deadlines(silence=3))
    assert [message.name for message in reply.messages] == ["chat_complete"]
    assert not client.is_open
    with pytest.raises(NotConnected):
        await client.emit("chat_stream", {"message": "still there?"})
    await client.disconnect()


async def test_who_has_said_goodbye_is_told_nothing(abrupt: Target) -> None:
    """The server's close has been read, but nobody has acted on it yet."""
    carrier = WebSocketCarrier(abrupt)
    await carrier.open()
    await carrier.send("42")
    assert carrier._connection is not None
    carrier._ws.receive_data(await carrier._connection.receive())
    assert any(isinstance(event, CloseConnection) for event in carrier._ws.events())
    try:
        with pytest.raises(CarrierClosed):
            await carrier.send("41")
    finally:
        await carrier.close()


async def test_an_unanswered_ask_is_a_timeout(official: Official) -> None:
    client = await SocketClient(official.target, Transport.WEBSOCKET).connect()
    reply = await client.terminal(await client.emit("nobody_listens"), Deadlines(silence=0.2))
    assert reply.end is End.TIMEOUT
    await client.disconnect()


@pytest.mark.parametrize("transport", SOCKETS)
async def test_a_server_without_socketio_is_no_connection(transport: Transport) -> None:
    app = web.Application()
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target = Target("http", "127.0.0.1", runner.addresses[0][1])
    with pytest.raises(NotConnected):
        await SocketClient(target, transport).connect()
    await runner.cleanup()


@pytest.mark.parametrize("packet", ["0{}", "9", "", "42{", '42{"a":1}', "42[]", "42[5]", "48", *UNREADABLE])
def test_what_is_no_packet_is_told(packet: str) -> None:
    decoder = PacketDecoder()
    assert isinstance(decoder.feed(packet), Bad)
    assert decoder.bad


def test_packets() -> None:
    decoder = PacketDecoder()
    handshake = '0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'
    assert decoder.feed(handshake) == Opened("x", 25.0, 20.0)
    assert decoder.feed(handshake.replace("[]", '["websocket"]')) == Opened("x", 25.0, 20.0, offers_websocket=True)
    assert decoder.feed('42["chat_token",{"token":"a"}]') == Emitted("chat_token", ({"token": "a"},))
    assert decoder.feed('42/,7["with_ack"]') == Emitted("with_ack", ())
    assert decoder.feed('42/other,["elsewhere"]') is None
    assert isinstance(decoder.feed('44{"message":"no"}'), Closed)
    assert decoder.feed(emit("chat_stream", {"message": "é"})) == Emitted("chat_stream", ({"message": "é"},))


async def test_a_handshake_of_deep_json_is_the_servers_fault() -> None:
    body = b"0" + b"[" * 100_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        target = Target("http", "127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises(NotConnected, match=r"no Engine\.IO handshake over polling: b'0\[\[\["):
            await SocketClient(target, Transport.POLLING).connect()


@pytest.mark.parametrize(("hostile", "limit"), [("handshake", 1), ("poll", 24)])
async def test_an_endless_answer_to_polling_is_kept_once_at_most(hostile: str, limit: int) -> None:
    """`limit`: MB of the answer that are read."""
    opened = b'0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        kind = "post" if asked.startswith(b"POST") else "poll" if b"sid=" in asked else "handshake"
        body = {"post": b"ok", "handshake": opened, "poll": b""}[kind]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30 if kind == hostile else len(body)))
        writer.write(body)
        with contextlib.suppress(OSError):
            while kind == hostile:
                writer.write(b"4" * 65_536)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        client = SocketClient(Target("http", "127.0.0.1", server.sockets[0].getsockname()[1]), Transport.POLLING)
        tracemalloc.start()
        try:
            with pytest.raises(NotConnected, match=f"polling failed: .*more than {limit} MB in one reply"):
                await client.connect()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < (limit + 3) << 20


async def test_messages_that_never_end_take_little_memory() -> None:
    """Of letters that take four bytes each."""
    server = HostileServer(LATER["giant-packets"], Config("openai", "", "", 1.0, "", "", ()), first=0)
    target = Target("http", "127.0.0.1", await server.start())
    clients = [SocketClient(target, Transport.WEBSOCKET) for _ in range(20)]

    async def hear(client: SocketClient) -> None:
        with contextlib.suppress(NotConnected):
            await client.connect()
            assert await client.until(lambda: not client.is_open, 10)
        await client.close()

    tracemalloc.start()
    try:
        await asyncio.gather(*map(hear, clients))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await server.stop()
    assert peak < 24 << 20
