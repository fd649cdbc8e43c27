"""Faults of `/api/chat` alone, which the rows CHAT-04 to CHAT-08 notice."""

from __future__ import annotations

import asyncio
import html
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from aiohttp import web

from tests.servers.broken.fault import fault
from tests.servers.parts import Ask, Config, Message, ProviderFailed, Refused, Session
from tests.servers.plain_server import ChatServer

BODIES, TEXT, MEMORY, SILENCE, LEAVING = (f"CHAT-01 CHAT-0{number}" for number in (4, 5, 6, 7, 8))

BUFFER = 64  # bytes


class _OwnReading(ChatServer):
    """`/api/chat` reads its body in a way of its own."""

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        self.keep_to_limit(request, "chat")
        return await self.answer_in_one(await self.chat_ask(request))

    async def chat_ask(self, request: web.Request) -> Ask:
        raise NotImplementedError

    async def answer_in_one(self, ask: Ask) -> web.StreamResponse:
        text = ""
        async for event in self.reply(ask):
            if "error" in event and self.is_failure(text):
                return self.chat_failure(event["error"])
            text += event.get("token", "")
        return web.json_response({"response": text})

    def is_failure(self, text: str) -> bool:
        """Whether an error is one, after `text` has come."""
        return True


@fault("chat-crashes-on-bad-bodies", "CHAT-04", BODIES, says="an empty body: status 500")
class CrashesOnBadBodies(_OwnReading):
    async def chat_ask(self, request: web.Request) -> Ask:
        return self.read_ask(json.loads(await request.text()), "chat")


@fault("chat-takes-anything", "CHAT-04", BODIES, says='"message": 5')
class TakesAnything(_OwnReading):
    """Whatever stands in `message` becomes a text."""

    async def chat_ask(self, request: web.Request) -> Ask:
        body = await self.read_object(request)
        if not isinstance(body, dict) or not body.get("message"):
            raise Refused(400, "message: a text is needed.")
        return self.read_ask({**body, "message": str(body["message"])}, "chat")


@fault("chat-hashes-ids", "CHAT-04", BODIES, says='"session_id": []}: status 500')
class HashesIds(_OwnReading):
    """An id that is a list cannot be a key."""

    async def chat_ask(self, request: web.Request) -> Ask:
        body = await self.read_object(request)
        if isinstance(body, dict):
            name: Any = body.get("session_id")
            self.sessions.get(name)
        return self.read_ask(body, "chat")


@fault("chat-drops-bad-bodies", "CHAT-04", BODIES, says="no answer")
class DropsBadBodies(_OwnReading):
    """Its parser gives up, and with it the connection."""

    async def chat_ask(self, request: web.Request) -> Ask:
        try:
            return self.read_ask(await self.read_object(request), "chat")
        except Refused:
            assert request.transport is not None
            request.transport.close()
            raise


class _ChatText(ChatServer):
    """What `/api/chat` makes of a text."""

    def read_ask(self, body: Any, over: str = "sse", default_session: str | None = None) -> Ask:
        ask = super().read_ask(body, over, default_session)
        return Ask(self.asked(ask.message), ask.session_id, over) if over == "chat" else ask

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        answer = await super().on_chat(request)
        if not isinstance(answer, web.Response) or answer.status != 200 or answer.text is None:
            return answer
        body = json.loads(answer.text)
        return web.json_response({**body, "response": self.answered(body["response"])})

    def asked(self, text: str) -> str:
        return text

    def answered(self, text: str) -> str:
        return text


@fault("chat-cuts-messages", "CHAT-05", TEXT)
class CutsMessages(_ChatText):
    """A column of 500 characters."""

    def asked(self, text: str) -> str:
        return text[:500]


@fault("chat-escapes-messages", "CHAT-05", TEXT, says="&lt;angle&gt;")
class EscapesMessages(_ChatText):
    def asked(self, text: str) -> str:
        return html.escape(text, quote=False)


@fault("chat-collapses-replies", "CHAT-05", TEXT, says="the reply differs at character")
class CollapsesReplies(_ChatText):
    def answered(self, text: str) -> str:
        return " ".join(text.split())


@fault("chat-cuts-replies", "CHAT-05", TEXT, says="the reply differs at character 999 (of 999")
class CutsReplies(_ChatText):
    def answered(self, text: str) -> str:
        return text[:1000]


