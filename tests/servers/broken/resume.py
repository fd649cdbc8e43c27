"""Faults of servers that keep a reply running when its client goes: in how they resume it, and how they stop it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from aiohttp import web

from tests.servers.apis.good_servers import DONE
from tests.servers.apis.kept_runs import Run
from tests.servers.apis.resumable_server import ResumableServer
from tests.servers.apis.stream_server import Frame
from tests.servers.apis.tables import RESUMABLE
from tests.servers.broken.fault import fault
from tests.servers.legal.resume import FromTheLastEvent
from tests.servers.parts import Config, Message, Refused

# -- what comes when a reply is resumed


@fault("resume-from-now-on", "RES-01", "RES-01", says="are lost", api=RESUMABLE)
class FromNowOn(ResumableServer):
    """Only what comes after it was resumed."""

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        if run is None or run.is_over:
            return web.Response(status=204)
        return await self.follow(request, run, len(run.frames))


@fault("resume-last-hundred-events", "RES-01", "RES-01", says="are lost", api=RESUMABLE)
class LastHundredEvents(ResumableServer):
    """What it keeps of a reply is bounded, and nobody is told."""

    def frames_of(self, run: Run, start: int) -> AsyncIterator[Frame]:
        return run.since(max(start, len(run.frames) - 100))


@fault("resume-doubles", "RES-01", "RES-01", says="too many", api=RESUMABLE)
class Doubles(FromNowOn):
    """It listens for new events before it sends the old ones, and so has some of them twice."""

    async def frames_of(self, run: Run, start: int) -> AsyncIterator[Frame]:
        for frame in run.frames[:start]:
            yield frame
        async for frame in run.since(max(0, start - 2)):
            yield frame


@fault("resume-one-event-too-early", "RES-01", "RES-01", says="that it had came again", api=RESUMABLE)
class OneEventTooEarly(FromTheLastEvent):
    """The event that `Last-Event-ID` names comes once more."""

    def start_of(self, request: web.Request) -> int:
        return max(0, super().start_of(request) - 1)


@fault("resume-one-event-too-late", "RES-01", "RES-01", says="are lost", api=RESUMABLE)
class OneEventTooLate(FromTheLastEvent):
    def start_of(self, request: web.Request) -> int:
        return super().start_of(request) + 1


@fault("resume-without-block-start", "AIS-02", "RES-01 AIS-02", says="not open", api=RESUMABLE)
class WithoutBlockStart(FromTheLastEvent):
    """The rest begins inside a block, which the official client refuses."""

    def opening_again(self, run: Run, start: int) -> Iterable[Frame]:
        return ()


@fault("resume-cancels-on-leave", "RES-01", "RES-01", says="the server cancelled the provider's request", api=RESUMABLE)
class CancelsOnLeave(ResumableServer):
    """It hands the request's abort signal on to the model."""

    async def follow(self, request: web.Request, run: Run, start: int = 0) -> web.StreamResponse:
        try:
            return await super().follow(request, run, start)
        finally:
            self.end(run)


