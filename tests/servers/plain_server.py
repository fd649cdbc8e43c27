"""A chat server that keeps the contract, in another stack than the reference: aiohttp and python-socketio.

It shares no code with the rest of the project. Its methods are small, so that `broken` and `legal` can change one
thing each.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import aiohttp
import socketio  # type: ignore[import-untyped]  # it ships no types
from aiohttp import web

from tests.servers.doors import Identity, Limits, Origins
from tests.servers.parts import (
    ANONYMOUS,
    MAX_BODY,
    SESSIONS,
    Ask,
    Config,
    Event,
    Message,
    ProviderFailed,
    Refused,
    Session,
    is_unicode,
    name_of,
)
from tests.servers.upstream import Upstream

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ChatServer(Limits, Identity, Origins, Upstream):
    """The server. A process may hold several, a port each."""

    hears_hang_ups = True  # a request is cancelled as soon as its client has gone
    closes_upstream = True  # a connection to the provider is used once
    first_count = 1
    pulse = 15.0  # seconds between two comments

    def __init__(self, config: Config) -> None:
        self.config = config
        self.sessions: dict[str, Session] = {}
        self.seen: dict[tuple[str, ...], deque[float]] = {}
        self.running: dict[str, asyncio.Task[Any]] = {}
        self.background: set[asyncio.Task[Any]] = set()
        self.socket_users: dict[str, str] = {}
        self.sio = socketio.AsyncServer(
            async_mode="aiohttp",
            ping_interval=3,
            ping_timeout=3,
            cors_allowed_origins=self.socket_origins(),
            monitor_clients=True,
        )
        self.sio.on("connect", self.on_connect)
        self.sio.on("chat_stream", self.on_chat_stream)
        self.sio.on("disconnect", self.on_disconnect)

    # -- serving

    async def start(self, port: int = 0) -> int:
        """Listen on `port` of 127.0.0.1 (0: one that the system picks), and return the port."""
        connector = aiohttp.TCPConnector(limit=0, force_close=self.closes_upstream)
        self.upstream = aiohttp.ClientSession(connector=connector, timeout=self.patience(self.config.timeout))
        self.runner = web.AppRunner(
            self.app(), handler_cancellation=self.hears_hang_ups, access_log=None, shutdown_timeout=0.1
        )
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", port, backlog=512).start()
        return int(self.runner.addresses[0][1])

    def patience(self, timeout: float) -> aiohttp.ClientTimeout:
        """With a provider that says nothing for `timeout` seconds."""
        return aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)

    async def stop(self) -> None:
        """Stop listening, and end every reply that is under way."""
        for task in [*self.background, *self.running.values()]:
            task.cancel()
        await self.sio.shutdown()
        await self.runner.cleanup()
        await self.upstream.close()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self.as_json], client_max_size=MAX_BODY)
        app.router.add_post("/api/chat/stream", self.on_stream)
        app.router.add_post("/api/chat", self.on_chat)
        app.router.add_options("/api/{rest:.*}", self.on_preflight)
        app.router.add_get(SESSIONS + "{name:.*}", self.on_get_session)
        app.router.add_delete(SESSIONS + "{name:.*}", self.on_delete_session)
        app.on_response_prepare.append(self.add_cors)
        self.sio.attach(app)
        return app

    @web.middleware
    async def as_json(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Errors are JSON."""
        try:
            return await handler(request)
        except Refused as refused:
            return self.refusal(refused)
        except web.HTTPException as error:
            return self.refusal(Refused(error.status, error.reason))
        except Exception:
            return self.refusal(Refused(500, "Something went wrong."))

    def refusal(self, refused: Refused) -> web.Response:
        return web.json_response({"error": refused.text}, status=refused.status, headers=refused.headers)

    # -- the request

    async def on_stream(self, request: web.Request) -> web.StreamResponse:
        self.keep_to_limit(request, "stream")
        ask = await self.ask_of(request, "sse")
        response = await self.send_stream(request, ask)
        await self.after_stream(request, response)
        return response

    async def ask_of(self, request: web.Request, over: str) -> Ask:
        """What a request asks, in whose name."""
        user = self.user_of(request)
        ask = self.read_ask(await self.read_object(request), over)
        ask = replace(ask, user=user, session_id=self.own_name(ask.session_id, user))
        self.need_owner(ask.session_id, user, over)
        return ask

    async def read_object(self, request: web.Request) -> Any:
        try:
            return json.loads((await request.read()).decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise Refused(400, "The body must be JSON.") from error

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        if not isinstance(body, dict):
            raise Refused(400, "A JSON object is needed.")
        message, session_id = body.get("message"), body.get("session_id")
        if not isinstance(message, str) or not self.is_message(message):
            raise Refused(400, "message: a text is needed.")
        if session_id is None:
            session_id = default_session or self.new_session_id()
        if not isinstance(session_id, str) or not self.is_session_id(session_id):
            raise Refused(400, "session_id: a text is needed.")
        return Ask(message, session_id, over)

    def is_message(self, text: str) -> bool:
        return is_unicode(text) and text.strip() != ""

    def is_session_id(self, text: str) -> bool:
        return is_unicode(text)

    def new_session_id(self) -> str:
        return uuid.uuid4().hex

    # -- a reply

    async def reply(self, ask: Ask) -> AsyncGenerator[Event, None]:
        """Tokens, and then a completion or an error."""
        session = self.session_of(ask)
        partial, count, first_at = "", self.first_count - 1, 0.0
        self.on_begin(session, ask)
        try:
            async with aclosing(self.tokens(self.prompt(session, ask.message), ask)) as tokens:
                async for token in tokens:
                    count += 1
                    first_at = first_at or time.monotonic()
                    partial += token
                    yield self.token_event(token, count, partial)
        except ProviderFailed as failure:
            async for event in self.on_failure(failure, count, partial, ask):
                yield event
            return
        except (asyncio.CancelledError, GeneratorExit):
            self.on_interrupted(session, ask, partial)
            raise
        if self.is_kept(partial):
            self.keep(session, ask, partial)
        yield self.completion(count, partial, ask, first_at)

    def token_event(self, token: str, count: int, partial: str) -> Event:
        return {"token": token, "count": count, "partial": partial}

    def completion(self, count: int, partial: str, ask: Ask, first_at: float) -> Event:
        duration = self.duration(ask, first_at)
        return {
            "done": True,
            "tokens": count,
            "duration": duration,
            "tokens_per_second": self.speed(count, duration),
            "full_response": self.full_response(partial),
            "user": ask.user,
            "timestamp": self.timestamp(),
        }

    def duration(self, ask: Ask, first_at: float) -> float:
        return round(time.monotonic() - ask.began, 3)

    def speed(self, tokens: int, duration: float) -> float:
        return round(tokens / duration, 2) if duration else 0.0

    def full_response(self, partial: str) -> str:
        return partial

    def timestamp(self) -> Any:
        return datetime.now().isoformat()

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        yield {"error": self.error_text(failure)}

    def error_text(self, failure: ProviderFailed) -> str:
        return str(failure)

    # -- sessions

    def key(self, session_id: str, over: str = "sse") -> str:
        return session_id

    def session_of(self, ask: Ask) -> Session:
        return self.sessions.setdefault(self.key(ask.session_id, ask.over), Session(owner=ask.user))

    def need_owner(self, session_id: str, user: str, over: str = "sse") -> None:
        """Sessions of known users are theirs alone. Raises Refused."""
        session = self.sessions.get(self.key(session_id, over))
        if session and session.owner not in (user, ANONYMOUS):
            raise Refused(404, "No such session.")

    def own_name(self, session_id: str, user: str) -> str:
        """What a user's session is called inside."""
        return session_id

    def prompt(self, session: Session, message: str) -> list[Message]:
        return [*session.messages, {"role": "user", "content": message}]

    def on_begin(self, session: Session, ask: Ask) -> None:
        """A reply begins."""

    def on_interrupted(self, session: Session, ask: Ask, partial: str) -> None:
        """A client left its reply."""

    def is_kept(self, answer: str) -> bool:
        """Whether an exchange with that answer is kept: providers refuse a history with an empty message."""
        return answer != ""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        """An exchange is whole."""
        session.messages += [{"role": "user", "content": ask.message}, {"role": "assistant", "content": answer}]

    def forget(self, session_id: str) -> bool:
        return self.sessions.pop(self.key(session_id), None) is not None

    def messages_in(self, session_id: str) -> int | None:
        session = self.sessions.get(self.key(session_id))
        return None if session is None else len(session.messages)

    def session_named(self, request: web.Request) -> str:
        """The id in the path; the path as it came, so that an encoded slash stays one."""
        return unquote(request.raw_path.partition("?")[0].removeprefix(SESSIONS))

    async def on_get_session(self, request: web.Request) -> web.StreamResponse:
        name, user = self.session_named(request), self.user_of(request)
        self.need_owner(self.own_name(name, user), user)
        count = self.messages_in(self.own_name(name, user))
        if count is None:
            raise Refused(404, "No such session.")
        return web.json_response({"session_id": name, "messages": count, "timestamp": datetime.now().isoformat()})

    async def on_delete_session(self, request: web.Request) -> web.StreamResponse:
        user = self.user_of(request)
        name = self.own_name(self.session_named(request), user)
        self.need_owner(name, user)
        if not self.forget(name):
            raise Refused(404, "No such session.")
        return web.json_response({"success": True, "message": "Session deleted"})

    # -- SSE

    async def send_stream(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        response = web.StreamResponse(headers=self.stream_headers(request))
        await self.before_stream(request, response)
        await response.prepare(request)
        pulse = asyncio.create_task(self.send_pulses(response))
        try:
            async with aclosing(self.reply(ask)) as events:
                async for event in events:
                    await self.send_event(response, event)
        finally:
            pulse.cancel()
        return response

    async def send_pulses(self, response: web.StreamResponse) -> None:
        """Comments, so that no proxy takes the stream for dead while the provider is silent."""
        while True:
            await asyncio.sleep(self.pulse)
            await self.write(response, b": still here\n\n")

    def stream_headers(self, request: web.Request) -> dict[str, str]:
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"}
        return {**headers, "X-Accel-Buffering": "no"}

    async def before_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        """The headers are not sent yet."""

    async def after_stream(self, request: web.Request, response: web.StreamResponse) -> None:
        """All events are sent."""

    async def send_event(self, response: web.StreamResponse, event: Event) -> None:
        await self.write(response, self.encode(event))

    def encode(self, event: Event) -> bytes:
        return f"data: {self.dumps(event)}\n\n".encode()

    def dumps(self, event: Event) -> str:
        return json.dumps(event, ensure_ascii=False, separators=(",", ":"))

    async def write(self, response: web.StreamResponse, data: bytes) -> None:
        with suppress(ConnectionResetError):
            await response.write(data)
            return
        raise asyncio.CancelledError  # the client has gone

    # -- /api/chat

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        self.keep_to_limit(request, "chat")
        ask = await self.ask_of(request, "chat")
        text = ""
        async with aclosing(self.reply(ask)) as events:
            async for event in events:
                if "error" in event:
                    return self.chat_failure(event["error"])
                text += event.get("token", "")
        return web.json_response({"response": text, "session_id": ask.session_id})

    def chat_failure(self, error: str) -> web.Response:
        return web.json_response({"error": error}, status=502)

    # -- Socket.IO

    def socket_origins(self) -> Any:
        """What python-socketio takes as `cors_allowed_origins`."""
        return self.socket_is_allowed

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        try:
            self.socket_users[sid] = self.user_named(self.socket_token(environ, auth))
        except Refused as refused:
            raise socketio.exceptions.ConnectionRefusedError(refused.text) from refused

    def socket_token(self, environ: dict[str, Any], auth: Any) -> str:
        """The credential of a handshake, as an `Authorization` has it; empty where there is none."""
        return f"Bearer {auth['token']}" if isinstance(auth, dict) and "token" in auth else ""

    def socket_user(self, sid: str, payload: Any) -> str:
        return self.socket_users.get(sid, ANONYMOUS)

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        try:
            ask = self.read_ask(args[0] if args else None, "socket", self.socket_session(sid))
            user = self.socket_user(sid, args[0] if args else None)
            ask = replace(ask, user=user, session_id=self.own_name(ask.session_id, user))
            self.need_owner(ask.session_id, ask.user, ask.over)
            self.take_turn(sid)
        except Refused as refused:
            await self.emit(sid, {"error": refused.text}, None)
            return
        try:
            async with aclosing(self.reply(ask)) as events:
                async for event in events:
                    await self.emit(sid, event, ask)
        finally:
            self.running.pop(sid, None)

    def socket_session(self, sid: str) -> str | None:
        return f"the default of socket {sid}"

    def take_turn(self, sid: str) -> None:
        if sid in self.running:
            raise Refused(409, "One at a time, please.")
        task = asyncio.current_task()
        assert task is not None
        self.running[sid] = task

    async def emit(self, sid: str, event: Event, ask: Ask | None) -> None:
        await self.sio.emit(name_of(event), event, to=sid)

    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        self.socket_users.pop(sid, None)
        if task := self.running.get(sid):
            task.cancel()
