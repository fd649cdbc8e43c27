"""Faults that the rows of LIM notice since their second revision: what is accepted is not answered, and what buys a
budget."""

from __future__ import annotations

import asyncio
import itertools

from aiohttp import web

from tests.servers.broken.fault import Crash, fault
from tests.servers.parts import Ask, Config, Event
from tests.servers.plain_server import ChatServer

BOUGHT = "LIM-10 LIM-13 SSE-01"


class Spoiling(ChatServer):
    """Fails at some requests that are within the limit."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.numbers = itertools.count(1)

    def keep_to_limit(self, request: web.Request, route: str) -> None:
        super().keep_to_limit(request, route)
        self.spoil(request, route, next(self.numbers))

    def spoil(self, request: web.Request, route: str, number: int) -> None:
        """A request of this number, refused ones not counted."""


@fault("third-fails", "LIM-01", "LIM-01 LIM-02", says="were neither answered in full nor refused", contract=2)
class ThirdFails(Spoiling):
    def spoil(self, request: web.Request, route: str, number: int) -> None:
        if number % 3 == 0:
            raise Crash


@fault("busy-events", "LIM-01", "LIM-01 LIM-02", says="the first: status 200, error event 'Busy.'", contract=2)
class BusyEvents(ChatServer):
    """Accepts any number at once, and answers few of them."""

    busy = 0

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        self.busy += 1
        try:
            if self.busy <= 8:
                return await super().send_stream(request, ask)
            response = web.StreamResponse(headers=self.stream_headers(request))
            await response.prepare(request)
            await self.send_event(response, {"error": "Busy."})
            return response
        finally:
            self.busy -= 1


@fault("cut-short", "LIM-01", "LIM-01 LIM-02", says="the first: status 200, ", contract=2)
class CutShort(ChatServer):
    """Below the framework: of every third reply the end is missing."""

    numbers = itertools.count(1)

    async def send_event(self, response: web.StreamResponse, event: Event) -> None:
        if "done" in event and next(self.numbers) % 3 == 0:
            assert response._req is not None
            assert response._req.transport is not None
            response._req.transport.close()
            raise asyncio.CancelledError
        await super().send_event(response, event)


@fault("chat-third-empty", "LIM-03", "LIM-03 LIM-04", says="were neither answered in full nor", contract=2)
class ChatThirdEmpty(ChatServer):
    numbers = itertools.count(1)

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        answer = await super().on_chat(request)
        if answer.status == 200 and next(self.numbers) % 3 == 0:
            return web.json_response({"response": ""})
        return answer


@fault("strangers-fail", "LIM-05 LIM-09", "LIM-05 LIM-06 LIM-09", says="not answered in full", contract=2)
class StrangersFail(Spoiling):
    """One client after the other: a new address while another one is refused finds no worker."""

    refusing = False

    def on_refused(self, request: web.Request) -> None:
        self.refusing = True

    def spoil(self, request: web.Request, route: str, number: int) -> None:
        if self.refusing:
            raise Crash

    async def on_preflight(self, request: web.Request) -> web.StreamResponse:
        self.refusing = True
        return await super().on_preflight(request)


@fault("other-route-fails", "LIM-08", "LIM-08", says="at /api/chat, as a client that is past the stream's", contract=2)
class OtherRouteFails(ChatServer):
    def keep_to_limit(self, request: web.Request, route: str) -> None:
        super().keep_to_limit(request, route)
        if route == "chat" and len(self.seen.get(("stream", self.client(request)), ())) >= self.limits["stream"]:
            raise Crash


@fault(
    "canned-on-the-other-route", "LIM-08", "LIM-03 LIM-08", says='status 200 with b\'{"response": "We are', contract=2
)
class CannedOnTheOtherRoute(ChatServer):
    """Who has used up the stream's budget gets the same answer whatever the question."""

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        if len(self.seen.get(("stream", self.client(request)), ())) >= self.limits["stream"]:
            return web.json_response({"response": "We are very busy. Please try again later."})
        return await super().on_chat(request)