class AsksAgain(ResumableServer):
    """It keeps what was asked, not what was answered."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.asked: dict[str, tuple[list[Message], dict[str, Any]]] = {}

    def begin(self, name: str, owner: str, messages: list[Message], body: dict[str, Any]) -> Run:
        self.asked[name] = messages, body
        return super().begin(name, owner, messages, body)

    async def resume_anew(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        if name not in self.asked:
            return web.Response(status=404)
        return await self.follow(request, self.begin(name, self.user_of(request), *self.asked[name]))


@fault("resume-asks-again", "RES-02", "RES-01 RES-02", says="was asked", api=RESUMABLE)
class ResumesAnew(AsksAgain):
    """Each resuming is a new reply to the same message."""

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        return await self.resume_anew(request)


@fault("resume-asks-again-after-the-end", "RES-02", "RES-02 RES-03", says="was asked 2 times", api=RESUMABLE)
class ResumesAnewAfterTheEnd(AsksAgain):
    """A reply that is over is said anew."""

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        return await (self.resume_anew(request) if run is None or run.is_over else self.follow(request, run))


class AnswersTheEndBadly(ResumableServer):
    """Whoever resumes a reply that is over."""

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        return await (self.late(request) if run and run.is_over else super().on_resume(request))

    async def late(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError


@fault("resume-empty-after-the-end", "RES-03", "RES-03", says="status 200 with 0 bytes", api=RESUMABLE)
class EmptyAfterTheEnd(AnswersTheEndBadly):
    """As `new Response(null)` with the headers of a stream."""

    async def late(self, request: web.Request) -> web.StreamResponse:
        return web.Response(headers=self.headers)


@fault("resume-waits-after-the-end", "RES-03", "RES-03", says="nothing for", api=RESUMABLE)
class WaitsAfterTheEnd(AnswersTheEndBadly):
    """It listens for events of a reply that has no more."""

    async def late(self, request: web.Request) -> web.StreamResponse:
        return await self.follow(request, Run(""))


@fault("resume-crashes-after-the-end", "RES-03", "RES-03", says="status 500", api=RESUMABLE)
class CrashesAfterTheEnd(AnswersTheEndBadly):
    async def late(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPInternalServerError


class KnownFromTheFirstToken(ResumableServer):
    """A reply is known once it has text."""

    def run_of(self, request: web.Request) -> Run | None:
        run = super().run_of(request)
        return run if run and any(b"text-delta" in frame for frame in run.frames) else None


fault("resume-known-from-first-token", "RES-10", "RES-10", says="status 204", api=RESUMABLE)(KnownFromTheFirstToken)


@fault("resume-ends-before-first-token", "RES-10", "RES-01 RES-10", says="nothing of the rest", api=RESUMABLE)
class EndsBeforeTheFirstToken(ResumableServer):
    """Resumed before its first token, a reply that has nothing yet seems to be over."""

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        if run and not any(b"text-delta" in frame for frame in run.frames):
            return web.Response(body=b"".join(run.frames) + DONE, headers=self.headers)
        return await super().on_resume(request)


# -- what a stop does


@fault("stop-ends-the-stream-only", "RES-04", "RES-04", says="stayed open", api=RESUMABLE)
class EndsTheStreamOnly(ResumableServer):
    """The model goes on."""

    def end(self, run: Run) -> None:
        run.add(self.frame({"type": "abort"}), DONE)
        run.close()


@fault("stop-looks-now-and-then", "RES-04", "RES-04", says="too late or never", api=RESUMABLE)
class LooksNowAndThen(ResumableServer):
    """It asks its database every few seconds whether a reply was stopped."""

    def end(self, run: Run) -> None:
        asyncio.get_running_loop().call_later(4.0, super().end, run)


@fault("stop-needs-a-reader", "RES-04", "RES-04", says="whose client had left", api=RESUMABLE)
class NeedsAReader(ResumableServer):
    """Only a reply that somebody reads is found."""

    def end(self, run: Run) -> None:
        if run.readers:
            super().end(run)


@fault("stop-is-not-there", "RES-04", "RES-04", says="status 404", api=RESUMABLE)
class NoStop(ResumableServer):
    """It cancels, and says that there was nothing to cancel."""

    async def on_stop(self, request: web.Request) -> web.StreamResponse:
        await super().on_stop(request)
        return web.json_response({"error": "no such chat"}, status=404)


@fault("stop-at-the-next-token", "RES-05", "RES-04 RES-05", says="stayed open", api=RESUMABLE)
class AtTheNextToken(ResumableServer):
    """It looks at its flag when a token comes."""

    def end(self, run: Run) -> None:
        run.was_stopped = True

    async def generate(self, run: Run, messages: list[Message], body: dict[str, Any]) -> None:
        async with aclosing(self.reply(messages, body)) as frames:
            async for frame in frames:
                if run.was_stopped:
                    break
                run.add(frame)
        run.close()


@fault("stop-after-the-first-token", "RES-05", "RES-04 RES-05", says="before the first token", api=RESUMABLE)
class AfterTheFirstToken(KnownFromTheFirstToken):
    """What has no text yet is not found, and so not stopped."""


@fault("stop-leaves-the-stream-open", "RES-06", "RES-04 RES-06", says="never ended", api=RESUMABLE)
class LeavesTheStreamOpen(ResumableServer):
    """The model is cancelled, and the page waits."""

    async def generate(self, run: Run, messages: list[Message], body: dict[str, Any]) -> None:
        async with aclosing(self.reply(messages, body)) as frames:
            async for frame in frames:
                run.add(frame)
        run.close()

    def end(self, run: Run) -> None:
        if run.task:
            run.task.cancel()


@fault("stop-is-forgotten", "RES-06", "RES-06", says="was resumed", api=RESUMABLE)
class IsForgotten(ResumableServer):
    """Whoever resumes a stopped reply waits for its next event."""

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        run = self.run_of(request)
        if run and run.was_stopped:
            return await self.follow(request, Run("", run.frames[:5]))
        return await super().on_resume(request)


@fault("stop-locks-the-chat", "RES-09", "RES-09", says="status 409", api=RESUMABLE)
class LocksTheChat(ResumableServer):
    """The lock of a reply that was stopped is never given back."""

    def begin(self, name: str, owner: str, messages: list[Message], body: dict[str, Any]) -> Run:
        if (last := self.runs.get(name)) and last.was_stopped:
            raise Refused(409, "A reply is running.")
        return super().begin(name, owner, messages, body)


@fault("stop-goes-for-the-next-reply-too", "RES-09", "RES-09", says="the ask after a stop", api=RESUMABLE)
class GoesForTheNextReplyToo(ResumableServer):
    """The chat's flag stays set."""

    def begin(self, name: str, owner: str, messages: list[Message], body: dict[str, Any]) -> Run:
        was_stopped = name in self.runs and self.runs[name].was_stopped
        run = super().begin(name, owner, messages, body)
        if was_stopped:
            self.end(run)
        return run


