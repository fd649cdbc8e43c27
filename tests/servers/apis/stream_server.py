"""What servers of all apis have in common: they get all turns, ask the provider, and pass its words on."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, suppress
from typing import Any, ClassVar

import aiohttp
from aiohttp import web

from tests.servers.parts import MAX_BODY, Ask, Config, Message, ProviderFailed, Refused
from tests.servers.upstream import Upstream

Frame = bytes


class StreamServer(Upstream):
    """The server. `path`: where it is asked. Each api says how a request and the frames of a reply look."""

    path = "/"
    headers: ClassVar[dict[str, str]] = {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-cache",
        "X-Accel-Buffering": "no",
    }
    hears_hang_ups = True
    pulse = 15.0  # seconds between two comments
    comment = b": still here\n\n"

    def __init__(self, config: Config) -> None:
        self.config = config
        self.background: set[asyncio.Task[Any]] = set()

    async def start(self, port: int = 0) -> int:
        """Listen on `port` of 127.0.0.1 (0: one that the system picks), and return the port."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.config.timeout, sock_read=self.config.timeout)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self.upstream = aiohttp.ClientSession(connector=connector, timeout=timeout)
        self.runner = web.AppRunner(
            self.app(), handler_cancellation=self.hears_hang_ups, access_log=None, shutdown_timeout=0.1
        )
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", port, backlog=512).start()
        return int(self.runner.addresses[0][1])

    def app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post(self.path, self.on_ask)
        return app

    async def stop(self) -> None:
        """Stop listening, and end every reply that is under way."""
        for task in list(self.background):
            task.cancel()
        await self.runner.cleanup()
        await self.upstream.close()

    async def on_ask(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await self.body_of(request)
            messages = self.messages_of(body)
        except Refused as refused:
            return web.json_response(self.refusal(refused.text), status=refused.status)
        response = web.StreamResponse(headers=self.headers)
        await response.prepare(request)
        pulse = asyncio.create_task(self.send_pulses(response))
        try:
            async with aclosing(self.reply(messages, body)) as frames:
                await self.send(request, response, frames)
        finally:
            pulse.cancel()
        return response

    async def send_pulses(self, response: web.StreamResponse) -> None:
        """Comments, so that no proxy takes the stream for dead while the provider is silent."""
        while True:
            await asyncio.sleep(self.pulse)
            with suppress(ConnectionError):
                await response.write(self.comment)

    async def send(self, request: web.Request, response: web.StreamResponse, frames: AsyncIterator[Frame]) -> None:
        """Write a reply, to its end."""
        async for frame in frames:
            await response.write(frame)
        await response.write_eof()

    async def body_of(self, request: web.Request) -> dict[str, Any]:
        try:
            body = json.loads((await request.read()).decode("utf-8"))
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise Refused(400, "The body must be a JSON object.")
        return body

    async def reply(self, messages: list[Message], body: dict[str, Any]) -> AsyncGenerator[Frame, None]:
        """The frames of a reply."""
        name = uuid.uuid4().hex
        for frame in self.opening(name, body):
            yield frame
        said = False
        try:
            async with aclosing(self.tokens(messages, self.ask_in(body, messages, name))) as tokens:
                async for token in tokens:
                    for frame in self.text(name, token, not said):
                        yield frame
                    said = True
        except ProviderFailed as failure:
            for frame in self.failure(name, str(failure), said):
                yield frame
            return
        for frame in self.closing(name, body, said):
            yield frame

    def frame(self, event: dict[str, Any]) -> Frame:
        return b"data: " + json.dumps(event).encode() + b"\n\n"

    # -- what each api says for itself

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        """The turns as the provider takes them. Raises Refused."""
        raise NotImplementedError

    def ask_in(self, body: dict[str, Any], messages: list[Message], name: str) -> Ask:
        """What is asked. `name`: that of this one reply."""
        return Ask(messages[-1]["content"], name)

    def refusal(self, text: str) -> dict[str, Any]:
        return {"error": text}

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        raise NotImplementedError

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        raise NotImplementedError

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        raise NotImplementedError

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        raise NotImplementedError
