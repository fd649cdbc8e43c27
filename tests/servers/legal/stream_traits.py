"""Legal ways to write a stream: traits that `chameleon` mixes. What stands under one heading excludes each other."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from itertools import count

import brotli
from aiohttp import HttpVersion10, web

from tests.servers.legal.wire import zlib_packer
from tests.servers.parts import Ask, Event, Refused
from tests.servers.plain_server import ChatServer

# -- the JSON of an event


class SpacedAscii(ChatServer):
    """As Python's json.dumps writes it."""

    def dumps(self, event: Event) -> str:
        return json.dumps(event)


class KeysInAnyOrder(ChatServer):
    """As hash maps write it."""

    def dumps(self, event: Event) -> str:
        return super().dumps(dict(random.sample(list(event.items()), len(event))))


class FurtherFields(ChatServer):
    """What the contract does not know, and null for what an event does not have."""

    def dumps(self, event: Event) -> str:
        further = {"id": "msg_1", "model": "fake", "usage": None, "meta": {"done": None, "choices": [1, None]}}
        return super().dumps({"done": False, "error": None, **further, **event})


# -- the lines of an event


class CrLfLines(ChatServer):
    """As sse-starlette writes them."""

    def encode(self, event: Event) -> bytes:
        return super().encode(event).replace(b"\n", b"\r\n")


class NumberedEvents(ChatServer):
    """With `id:` and `retry:`, as Spring writes them."""

    def encode(self, event: Event) -> bytes:
        return b"id: %d\nretry: 1500\n" % time.monotonic_ns() + super().encode(event)


class NamedMessages(ChatServer):
    """With a comment, and the name that every event has anyway."""

    def encode(self, event: Event) -> bytes:
        return b": next\nevent: message\n" + super().encode(event)


# -- how a stream begins


class Padding(ChatServer):
    """2 KB of comment first, for proxies that wait for so much."""

    async def before_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await super().before_stream(request, response)
        response["opening"] = b":" + b" " * 2048 + b"\n\n"

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        await super().write(response, response.pop("opening", b"") + data)


# -- when and in which pieces it is written


class Heartbeats(ChatServer):
    """A comment every 100 ms."""

    pulse = 0.1


class SmallPieces(ChatServer):
    """Every seventh write in four."""

    writes = count(1)

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        if next(self.writes) % 7 == 0:
            for part in (data[:1], data[1:9], data[9:-1]):
                await super().write(response, part)
                await asyncio.sleep(0.003)
            data = data[-1:]
        await super().write(response, data)


class ErrorsByStatus(ChatServer):
    """A provider that fails before its first token is a status, not an event."""

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        response = web.StreamResponse(headers=self.stream_headers(request))
        await self.before_stream(request, response)
        async with aclosing(self.reply(ask)) as events:
            async for event in events:
                if not response.prepared:
                    if "error" in event:
                        raise Refused(503, event["error"], {"Retry-After": "5"})
                    await response.prepare(request)
                await self.send_event(response, event)
        return response


# -- compression, and the body's end


class Zipped(ChatServer):
    """Compressed if the client offers it, and flushed after each write."""

    coding = "gzip"

    def packer(self) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
        return zlib_packer(31)

    async def before_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await super().before_stream(request, response)
        if self.coding in request.headers.get("Accept-Encoding", ""):
            response.headers.update({"Content-Encoding": self.coding, "Vary": "Accept-Encoding"})
            response["packer"] = self.packer()

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        pack, _ = response.get("packer", (bytes, bytes))
        await super().write(response, pack(data))

    async def after_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await super().after_stream(request, response)
        _, finish = response.get("packer", (bytes, bytes))
        await super().write(response, finish())


class Brotli(Zipped):
    """As `Zipped`, with the coding that browsers like best."""

    coding = "br"

    def packer(self) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
        packer = brotli.Compressor()
        return lambda data: bytes(packer.process(data) + packer.flush()), lambda: bytes(packer.finish())


class UntilTheEnd(ChatServer):
    """HTTP/1.0, without chunks: the connection's end is the body's."""

    async def before_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        await super().before_stream(request, response)
        request._version = HttpVersion10
        response.force_close()


# -- headers


class CarefulHeaders(ChatServer):
    """As helmet and nginx add them."""

    def stream_headers(self, request: web.Request) -> dict[str, str]:
        return {
            "Content-Type": 'Text/Event-Stream; charset="UTF-8"',
            "Cache-Control": "private, no-store, max-age=0",
            "X-Accel-Buffering": "no",
            "X-Content-Type-Options": "nosniff",
            "Server": "nginx",
        }


class FewHeaders(ChatServer):
    """The type alone, and that nobody may change the stream on its way."""

    def stream_headers(self, request: web.Request) -> dict[str, str]:
        return {"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform"}


class OwnHeaders(ChatServer):
    """A request id, a cookie and a server's name on every answer."""

    async def add_cors(self, request: web.Request, response: web.StreamResponse) -> None:
        await super().add_cors(request, response)
        response.headers.update({"X-Request-Id": "7", "Server": "chat", "X-Powered-By": "PHP/8.4"})
        response.headers.add("Set-Cookie", "visitor=7; Path=/; HttpOnly")
