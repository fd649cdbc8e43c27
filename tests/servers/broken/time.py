"""Faults of servers that do not wait long enough, forget too soon, or say nothing for too long.

All of them are judged with shorter waits (`hurried`): what takes them 2 s here takes the servers of this world 30 s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import aiohttp
from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Config, Message, ProviderFailed, Refused, Session
from tests.servers.plain_server import ChatServer

IDLE = 2.0  # seconds after which these servers lose interest
WHILE = 5.0  # seconds of a reply


class Hurried(ChatServer):
    """Judged with shorter waits, so its comments come sooner too."""

    hurried = True
    pulse = 1.0


@fault("deadline-from-the-request", "ERR-07", "ERR-07", says="while the provider was talking")
class DeadlineFromTheRequest(Hurried):
    """Its HTTP client counts the timeout from the request, whatever comes."""

    def patience(self, timeout: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=timeout)


@fault("gives-up-early", "ERR-07", "ERR-07", says="s before its first token")
class GivesUpEarly(Hurried):
    """After half of its timeout."""

    def patience(self, timeout: float) -> aiohttp.ClientTimeout:
        return super().patience(timeout / 2)


@fault("ignores-its-timeout", "ERR-07", "ERR-07", says="with PROVIDER_TIMEOUT=4")
class IgnoresItsTimeout(Hurried):
    """Whatever PROVIDER_TIMEOUT says, it waits no longer than always."""

    def patience(self, timeout: float) -> aiohttp.ClientTimeout:
        return super().patience(min(timeout, IDLE))


class _Impatient(Hurried):
    """Gives up some replies after half of its timeout."""

    def is_impatient(self, ask: Ask, count: int) -> bool:
        """Whether it is, with `count` tokens so far."""
        raise NotImplementedError

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        count = 0
        async with aclosing(super().tokens(messages, ask)) as tokens:
            while True:
                wait = self.config.timeout / 2 if self.is_impatient(ask, count) else None
                try:
                    token = await asyncio.wait_for(anext(tokens), wait)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise ProviderFailed("The language model is slow.") from None
                count += 1
                yield token


@fault("impatient-in-mid-reply", "ERR-07", "ERR-07", says="s between two tokens")
class ImpatientInMidReply(_Impatient):
    """Over Socket.IO, between two tokens only."""

    def is_impatient(self, ask: Ask, count: int) -> bool:
        return ask.over == "socket" and count > 0


@fault("impatient-on-chat", "ERR-07", "ERR-07", says="/api/chat: status 502")
class ImpatientOnChat(_Impatient):
    def is_impatient(self, ask: Ask, count: int) -> bool:
        return ask.over == "chat"


@fault("deadline-of-chat", "ERR-07", "ERR-07", says="/api/chat: status 504")
class DeadlineOfChat(Hurried):
    """A router in front gives up what takes longer than its deadline, streams excepted."""

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(WHILE):
                return await super().on_chat(request)
        except TimeoutError:
            raise Refused(504, "Gateway timeout.") from None


@fault("impatient-for-headers", "ERR-07", "ERR-07", says="/api/chat/stream: error event")
class ImpatientForHeaders(Hurried):
    """Waits for the provider's headers half as long as for its tokens, as HTTP clients with two timeouts do."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.deadlines: dict[asyncio.Task[Any] | None, asyncio.Timeout] = {}

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        try:
            async with (
                asyncio.timeout(self.config.timeout / 2) as deadline,
                aclosing(super().tokens(messages, ask)) as tokens,
            ):
                self.deadlines[asyncio.current_task()] = deadline
                async for token in tokens:
                    yield token
        except TimeoutError:
            raise ProviderFailed("The language model is slow.") from None

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        self.deadlines[asyncio.current_task()].reschedule(None)
        async with aclosing(super().provider_events(chunks)) as events:
            async for event in events:
                yield event


@fault("worker-killed", "ERR-07", "ERR-07", says="while the provider was talking")
class WorkerKilled(Hurried):
    """Below the framework, as gunicorn ends a worker of which it has heard nothing for 30 s."""

    async def before_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        assert request.transport is not None
        asyncio.get_running_loop().call_later(WHILE + 0.6, request.transport.abort)


