"""Odd ways to send a stream. Each server puts together what does not interfere."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, ClassVar

import aiohttp
import brotli
from aiohttp import HttpVersion10, web

from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed, Refused
from tests.servers.plain_server import ChatServer


@legal("crlf", contract=1)
class CrLf(ChatServer):
    """CR LF, a BOM, comments, pings, `retry:` and `id:`, padding, escapes and spaces in JSON, unknown fields and
    events, timestamps of every kind."""

    numbers = itertools.count()

    def dumps(self, event: Event) -> str:
        return json.dumps({**event, "model": "fake", "extra": {"done": None, "deep": [1, None]}})

    def encode(self, event: Event) -> bytes:
        text = f"id: {next(self.numbers)}\nretry: 3000\n{super().encode(event).decode()}: ping\n\n"
        return text.replace("\n", "\r\n").encode()

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        response = web.StreamResponse(headers=self.stream_headers(request))
        await response.prepare(request)
        await response.write(b"\xef\xbb\xbf:" + b" " * 2048 + b"\r\n\r\n")
        await self.send_event(response, {"status": "thinking", "error": None, "done": False})
        pings = asyncio.create_task(self._ping(response))
        try:
            async with aclosing(self.reply(ask)) as events:
                async for event in events:
                    await self.send_event(response, {"error": None, **event})
        finally:
            pings.cancel()
        await self.write(response, b": that was all\r\n\r\n")
        return response

    async def _ping(self, response: web.StreamResponse) -> None:
        with suppress(ConnectionError):
            while True:
                await asyncio.sleep(0.1)
                await response.write(b": keep-alive\r\n\r\n")

    def stream_headers(self, request: web.Request) -> dict[str, str]:
        return {
            "Content-Type": 'Text/Event-Stream; charset="UTF-8"',
            "Cache-Control": "private, no-store, max-age=0",
            "X-Accel-Buffering": "no",
        }

    def timestamp(self) -> str:
        now = datetime.now(UTC)
        forms = (
            now.isoformat().replace("+00:00", "Z"),
            now.astimezone().isoformat(),
            now.strftime("%Y-%m-%dT%H:%M:%S"),
            now.strftime("%Y-%m-%dT%H:%M:%S.123456789Z"),
            now.astimezone(timezone(timedelta(hours=2))).strftime("%Y-%m-%dT%H:%M:%S.123+02:00"),
        )
        return forms[next(self.numbers) % len(forms)]


@legal("pieces", contract=1)
class Pieces(ChatServer):
    """Some events in pieces; the connection's end is the body's (HTTP/1.0); figures rounded; text trimmed;
    errors before the first token by status."""

    writes = itertools.count(1)

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        request._version = HttpVersion10  # no chunks, no keep-alive
        response = web.StreamResponse(headers=self.stream_headers(request))
        response.force_close()
        async with aclosing(self.reply(ask)) as events:
            async for event in events:
                if not response.prepared:
                    if "error" in event:
                        raise Refused(502, event["error"])
                    await response.prepare(request)
                await self.send_event(response, event)
        return response

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        if next(self.writes) % 9 == 0:
            for part in (data[:1], data[1:9], data[9:-1]):
                await super().write(response, part)
                await asyncio.sleep(0.004)
            data = data[-1:]
        await super().write(response, data)

    def duration(self, ask: Ask, first_at: float) -> float:
        """From the first token."""
        return round(time.monotonic() - (first_at or time.monotonic()), 1)

    def speed(self, tokens: int, duration: float) -> float:
        return int(tokens / duration) if duration else 0

    def full_response(self, partial: str) -> str:
        return partial.strip()


class Packed(ChatServer):
    """Compressed, each event flushed."""

    def packer(self, accepted: str) -> tuple[str, Callable[[bytes], bytes], Callable[[], bytes]] | None:
        raise NotImplementedError

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        packer = self.packer(request.headers.get("Accept-Encoding", ""))
        if packer is None:
            return await super().send_stream(request, ask)
        name, pack, finish = packer
        headers = {**self.stream_headers(request), "Content-Encoding": name, "Vary": "Accept-Encoding"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        async with aclosing(self.reply(ask)) as events:
            async for event in events:
                await self.write(response, pack(self.encode(event)))
        await self.write(response, finish())
        return response


def zlib_packer(window: int) -> tuple[Callable[[bytes], bytes], Callable[[], bytes]]:
    zipper = zlib.compressobj(wbits=window)
    return (lambda data: zipper.compress(data) + zipper.flush(zlib.Z_SYNC_FLUSH)), zipper.flush


@legal("gzip", contract=1)
class GzipInGroups(Packed):
    """gzip; tokens gathered for 50 ms; a retried provider; asks of a session one after the other."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.locks: dict[str, asyncio.Lock] = {}

    def packer(self, accepted: str) -> tuple[str, Callable[[bytes], bytes], Callable[[], bytes]] | None:
        return ("gzip", *zlib_packer(31)) if "gzip" in accepted else None

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        lock = self.locks.setdefault(ask.session_id, asyncio.Lock())
        async with lock, aclosing(super().reply(ask)) as events:
            async for event in events:
                yield event

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        queue: asyncio.Queue[str | ProviderFailed | None] = asyncio.Queue()

        async def run() -> None:
            try:
                async with aclosing(self.tried(messages, ask)) as tokens:
                    async for token in tokens:
                        queue.put_nowait(token)
                queue.put_nowait(None)
            except ProviderFailed as failure:
                queue.put_nowait(failure)

        task = asyncio.create_task(run())
        try:
            while True:
                gathered, end = await self.gather(queue)
                if gathered:
                    yield gathered
                if isinstance(end, ProviderFailed):
                    raise end
                if not end:
                    return
        finally:
            task.cancel()

    async def gather(self, queue: asyncio.Queue[str | ProviderFailed | None]) -> tuple[str, Any]:
        """What comes within 50 ms of the next token, and the last thing that came."""
        text, item = "", await queue.get()
        deadline = time.monotonic() + 0.05
        while isinstance(item, str):
            text += item
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    item = await queue.get()
            except TimeoutError:
                return text, True
        return text, item

    async def tried(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        """Two more tries until the first token."""
        for left in (2, 1, 0):
            begun = False
            try:
                async with aclosing(super().tokens(messages, ask)) as tokens:
                    async for token in tokens:
                        begun = True
                        yield token
                return
            except ProviderFailed:
                if begun or not left:
                    raise
                await asyncio.sleep(0.1)


@legal("brotli", contract=1)
class BrotliInHalves(Packed):
    """br; every token cut in two; a second request upstream for a title; a system message that is counted."""

    system: ClassVar[Message] = {"role": "system", "content": "You are a helpful assistant."}

    def packer(self, accepted: str) -> tuple[str, Callable[[bytes], bytes], Callable[[], bytes]] | None:
        if "br" not in accepted:
            return None
        packer = brotli.Compressor()
        return "br", lambda data: bytes(packer.process(data) + packer.flush()), lambda: bytes(packer.finish())

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        title = asyncio.create_task(self.ask_for_title(ask))
        try:
            async with aclosing(super().tokens([self.system, *messages], ask)) as tokens:
                async for token in tokens:
                    half = len(token) // 2
                    for part in (token[:half], token[half:]):
                        if part:
                            yield part
        finally:
            title.cancel()

    async def ask_for_title(self, ask: Ask) -> None:
        prompt = f"Give this conversation a title of three words: {ask.message}"
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]}
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self.upstream.post(self.config.url, json=body, headers=self.credentials()) as response:
                await response.read()

    def messages_in(self, session_id: str) -> int | None:
        count = super().messages_in(session_id)
        return None if count is None else count + 1


