"""What servers that keep a reply running when its client goes have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.servers.apis.stream_server import Frame, StreamServer
from tests.servers.parts import Config, Message, Refused


@dataclass(eq=False, slots=True)
class Run:
    """A reply, also while nobody reads it: its frames so far, and whose it is."""

    owner: str
    frames: list[Frame] = field(default_factory=list)
    is_over: bool = False
    was_stopped: bool = False
    readers: int = 0
    task: asyncio.Task[Any] | None = None
    _grown: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, *frames: Frame) -> None:
        self.frames += frames
        self._tell()

    def close(self) -> None:
        self.is_over = True
        self._tell()

    async def since(self, start: int = 0) -> AsyncIterator[Frame]:
        """The frames from one on, those to come too."""
        while True:
            grown = self._grown
            for frame in self.frames[start:]:
                start += 1
                yield frame
            if self.is_over and start >= len(self.frames):
                return
            await grown.wait()

    def _tell(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()


class KeptRuns(StreamServer):
    """Replies run in the background, by a name; clients follow them. `resumed_at`, `stopped_at`: the paths."""

    resumed_at: str
    stopped_at: str

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.runs: dict[str, Run] = {}

    def app(self) -> web.Application:
        app = super().app()
        app.router.add_get(self.resumed_at, self.on_resume)
        app.router.add_post(self.stopped_at, self.on_stop)
        return app

    async def on_ask(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await self.body_of(request)
            messages, name = self.messages_of(body), self.name_of(request, body)
            run = self.begin(name, self.user_of(request), messages, body)
        except Refused as refused:
            return web.json_response(self.refusal(refused.text), status=refused.status)
        return await self.follow(request, run)

    def begin(self, name: str, owner: str, messages: list[Message], body: dict[str, Any]) -> Run:
        """Let a reply run in the background. Raises Refused."""
        self.runs[name] = run = Run(owner)
        run.task = asyncio.create_task(self.generate(run, messages, body))
        self.background.add(run.task)
        run.task.add_done_callback(self.background.discard)
        return run

    async def generate(self, run: Run, messages: list[Message], body: dict[str, Any]) -> None:
        try:
            async with aclosing(self.reply(messages, body)) as frames:
                async for frame in frames:
                    run.add(frame)
        finally:
            run.close()

    async def follow(self, request: web.Request, run: Run, start: int = 0) -> web.StreamResponse:
        """Send a reply's frames."""
        response = web.StreamResponse(headers=self.headers)
        await response.prepare(request)
        run.readers += 1
        try:
            async for frame in self.frames_of(run, start):
                await response.write(frame)
        finally:
            run.readers -= 1
        await response.write_eof()
        return response

    def frames_of(self, run: Run, start: int) -> AsyncIterator[Frame]:
        return run.since(start)

    def user_of(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "")

    def run_of(self, request: web.Request) -> Run | None:
        """The reply that a request is about, if it is the user's own."""
        run = self.runs.get(request.match_info["id"])
        return run if run and run.owner == self.user_of(request) else None

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        if run is None or run.is_over:
            return web.Response(status=204)
        return await self.follow(request, run)

    async def on_stop(self, request: web.Request) -> web.StreamResponse:
        if run := self.run_of(request):
            self.end(run)
        return web.json_response({"success": True})

    def end(self, run: Run) -> None:
        """Stop a reply."""
        if run.task and not run.is_over:
            run.was_stopped = True
            run.task.cancel()
            run.add(*self.last_words())
            run.close()

    # -- what each api says for itself

    def name_of(self, request: web.Request, body: dict[str, Any]) -> str:
        """By which name a reply is resumed. Raises Refused."""
        raise NotImplementedError

    def last_words(self) -> Iterable[Frame]:
        """What the clients of a stopped reply are told."""
        raise NotImplementedError