@fault("chat-loses-split-characters", "CHAT-05", TEXT, says="instead of")
class LosesSplitCharacters(ChatServer):
    """Its own client of the provider decodes each bufferful by itself."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        self.is_careless = ask.over == "chat"
        async for token in super().tokens(messages, ask):
            yield token

    async def provider_events(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
        async for data in super().provider_events(_mended(chunks) if self.is_careless else chunks):
            yield data


async def _mended(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        for start in range(0, len(chunk), BUFFER):
            yield chunk[start : start + BUFFER].decode(errors="ignore").encode()


class _ChatMemory(ChatServer):
    """Where `/api/chat` keeps what was said."""

    def key(self, session_id: str, over: str = "sse") -> str:
        return self.chat_key(session_id) if over == "chat" else session_id

    def chat_key(self, session_id: str) -> str:
        return session_id


@fault("chat-forgets", "CHAT-06", MEMORY, says="second request of a session lacks")
class Forgets(_OwnReading):
    """It asks with the last message only."""

    async def chat_ask(self, request: web.Request) -> Ask:
        ask = await self.ask_of(request, "chat")
        self.sessions.pop(self.key(ask.session_id), None)
        return ask


@fault("chat-one-history", "CHAT-06", MEMORY, says="what was said in a session with an id went to the provider")
class OneHistory(_ChatMemory):
    """All users of the route share it."""

    def chat_key(self, session_id: str) -> str:
        return "chat"


@fault("chat-shares-without-id", "CHAT-06", MEMORY, says="what was said in other asks without one went to the provider")
class SharesWithoutId(_OwnReading):
    async def chat_ask(self, request: web.Request) -> Ask:
        body = await self.read_object(request)
        return self.read_ask(body, "chat", "default")


@fault("chat-history-of-an-address", "CHAT-06", MEMORY, says="what was said in other asks without one went to the")
class HistoryOfAnAddress(_OwnReading):
    """Whoever comes from one house is one person."""

    async def chat_ask(self, request: web.Request) -> Ask:
        return self.read_ask(await self.read_object(request), "chat", f"guest at {request.remote}")


@fault("chat-mixes-at-once", "CHAT-06", MEMORY, says="session")
class MixesAtOnce(ChatServer):
    """One variable holds the session of the route: who comes meanwhile gets what was said."""

    def on_begin(self, session: Session, ask: Ask) -> None:
        self.current = session

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(self.current if ask.over == "chat" else session, ask, answer)


@fault("chat-forgets-replies", "CHAT-06", MEMORY, says="second request of a session lacks")
class ForgetsReplies(ChatServer):
    """It stores what users say, and not what was answered."""

    def keep(self, session: Session, ask: Ask, answer: str) -> None:
        super().keep(session, ask, answer)
        if ask.over == "chat":
            del session.messages[-1]


@fault("chat-patient", "CHAT-07", SILENCE, says="no answer: nothing for")
class WaitsForEver(ChatServer):
    """No timeout."""

    def __init__(self, config: Config) -> None:
        super().__init__(replace(config, timeout=3600.0))


@fault("chat-answers-with-what-it-has", "CHAT-07", SILENCE, says="status 200 with")
class AnswersWithWhatItHas(_OwnReading):
    """A failure after the first token is no failure."""

    async def chat_ask(self, request: web.Request) -> Ask:
        return await self.ask_of(request, "chat")

    def is_failure(self, text: str) -> bool:
        return text == ""


class _OfItsOwn(ChatServer):
    """The reply belongs to a task of its own, which goes on when its client has left. `left`: such tasks."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.left: set[asyncio.Task[Any] | None] = set()

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.create_task(super().on_chat(request))
        self.background.add(task)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self.left.add(task)
            raise


@fault("chat-not-cancelled", "CHAT-08", LEAVING, says="stayed open")
class NotCancelled(_OfItsOwn):
    pass


@fault("chat-deaf-in-silence", "CHAT-08", LEAVING, says="stayed open")
class DeafInSilence(_OfItsOwn):
    """It looks for its client after each token, and not between them."""

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                if asyncio.current_task() in self.left:
                    raise ProviderFailed("The client has gone.")
                yield token


@fault("chat-tells-the-last-answer", "CHAT-02", "CHAT-01 CHAT-02", contract=2)
class ChatLastAnswer(ChatServer):
    """Answers with the newest answer in its session: an old one, where the model said nothing."""

    async def on_chat(self, request: web.Request) -> web.StreamResponse:
        self.keep_to_limit(request, "chat")
        ask = await self.ask_of(request, "chat")
        async with aclosing(self.reply(ask)) as events:
            async for event in events:
                if "error" in event:
                    return self.chat_failure(event["error"])
        answers = [one["content"] for one in self.session_of(ask).messages if one["role"] == "assistant"]
        return web.json_response({"response": answers[-1] if answers else "", "session_id": ask.session_id})