@fault("cuts-long-replies", "ERR-07", "ERR-07", says="a completion")
class CutsLongReplies(Hurried):
    """As if the model had come to its end."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                yield token
                if time.monotonic() - ask.began > WHILE:
                    return


@fault("silent-while-it-waits", "SSE-13", "SSE-13", says="nothing came for 3.0 s")
class SilentWhileItWaits(Hurried):
    pulse = 600.0


@fault("comments-need-a-token", "SSE-13", "SSE-13", says="nothing came for 3.0 s")
class CommentsNeedAToken(Hurried):
    """They begin with the reply's first event, when the worst wait is over."""

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        response = web.StreamResponse(headers=self.stream_headers(request))
        await response.prepare(request)
        pulse: asyncio.Task[None] | None = None
        try:
            async with aclosing(self.reply(ask)) as events:
                async for event in events:
                    await self.send_event(response, event)
                    pulse = pulse or asyncio.create_task(self.send_pulses(response))
        finally:
            if pulse:
                pulse.cancel()
        return response


@fault("comments-for-ever", "SSE-13", "SSE-13", says="s after the provider's last byte")
class CommentsForEver(Hurried):
    """Each comment is taken for a sign of life of the provider: its error never comes."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        try:
            async with aclosing(super().tokens(messages, ask)) as tokens:
                async for token in tokens:
                    yield token
        except ProviderFailed:
            await asyncio.sleep(600)


@fault("lets-proxies-buffer", "SSE-13", "SSE-13", says="X-Accel-Buffering: None")
class LetsProxiesBuffer(Hurried):
    def stream_headers(self, request: web.Request) -> dict[str, str]:
        headers = super().stream_headers(request)
        del headers["X-Accel-Buffering"]
        return headers


class _WatchesSockets(Hurried):
    """Knows how long each socket has said nothing."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.heard: dict[str, float] = {}

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        await super().on_connect(sid, environ, auth)
        self.heard[sid] = time.monotonic()

    def is_idle(self, sid: str) -> bool:
        return time.monotonic() - self.heard.get(sid, 0.0) > IDLE

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        self.heard[sid] = time.monotonic()
        await super().on_chat_stream(sid, *args)


@fault("forgets-idle-sockets", "SIO-19", "SIO-19", says="a socket that was never asked, idle for 3 s: 0 tokens")
class ForgetsIdleSockets(_WatchesSockets):
    """Their asks get no answer."""

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        if not self.is_idle(sid):
            await super().on_chat_stream(sid, *args)


@fault("closes-idle-sockets", "SIO-19", "SIO-19", says="the server closed it after 2 s")
class ClosesIdleSockets(_WatchesSockets):
    """Although they answer each ping."""

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        await super().on_connect(sid, environ, auth)
        asyncio.get_running_loop().call_later(IDLE + 0.1, self.close_if_idle, sid, environ)

    def close_if_idle(self, sid: str, environ: dict[str, Any]) -> None:
        if self.is_idle(sid):
            task = asyncio.create_task(self.sio.disconnect(sid))
            self.background.add(task)
            task.add_done_callback(self.background.discard)


@fault("idle-connections-cut", "SIO-19", "SIO-19", says="the server closed it after 2 s")
class IdleConnectionsCut(ClosesIdleSockets):
    """Below the framework, as a proxy does for which pings do not count. Over WebSocket only."""

    def close_if_idle(self, sid: str, environ: dict[str, Any]) -> None:
        transport = environ["aiohttp.request"].transport
        if self.is_idle(sid) and transport and environ.get("QUERY_STRING", "").find("websocket") >= 0:
            transport.abort()


class _Forgets(Hurried):
    """Knows when each session was last used."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.used: dict[int, float] = {}

    def is_old(self, session: Session | None) -> bool:
        return session is not None and time.monotonic() - self.used.get(id(session), time.monotonic()) > IDLE

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        self.used[id(session)] = time.monotonic()
        super().keep(session, ask, answer)


@fault("short-memory", "SES-16", "SES-16", says="status 404")
class ShortMemory(_Forgets):
    def messages_in(self, session_id: str) -> int | None:
        if self.is_old(self.sessions.get(session_id)):
            del self.sessions[session_id]
        return super().messages_in(session_id)


@fault("remembers-the-count-only", "SES-16", "SES-16", says="s the provider got")
class RemembersTheCountOnly(_Forgets):
    """The history for the provider is in a cache; GET reads the number from elsewhere."""

    def prompt(self, session: Session, message: str) -> list[Message]:
        whole = super().prompt(session, message)
        return whole[-1:] if self.is_old(session) else whole


@fault("counts-from-new", "SES-16", "SES-16", says="messages")
class CountsFromNew(_Forgets):
    """An old session is emptied instead of removed."""

    def messages_in(self, session_id: str) -> int | None:
        return 0 if self.is_old(self.sessions.get(session_id)) else super().messages_in(session_id)
