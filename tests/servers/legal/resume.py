"""Odd servers that keep a reply running when its client goes, and keep the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiohttp import web

from tests.servers.apis.good_servers import DONE
from tests.servers.apis.kept_runs import Run
from tests.servers.apis.resumable_server import ResumableServer
from tests.servers.apis.stream_server import Frame
from tests.servers.apis.tables import RESUMABLE, THREADS
from tests.servers.apis.threads_server import ThreadsServer
from tests.servers.legal.variant import legal
from tests.servers.parts import Config, Message

ALL = "RES AIS SSE-06 INT-01 INT-02 INT-04 INT-05 INT-06"

legal("resumable", "RES-08", only=ALL, api=RESUMABLE)(ResumableServer)
legal("resumable-threads", only="RES API SSE-06 TOK-04 ERR-02 ERR-03", api=THREADS)(ThreadsServer)


@legal("resumable-from-the-last-event", "RES-08", only="RES AIS", api=RESUMABLE)
class FromTheLastEvent(ResumableServer):
    """Events have ids. A reply is resumed behind `Last-Event-ID`, with the start of the block that is open there, also
    after its end; it is kept for whoever comes, and cancelled when nobody has read it for a while."""

    patience = 2.5  # seconds

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        if run is None:
            return web.json_response({"error": "no such chat"}, status=404)
        return await self.follow(request, run, self.start_of(request))

    def start_of(self, request: web.Request) -> int:
        name = request.headers.get("Last-Event-ID", "")
        return int(name) + 1 if name.isdecimal() else 0

    async def frames_of(self, run: Run, start: int) -> AsyncIterator[Frame]:
        for frame in self.opening_again(run, start) if start else ():
            yield frame
        async for frame in run.since(start):
            yield f"id: {start}\n".encode() + frame
            start += 1

    def opening_again(self, run: Run, start: int) -> Iterable[Frame]:
        """What a client needs that has lost its place: the message, and the block that is open."""
        before = b"".join(run.frames[:start])
        first = [run.frames[0]]
        is_open = before.count(b"text-start") > before.count(b"text-end")
        return [*first, self.frame({"type": "text-start", "id": "0"})] if is_open else first

    async def follow(self, request: web.Request, run: Run, start: int = 0) -> web.StreamResponse:
        try:
            return await super().follow(request, run, start)
        finally:
            asyncio.get_running_loop().call_later(self.patience, self.look_after, run)

    def look_after(self, run: Run) -> None:
        if not run.readers:
            self.end(run)

    async def on_stop(self, request: web.Request) -> web.StreamResponse:
        await super().on_stop(request)
        return web.Response(status=202 if self.run_of(request) else 404)


@legal("resumable-finishes-what-is-over", only="RES-03 RES-06", api=RESUMABLE)
class FinishesWhatIsOver(ResumableServer):
    """Where nothing runs, a stream that holds nothing but a finish."""

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        if run is None or run.is_over:
            return web.Response(body=self.frame({"type": "finish"}) + DONE, headers=self.headers)
        return await self.follow(request, run)


@legal("resumable-ends-without-a-word", only="RES", api=RESUMABLE)
class EndsWithoutAWord(ResumableServer):
    """A stop closes the connection and says nothing. A chat that nobody knows is forbidden; one in
    which nothing runs is told as JSON."""

    def end(self, run: Run) -> None:
        if run.task:
            run.task.cancel()
            run.close()

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        if run is None:
            return web.Response(status=403)
        if run.is_over:
            return web.json_response({"active": False})
        return await self.follow(request, run)

    async def on_stop(self, request: web.Request) -> web.StreamResponse:
        if (run := self.run_of(request)) is None:
            return web.Response(status=403)
        self.end(run)
        return web.Response(status=204)


@legal("resumable-whole-chat", only="RES-01 RES-02 RES-03 RES-10 RES-11", api=RESUMABLE)
class WholeChat(ResumableServer):
    """Whoever resumes gets the replies before as well, as CopilotKit's runtime does."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.before: dict[str, list[Run]] = {}

    def begin(self, name: str, owner: str, messages: list[Message], body: dict[str, Any]) -> Run:
        run = super().begin(name, owner, messages, body)
        self.before.setdefault(name, []).append(run)
        return run

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        if run is None or run.is_over:
            return web.Response(status=204)
        *before, _ = self.before[request.match_info["id"]]
        response = web.StreamResponse(headers=self.headers)
        await response.prepare(request)
        ends = (b'"type": "finish"', b"[DONE]")
        for frame in (one for old in before for one in old.frames if not any(end in one for end in ends)):
            await response.write(frame)
        async for frame in self.frames_of(run, 0):
            await response.write(frame)
        await response.write_eof()
        return response


@legal("threads-polls", only="RES-01 RES-11", api=THREADS)
class Polls(ThreadsServer):
    """Whoever resumes gets what is new from a store that is asked ten times a second."""

    every = 0.1  # seconds

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        if (run := self.run_of(request)) is None:
            return web.json_response({"detail": "Run not found"}, status=404)
        start = int(request.headers.get("Last-Event-ID", "-1")) + 1
        response = web.StreamResponse(headers=self.headers)
        await response.prepare(request)
        is_over = False
        while not is_over:
            is_over = run.is_over
            for number, frame in enumerate(run.frames[start:], start):
                await response.write(f"id: {number}\n".encode() + frame)
                start = number + 1
            if not is_over:
                await asyncio.sleep(self.every)
        await response.write_eof()
        return response
