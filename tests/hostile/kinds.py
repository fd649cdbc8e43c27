"""What hostile servers do with a connection. Half of them serve honestly at first."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import struct
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, NoReturn

AT_FIRST: Final = 60  # connections that are served honestly: the suite's first questions, and some of its tests
GIGABYTE: Final = 1 << 30
TOKEN: Final = b'data: {"token": "a", "count": 1, "partial": "a"}\n\n'
LATER: dict[str, Kind] = {}
AT_ONCE: dict[str, Kind] = {}


@dataclass(frozen=True, slots=True)
class Peer:
    """A connection, with the head of the request that came over it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: str

    @property
    def is_socket(self) -> bool:
        """Whether it asks for Socket.IO."""
        return " /socket.io/" in self.head

    async def say(self, *parts: bytes) -> None:
        """Send, as fast as the peer reads."""
        for part in parts:
            self.writer.write(part)
        await self.writer.drain()

    async def for_ever(self, block: bytes, pause: float = 0.0) -> NoReturn:
        """Send the same again and again, until the peer hangs up."""
        while True:
            await self.say(block)
            await asyncio.sleep(pause)

    async def open_websocket(self) -> None:
        """Shake hands, and open Engine.IO and Socket.IO."""
        key = re.search(r"(?i)sec-websocket-key: *(\S+)", self.head)
        token = (key[1] if key else "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(token.encode()).digest())
        await self.say(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n",
            frame(OPENED),
            frame(b'40{"sid":"a"}'),
        )


Answer = Callable[[Peer], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A hostile server. `first`: how many connections it serves honestly. `sockets`: it is hostile over Socket.IO
    alone."""

    name: str
    about: str
    answer: Answer
    first: int
    sockets: bool


JOINED: Final = b'40{"sid":"a"}\x1e'
OPENED: Final = b'0{"sid":"a","upgrades":[],"pingInterval":3000,"pingTimeout":3000,"maxPayload":1000000}'


def frame(data: bytes, opcode: int = 1, is_last: bool = True) -> bytes:
    """A WebSocket frame of a server; opcode 1: text."""
    size = len(data)
    first = bytes([(0x80 if is_last else 0) | opcode])
    if size < 126:
        return first + bytes([size]) + data
    return first + (struct.pack("!BH", 126, size) if size < 65_536 else struct.pack("!BQ", 127, size)) + data


def head(*headers: str, kind: str = "text/event-stream", status: str = "200 OK") -> bytes:
    """The beginning of an answer."""
    return "\r\n".join((f"HTTP/1.1 {status}", f"Content-Type: {kind}", *headers, "", "")).encode()


@cache
def packed(block: bytes, size: int) -> bytes:
    """`size` bytes of the same, compressed a thousandfold."""
    packer, large = zlib.compressobj(9, wbits=31), block * ((1 << 20) // len(block))
    return b"".join(packer.compress(large) for _ in range(size // len(large))) + packer.flush()


def _kind(about: str, first: int, sockets: bool = False) -> Callable[[Answer], Answer]:
    def keep(answer: Answer) -> Answer:
        name = answer.__name__.replace("_", "-")
        (LATER if first else AT_ONCE)[name] = Kind(name, about, answer, first, sockets)
        return answer

    return keep


def at_once(about: str) -> Callable[[Answer], Answer]:
    """A server that is hostile from the first request on."""
    return _kind(about, 0)


def later(about: str, sockets: bool = False) -> Callable[[Answer], Answer]:
    """A server that is good at first."""
    return _kind(about, AT_FIRST, sockets)


# -- from the first request on


@at_once("answers everything with 500, at once")
async def always_500(peer: Peer) -> None:
    await peer.say(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")


@at_once("takes connections and never answers")
async def silent(peer: Peer) -> None:
    await peer.reader.read()


@at_once("one line without an end")
async def endless_line(peer: Peer) -> None:
    await peer.say(head())
    await peer.for_ever(b"garbage without an end " * 4000)


@at_once("blank lines without an end")
async def blank_lines(peer: Peer) -> None:
    await peer.say(head())
    await peer.for_ever(b"\n" * 65_536)


@at_once("one event without an end")
async def endless_event(peer: Peer) -> None:
    await peer.say(head())
    await peer.for_ever(b"data: x\n" * 8_000)


@at_once("headers without an end")
async def endless_headers(peer: Peer) -> None:
    await peer.say(b"HTTP/1.1 200 OK\r\n")
    await peer.for_ever(b"X-Header: and one more\r\n" * 100)


@at_once("bytes that are no HTTP, without an end")
async def no_http(peer: Peer) -> None:
    await peer.for_ever(b"not HTTP at all " * 4000)


@at_once("answers of status 103 without an end")
async def early_hints(peer: Peer) -> None:
    await peer.for_ever(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 10)


@at_once("a gzip bomb: a gigabyte in a megabyte")
async def gzip_bomb(peer: Peer) -> None:
    await peer.say(head("Content-Encoding: gzip"), packed(b"\n", GIGABYTE))


@at_once("tokens without an end")
async def endless_tokens(peer: Peer) -> None:
    await peer.say(head())
    await peer.for_ever(TOKEN * 1000)


@at_once("answers 429 to everything, with `Retry-After: nan`")
async def always_429(peer: Peer) -> None:
    await peer.say(b"HTTP/1.1 429 No\r\nRetry-After: nan\r\nContent-Length: 0\r\n\r\n")


@at_once("a byte every half second")
async def drip(peer: Peer) -> None:
    await peer.say(head())
    await peer.for_ever(b".", 0.5)


# -- good at first


@later("a gigabyte in one line, for each request")
async def gigabyte_in_a_line(peer: Peer) -> None:
    await peer.say(head(f"Content-Length: {GIGABYTE}"))
    for _ in range(GIGABYTE >> 20):
        await peer.say(b"x" * (1 << 20))


@later("tiny token events, as fast as they are read")
async def endless_tiny_events(peer: Peer) -> None:
    await peer.say(head())
    await peer.for_ever(b'data: {"token": ""}\n\n' * 3_000)


@later("headers without an end")
async def endless_headers_later(peer: Peer) -> None:
    await endless_headers(peer)


@later("12,000 headers in each answer")
async def many_headers(peer: Peer) -> None:
    await peer.say(b"HTTP/1.1 200 OK\r\n" + b"A:\r\n" * 12_000 + b"Content-Length: 0\r\n\r\n")


@later("3.9 MB of sound events in each answer")
async def medium_bodies(peer: Peer) -> None:
    text = "Hello. " * 1_000
    event = f'data: {{"token": "{text}", "count": 1, "partial": "{text}"}}\n\n'.encode()
    body = event * (3_900_000 // len(event))
    await peer.say(head(f"Content-Length: {len(body)}", "Connection: close"), body)


@later("events of 400 KB of nested JSON, which take thirty times as much memory")
async def heavy_json(peer: Peer) -> None:
    await peer.say(head())
    await peer.for_ever(b'data: {"token": "a", "count": 1, "more": [' + b"{}," * 130_000 + b"{}]}\n\n")


@later("a gzip bomb, and behind it data without an end that decodes to nothing")
async def gzip_bomb_later(peer: Peer) -> None:
    await peer.say(head("Content-Encoding: gzip"), packed(TOKEN, 1 << 20))
    await peer.for_ever(b"\0" * 65_536)


@later("chunks of one byte without an end")
async def tiny_chunks(peer: Peer) -> None:
    await peer.say(head("Transfer-Encoding: chunked"))
    await peer.for_ever(b"1\r\nx\r\n" * 4_000)


@later("a token a second, without an end")
async def slow_drip(peer: Peer) -> None:
    await peer.say(head())
    await peer.for_ever(TOKEN, 1.0)


@later("takes connections and never answers again")
async def silent_later(peer: Peer) -> None:
    await peer.reader.read()


@later("answers 429 to everything, with `Retry-After: 60`")
async def refusing_later(peer: Peer) -> None:
    await peer.say(b"HTTP/1.1 429 No\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n")


@later("errors that search patterns are slow on: 400 KB of white space, and of paths")
async def slow_to_search(peer: Peer) -> None:
    body = json.dumps({"error": "\n" * 200_000 + ",/a/b" * 40_000 + "eyJ" * 10_000 + "bearer " * 5_000}).encode()
    body = body.replace(b"\\n", b"\n")
    await peer.say(head(f"Content-Length: {len(body)}", kind="application/json", status="500 Oops"), body)


@later("names of 400 KB: of events, of the content type, of fields")
async def long_names(peer: Peer) -> None:
    name = b"n" * 50_000
    await peer.say(b"HTTP/1.1 200 OK\r\nContent-Type: " + name + b"\r\nRetry-After: " + name[:10_000] + b"\r\n\r\n")
    await peer.say(b"event: " + name * 8 + b'\ndata: {"error": "' + name * 8 + b'"}\n\n')


@later("Socket.IO: events as fast as they are read", sockets=True)
async def socket_flood(peer: Peer) -> None:
    if "upgrade: websocket" not in peer.head.lower():
        await _polling(peer, b'42["chat_token",{"token":"a","count":1,"partial":"a"}]' + b"\x1e" + b"6\x1e" * 1_000_000)
        return
    await peer.open_websocket()
    await peer.for_ever(frame(b'42["chat_token",{"token":"a","count":1,"partial":"a"}]') * 1_000)


@later("Socket.IO: a message that never ends, and polling payloads of a gigabyte", sockets=True)
async def giant_packets(peer: Peer) -> None:
    if "upgrade: websocket" not in peer.head.lower():
        await _polling(peer, b"4" * (1 << 20), 1 << 10)
        return
    await peer.open_websocket()
    await peer.say(frame(b'42["chat_token",{"token":"', is_last=False))
    await peer.for_ever(frame("🙂".encode() * 16_000, 0, is_last=False))


@later("Socket.IO: WebSocket pings and Engine.IO pings without an end, deep JSON", sockets=True)
async def ping_flood(peer: Peer) -> None:
    if "upgrade: websocket" not in peer.head.lower():
        await _polling(peer, b"42" + b"[" * 100_000 + b"\x1e" + b"2\x1e" * 400_000)
        return
    await peer.open_websocket()
    await peer.for_ever(frame(b"ping", 9) * 5_000 + frame(b"2") * 5_000)


async def _polling(peer: Peer, payload: bytes, times: int = 1) -> None:
    size = len(payload) * times
    if "&sid=" not in peer.head:
        payload, size = OPENED, len(OPENED)
    elif peer.head.startswith("POST"):
        payload, size = b"ok", 2
    else:
        await peer.say(head(f"Content-Length: {size + 14}", "Connection: close", kind="text/plain"), JOINED)
        for _ in range(times):
            await peer.say(payload)
        return
    await peer.say(head(f"Content-Length: {size}", "Connection: close", kind="text/plain"), payload)
