"""Faults of servers that keep a reply running, which show only after a client has come back, or in a later exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from tests.servers.apis.kept_runs import Run
from tests.servers.apis.resumable_server import ResumableServer
from tests.servers.apis.stream_server import Frame
from tests.servers.apis.tables import RESUMABLE, THREADS
from tests.servers.broken.fault import fault
from tests.servers.legal.resume import FromTheLastEvent, Polls
from tests.servers.parts import Config, Message


@fault(
    "resume-loses-the-stop",
    "RES-04 RES-09 RES-11",
    "RES-01 RES-04 RES-09 RES-11",
    says="and resumed it",
    api=RESUMABLE,
)
class LosesTheStop(ResumableServer):
    """Whoever resumes replaces what stops the reply by something that ends the stream alone, and gets the reply once it
    is whole. A stop that comes when the reply is over ends the next one."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.resumed: set[Run] = set()
        self.flags: set[str] = set()

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        if run is None or run.is_over:
            return web.Response(status=204)
        self.resumed.add(run)
        response = web.StreamResponse(headers=self.headers)
        await response.prepare(request)
        await response.write(b"".join([frame async for frame in self.frames_of(run, 0)]))
        await response.write_eof()
        return response

    async def on_stop(self, request: web.Request) -> web.StreamResponse:
        if (run := self.run_of(request)) and run.is_over and not run.was_stopped:
            self.flags.add(request.match_info["id"])
        return await super().on_stop(request)

    def begin(self, name: str, owner: str, messages: list[Message], body: dict[str, Any]) -> Run:
        run = super().begin(name, owner, messages, body)
        if name in self.flags:
            self.flags.discard(name)
            self.end(run)
        return run

    def end(self, run: Run) -> None:
        if run not in self.resumed:
            super().end(run)
        elif not run.is_over:
            run.was_stopped = True
            run.add(*self.last_words())
            run.close()


@fault(
    "resume-gives-the-first",
    "RES-01 RES-03 SSE-01 AIS-01",
    "RES-01 RES-02 RES-03 SSE-01 AIS",
    says="in a second exchange",
    api=RESUMABLE,
)
class GivesTheFirst(ResumableServer):
    """The conversation's first reply is the one that is resumed, as plain text. A failure that nobody hears is kept as
    a good end."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.first: dict[str, Run] = {}

    def begin(self, name: str, owner: str, messages: list[Message], body: dict[str, Any]) -> Run:
        run = super().begin(name, owner, messages, body)
        self.first.setdefault(name, run)
        return run

    async def generate(self, run: Run, messages: list[Message], body: dict[str, Any]) -> None:
        try:
            async with aclosing(self.reply(messages, body)) as frames:
                async for frame in frames:
                    if b'"type": "error"' in frame and not run.readers:
                        run.add(*self.closing("", body, True))
                        return
                    run.add(frame)
        finally:
            run.close()

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.first.get(request.match_info["id"])
        if run is None or run.owner != self.user_of(request):
            return web.Response(status=204)
        response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
        await response.prepare(request)
        async for frame in self.frames_of(run, 0):
            await response.write(frame)
        await response.write_eof()
        return response


@fault("resume-notes-at-a-token", "RES-10", "RES-01 RES-09 RES-10", says="in a second exchange", api=RESUMABLE)
class NotesAtAToken(ResumableServer):
    """From a chat's second exchange on, the reply that runs is noted at its first token: until then the one before is
    the one that is resumed."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.names: dict[Run, str] = {}

    def begin(self, name: str, owner: str, messages: list[Message], body: dict[str, Any]) -> Run:
        before = self.runs.get(name)
        run = super().begin(name, owner, messages, body)
        self.runs[name], self.names[run] = before or run, name
        return run

    async def generate(self, run: Run, messages: list[Message], body: dict[str, Any]) -> None:
        try:
            async with aclosing(self.reply(messages, body)) as frames:
                async for frame in frames:
                    if b"text-delta" in frame:
                        self.runs[self.names[run]] = run
                    run.add(frame)
        finally:
            self.runs[self.names.pop(run)] = run
            run.close()


@fault("resume-counts-what-it-sent", "RES-01", "RES-01 RES-02 AIS-02", says="are lost", api=RESUMABLE)
class CountsWhatItSent(FromTheLastEvent):
    """A reply goes on behind the last event that was written to a socket, whatever its client has read."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.sent: dict[Run, int] = {}

    async def frames_of(self, run: Run, start: int) -> AsyncIterator[Frame]:
        start = self.sent.get(run, 0)
        for frame in self.opening_again(run, start) if start else ():
            yield frame
        async for frame in run.since(start):
            yield frame
            start += 1
            self.sent[run] = start


@fault("threads-polls-slowly", "RES-11", "RES-01 RES-11", says="had arrived when the provider went on", api=THREADS)
class PollsSlowly(Polls):
    """Whoever resumes gets what is new every second."""

    every = 1.0