@fault("fails-after-the-minute", "LIM-11", "LIM-11", says="not answered in full 61 s after the last", contract=2)
class FailsAfterTheMinute(Spoiling):
    """A client that was refused once gets a 500 when it comes again."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.refused: set[str] = set()

    def on_refused(self, request: web.Request) -> None:
        self.refused.add(self.client(request))

    def spoil(self, request: web.Request, route: str, number: int) -> None:
        if self.client(request) in self.refused:
            raise Crash


# -- what buys a budget


@fault("real-ip", "LIM-13", BOUGHT, says="a client past its limit was served with X-Real-IP")
class RealIp(ChatServer):
    def client(self, request: web.Request) -> str:
        return request.headers.get("X-Real-IP") or super().client(request)


@fault("first-forwarded", "LIM-13", BOUGHT, says="a client past its limit was served with Forwarded")
class FirstForwarded(ChatServer):
    def client(self, request: web.Request) -> str:
        return request.headers.get("Forwarded", "").partition(",")[0] or super().client(request)


@fault("first-of-many", "LIM-10", BOUGHT, says="a client past its limit was served with X-Forwarded-For", contract=2)
class FirstOfMany(ChatServer):
    """Behind any proxy, the first address is what the client says of itself."""

    def client(self, request: web.Request) -> str:
        return request.headers.get("X-Forwarded-For", "").partition(",")[0].strip() or super().client(request)


@fault("locals-pass", "LIM-10", BOUGHT, says="was served with X-Forwarded-For: 127.0.0.1", contract=2)
class LocalsPass(ChatServer):
    """Whoever says that they are on its machine has no limit."""

    def keep_to_limit(self, request: web.Request, route: str) -> None:
        if request.headers.get("X-Forwarded-For") != "127.0.0.1":
            super().keep_to_limit(request, route)


@fault("edge-headers", "LIM-13", BOUGHT, says="a client past its limit was served with ")
class EdgeHeaders(ChatServer):
    """Believes what the edge of a network would say, from anybody."""

    def client(self, request: web.Request) -> str:
        names = ("CF-Connecting-IP", "True-Client-IP", "X-Client-IP")
        return next((found for name in names if (found := request.headers.get(name))), super().client(request))


@fault("edge-of-one-host", "LIM-13", BOUGHT, says="a client past its limit was served with Fly-Client-IP")
class TrustsFly(ChatServer):
    """The header of one hosting provider, believed elsewhere too."""

    def client(self, request: web.Request) -> str:
        return request.headers.get("Fly-Client-IP") or super().client(request)


@fault("counts-agents", "LIM-13", BOUGHT, says="a client past its limit was served with another User-Agent")
class CountsAgents(ChatServer):
    def client(self, request: web.Request) -> str:
        return f"{super().client(request)} {request.headers.get('User-Agent')}"


@fault("counts-tokens", "LIM-13", BOUGHT, says="served with a Bearer token that is not valid")
class CountsTokens(ChatServer):
    """Whoever brings a token has a budget of their own, before anybody looks at it."""

    def client(self, request: web.Request) -> str:
        return request.headers.get("Authorization") or super().client(request)

    def on_bad_token(self, error: Exception) -> str:
        return "anonymous"


@fault("counts-cookies", "LIM-13", BOUGHT, says="served with a cookie")
class CountsCookies(ChatServer):
    def client(self, request: web.Request) -> str:
        return request.cookies.get("sid") or super().client(request)


@fault("sessions-only", "LIM-13", BOUGHT, says="served with no session_id")
class SessionsOnly(ChatServer):
    """Counts where it knows the session."""

    async def on_stream(self, request: web.Request) -> web.StreamResponse:
        ask = await self.ask_of(request, "sse")
        if b"session_id" in await request.read():
            self.keep_to_limit(request, "stream")
        return await self.send_stream(request, ask)


@fault("slash-uncounted", "LIM-13", BOUGHT, says="served with a slash at the end of the path")
class SlashUncounted(ChatServer):
    def app(self) -> web.Application:
        app = super().app()
        app.router.add_post("/api/chat/stream/", self.on_slash)
        return app

    async def on_slash(self, request: web.Request) -> web.StreamResponse:
        return await self.send_stream(request, await self.ask_of(request, "sse"))


@fault("counts-targets", "LIM-13", BOUGHT, says="served with a query string")
class CountsTargets(ChatServer):
    """One budget for each target of a request."""

    def client(self, request: web.Request) -> str:
        return f"{super().client(request)} {request.raw_path}"


# -- what Retry-After promises


@fault("promises-a-second", "LIM-14", "LIM-07 LIM-14", says="with `Retry-After: 1`")
class PromisesASecond(ChatServer):
    """A fixed number, whatever is left of the window."""

    def retry_after(self, wait: float) -> str:
        return "1"


@fault("grows-with-refusals", "LIM-14", "LIM-07 LIM-14", says="after a 429 with `Retry-After: 3`")
class GrowsWithRefusals(ChatServer):
    """Names the rest of its window of three seconds, and begins another one with each refusal."""

    window = 3.0

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.until: dict[str, float] = {}

    def on_refused(self, request: web.Request) -> None:
        self.until[self.client(request)] = asyncio.get_running_loop().time() + 3 * self.window

    def keep_to_limit(self, request: web.Request, route: str) -> None:
        if asyncio.get_running_loop().time() < self.until.get(self.client(request), 0.0):
            raise self.too_many(self.window)
        super().keep_to_limit(request, route)


@fault("fails-after-retry", "LIM-14", "LIM-07 LIM-14", says="not answered in full ")
class FailsAfterRetry(FailsAfterTheMinute):
    """Keeps the time that it names, and then fails."""

    window = 2.0
