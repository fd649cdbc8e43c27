"""Faults that SIO-15 to SIO-18 notice: what holds over SSE does not hold over Socket.IO."""

from __future__ import annotations

import copy
import html
import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import aiohttp

from tests.servers.broken.fault import fault
from tests.servers.engine_sockets import EngineSockets
from tests.servers.parts import Ask, Config, Event, Message, ProviderFailed, Session, is_unicode
from tests.servers.plain_server import ChatServer

SOCKET = "socket"  # how `Ask.over` calls it


@fault("socket-crashes-on-odd-ids", "SIO-15", "SIO-01 SIO-15", says="session_id 5: 0 tokens, no terminal event")
class CrashesOnOddIds(ChatServer):
    """The handler of the socket takes every id for a text, and nobody hears that it failed."""

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        body = args[0] if args else None
        if isinstance(body, dict) and isinstance(body.get("session_id", ""), str):
            await super().on_chat_stream(sid, *args)


@fault("socket-closed-by-a-surrogate", "SIO-15", "SIO-01 SIO-15", says="and a lone surrogate in the message: ")
class ClosesOnSurrogates(EngineSockets):
    """Below the framework: what cannot be decoded closes the connection."""

    def change(self, engine: Any, polls: bool) -> None:
        receive = engine.receive

        async def receive_unicode(packet: Any) -> None:
            if str(packet.data).startswith("2") and not is_unicode(
                json.dumps(json.loads(packet.data[1:]), ensure_ascii=False)
            ):
                await engine.close(wait=False)
            await receive(packet)

        engine.receive = receive_unicode


@fault("socket-ids-become-one", "SIO-15", "SIO-01 SIO-15", says="the provider also got")
class FoldsIds(ChatServer):
    """Over Socket.IO an id is the name of a room, for which odd characters are replaced."""

    def key(self, session_id: str, over: str = "sse") -> str:
        return re.sub(r"[^a-z0-9]+", "-", session_id) if over == SOCKET else session_id


@fault("socket-cuts-keys", "SIO-15", "SIO-01 SIO-15", says="session_id 'user:")
class CutsKeys(ChatServer):
    """Over Socket.IO an id is part of a key, which is split at its colons."""

    def key(self, session_id: str, over: str = "sse") -> str:
        return (session_id.split(":")[0] or session_id) if over == SOCKET else session_id


@fault("socket-escapes-html", "SIO-16", "SIO-01 SIO-16", says="&lt;")
class EscapesHtml(ChatServer):
    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        if over == SOCKET and isinstance(body, dict) and isinstance(body.get("message"), str):
            body = {**body, "message": html.escape(body["message"], quote=False)}
        return super().read_ask(body, over, default_session)


@fault("socket-cuts-text", "SIO-16", "SIO-01 SIO-16", says="of maany word")
class CutsText(ChatServer):
    """At a length that nobody documented, from the middle, so that both ends are there."""

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        if over == SOCKET and isinstance(body, dict) and len(message := str(body.get("message"))) > 1000:
            body = {**body, "message": f"{message[:500]}{message[-500:]}"}
        return super().read_ask(body, over, default_session)


class _Body:
    """A body that has come."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def read(self, size: int = -1) -> bytes:
        return self.data


@fault("polling-reads-latin-1", "SIO-16", "SIO-01 SIO-16", says="became 'â")
class ReadsLatin1(EngineSockets):
    """Below the framework: the bodies of polling are read in the default encoding of HTTP."""

    def change(self, engine: Any, polls: bool) -> None:
        handle = engine.handle_post_request

        async def handle_latin_1(environ: dict[str, Any]) -> None:
            body = (await environ["wsgi.input"].read()).decode("latin-1").encode()
            await handle({**environ, "CONTENT_LENGTH": str(len(body)), "wsgi.input": _Body(body)})

        engine.handle_post_request = handle_latin_1


@fault("socket-swallows-the-timeout", "SIO-17", "SIO-01 SIO-17", says="no error: ")
class SwallowsTheTimeout(ChatServer):
    """The task that reads from the provider ends, and nobody says so."""

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        if ask.over != SOCKET:
            yield {"error": self.error_text(failure)}


@fault("socket-completes-in-silence", "SIO-17", "SIO-01 SIO-17", says="a completion")
class CompletesInSilence(ChatServer):
    """What came so far is taken for the whole reply."""

    async def on_failure(
        self, failure: ProviderFailed, count: int, partial: str, ask: Ask
    ) -> AsyncGenerator[Event, None]:
        yield self.completion(count, partial, ask, 0.0) if ask.over == SOCKET else {"error": self.error_text(failure)}


@fault("socket-without-timeout", "SIO-17", "SIO-01 SIO-17", says="no error: ")
class WithoutTimeout(ChatServer):
    """Below the framework: asks of sockets go upstream through a client that waits for ever."""

    async def start(self, port: int = 0) -> int:
        self.patient = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        return await super().start(port)

    async def stop(self) -> None:
        await super().stop()
        await self.patient.close()

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        asker = copy.copy(self)
        if ask.over == SOCKET:
            asker.upstream = self.patient
        async with aclosing(ChatServer.tokens(asker, messages, ask)) as tokens:
            async for token in tokens:
                yield token


@fault("socket-is-the-session", "SIO-18", "SIO-01 SIO-18", says="on another socket: the provider's request lacks")
class SocketIsTheSession(ChatServer):
    """A history belongs to its socket, whatever the id says."""

    async def on_chat_stream(self, sid: str, *args: Any) -> None:
        if args and isinstance(args[0], dict):
            args = ({**args[0], "session_id": f"socket {sid}"},)
        await super().on_chat_stream(sid, *args)


@fault(
    "socket-asks-once-in-a-session", "SIO-18", "SIO-01 SIO-18", says="on the same socket: the provider's request lacks"
)
class LooksUpOnce(EngineSockets):
    """A socket reads the session when it first uses it, and goes on with what it read."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.read: dict[tuple[str, str], list[Message]] = {}

    def session_of(self, ask: Ask) -> Session:
        session = super().session_of(ask)
        if not (sid := self.asker()):
            return session
        read = self.read.setdefault((sid, ask.session_id), list(session.messages))
        return Session(list(read), session.owner)

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(super().session_of(ask), ask, answer)


@fault("socket-turns-history", "SIO-18", "SIO-01 SIO-18", says="in another order")
class TurnsHistory(ChatServer):
    """Over Socket.IO a reply is stored when it ends, and its question behind it."""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        exchange = [{"role": "user", "content": ask.message}, {"role": "assistant", "content": answer}]
        session.messages += exchange[::-1] if ask.over == SOCKET else exchange