# -- whose reply it is


@fault("resume-gives-the-latest", "RES-07", "RES-07", says="resumed", api=RESUMABLE)
class GivesTheLatest(ResumableServer):
    """One reply for the whole server, whoever asks."""

    def run_of(self, request: web.Request) -> Run | None:
        return next(reversed(self.runs.values()), None)


@fault("resume-for-any-user", "RES-07", "RES-07", says="another user resumed the reply", api=RESUMABLE)
class ForAnyUser(ResumableServer):
    """It asks which chat, and not whose."""

    def run_of(self, request: web.Request) -> Run | None:
        return self.runs.get(request.match_info["id"])


@fault("stop-for-everybody", "RES-07", "RES-07", says="stranger's stop", api=RESUMABLE)
class ForEverybody(ResumableServer):
    """A stop ends all replies."""

    async def on_stop(self, request: web.Request) -> web.StreamResponse:
        for run in self.runs.values():
            self.end(run)
        return web.json_response({"success": True})


# -- what nobody comes back for


@fault("abandoned-for-ever", "RES-08", "RES-08", says="still went on", api=RESUMABLE)
class ForEver(ResumableServer):
    """A provider that has fallen silent is waited for, since nobody is there to whom it could be told."""

    def __init__(self, config: Config) -> None:
        super().__init__(replace(config, timeout=600.0))


@fault("abandoned-too-late", "RES-08", "RES-08", says="was closed by the server", api=RESUMABLE)
class TooLate(ResumableServer):
    """More than twice the time that it declares."""

    async def follow(self, request: web.Request, run: Run, start: int = 0) -> web.StreamResponse:
        try:
            return await super().follow(request, run, start)
        finally:
            if not run.is_over:
                asyncio.get_running_loop().call_later(6.5, self.end, run)
