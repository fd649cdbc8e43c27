"""Legal ways to treat a second ask in a session in which a reply runs, and to notice that a client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from aiohttp import web

from tests.servers.legal.variant import legal
from tests.servers.parts import Ask, Config, Event
from tests.servers.plain_server import ChatServer
from tests.servers.session_turns import OneInASession

LEAVING = "INT-01 INT-03 INT-05 INT-07"


@legal("busy-until-its-client-is-missed", only=LEAVING)
class BusyUntilMissed(OneInASession):
    """Looks once a second whether the client is still there. Until then, its session is busy."""

    hears_hang_ups = False

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        task = asyncio.current_task()

        async def watch() -> None:
            while task:
                await asyncio.sleep(1.0)
                if request.transport is None or request.transport.is_closing():
                    task.cancel()

        watcher = asyncio.create_task(watch())
        try:
            return await super().send_stream(request, ask)
        finally:
            watcher.cancel()

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        with suppress(ConnectionResetError):
            await response.write(data)


@legal("latest-ask-of-a-session-wins", only=LEAVING)
class LatestAskWins(ChatServer):
    """A new ask ends the reply that runs in its session with an error."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.latest: dict[str, Ask] = {}

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        self.latest[ask.session_id] = ask
        async with aclosing(super().reply(ask)) as events:
            async for event in events:
                if self.latest[ask.session_id] is not ask:
                    yield {"error": "Another ask came."}
                    return
                yield event