@legal("one-write", contract=1)
class OneWrite(ChatServer):
    """Events that are ready together go in one write; duration to two places; big bodies refused at once with a
    close; ids of other letters refused on both routes; a second ask on a socket waits for its turn."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.turns: dict[str, asyncio.Lock] = {}

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        response = web.StreamResponse(headers=self.stream_headers(request))
        await response.prepare(request)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def run() -> None:
            async with aclosing(self.reply(ask)) as events:
                async for event in events:
                    queue.put_nowait(self.encode(event))
            queue.put_nowait(None)

        task = asyncio.create_task(run())
        try:
            while ready := await queue.get():
                while not queue.empty():
                    ready += queue.get_nowait() or b""
                    if len(ready) > 1 << 16:
                        break
                await self.write(response, ready)
                if task.done() and queue.empty():
                    break
        finally:
            task.cancel()
        return response

    def duration(self, ask: Ask, first_at: float) -> float:
        return round(super().duration(ask, first_at), 2)

    async def read_object(self, request: web.Request) -> Any:
        if (request.content_length or 0) > 1 << 20:
            raise Refused(413, "Too large.", {"Connection": "close"})
        return await super().read_object(request)

    def is_session_id(self, text: str) -> bool:
        return text.isascii() and text.replace("-", "").isalnum() and len(text) <= 128

    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        self.need_good_id(request)
        return await super().on_get_session(request)

    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        self.need_good_id(request)
        return await super().on_delete_session(request)

    def need_good_id(self, request: web.Request) -> None:
        if not self.is_session_id(self.session_named(request)):
            raise Refused(400, "session_id: letters, digits and dashes.")

    def socket_session(self, sid: str) -> str | None:
        return f"socket-{zlib.crc32(sid.encode())}"

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        async with self.turns.setdefault(sid, asyncio.Lock()):
            if self.sio.manager.is_connected(sid, "/"):
                await super().on_chat_stream(sid, *args)
