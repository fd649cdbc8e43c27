"""Servers of shapes that nobody else has: events that talk, think and say goodbye, and lines that hold all text so far.

`made-up.toml` and `lines.toml` beside this file describe them to the suite; nothing here knows of those tables.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, ClassVar

import socketio  # type: ignore[import-untyped]  # it ships no types
from aiohttp import web

from tests.servers.apis.stream_server import Frame, StreamServer
from tests.servers.parts import Ask, Config, Message, ProviderFailed, Refused


class MadeUpServer(StreamServer):
    """Server-sent events, a history that the server keeps, and Socket.IO."""

    path = "/v2/talk"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.threads: dict[str, list[Message]] = {}
        self.running: dict[str, asyncio.Task[Any]] = {}
        self.sio = socketio.AsyncServer(async_mode="aiohttp", ping_interval=3, ping_timeout=3, monitor_clients=True)
        self.sio.on("talk", self.on_talk)
        self.sio.on("disconnect", self.on_disconnect)

    def app(self) -> web.Application:
        app = super().app()
        self.sio.attach(app)
        return app

    async def stop(self) -> None:
        for task in list(self.running.values()):
            task.cancel()
        await self.sio.shutdown()
        await super().stop()

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        question, thread = body.get("question"), body.get("thread")
        if not isinstance(question, str) or not question.strip() or not isinstance(thread, str):
            raise Refused(422, "A question and a thread are needed.")
        return [*self.threads.get(thread, ()), {"role": "user", "content": question}]

    def ask_in(self, body: dict[str, Any], messages: list[Message], name: str) -> Ask:
        return Ask(messages[-1]["content"], body["thread"])

    async def tokens(self, messages: list[Message], ask: Ask) -> AsyncGenerator[str, None]:
        answer = ""
        async with aclosing(super().tokens(messages, ask)) as tokens:
            async for token in tokens:
                answer += token
                yield token
        said = [messages[-1], {"role": "assistant", "content": answer}]
        self.threads.setdefault(ask.session_id, []).extend(said)

    # -- over HTTP

    def refusal(self, text: str) -> dict[str, Any]:
        return {"fault": {"text": text}}

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [self.frame({"op": "begin", "ref": name}), self.frame({"op": "think", "piece": {"md": "Let me see."}})]

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        return [self.frame({"op": "say", "piece": {"md": token}})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.frame({"op": "bye", "ref": name}), b"data: -- over --\n\n"]

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.frame({"op": "oops", "fault": {"text": text}}), b"data: -- over --\n\n"]

    # -- over Socket.IO

    async def on_talk(self, sid: str, body: Any = None) -> None:
        try:
            messages = self.messages_of(body if isinstance(body, dict) else {})
            if sid in self.running:
                raise Refused(409, "One question at a time.")
        except Refused as refused:
            await self.emit(sid, "trouble", {"text": refused.text})
            return
        task = self.running[sid] = asyncio.create_task(self.answer(sid, messages, body))
        try:
            await task
        except asyncio.CancelledError:
            return
        finally:
            self.running.pop(sid, None)

    async def answer(self, sid: str, messages: list[Message], body: dict[str, Any]) -> None:
        try:
            async with aclosing(self.tokens(messages, self.ask_in(body, messages, sid))) as tokens:
                async for token in tokens:
                    await self.emit(sid, "piece", token)
        except ProviderFailed as failure:
            await self.on_socket_failure(sid, str(failure))
            return
        await self.emit(sid, "finished", None)

    async def on_socket_failure(self, sid: str, text: str) -> None:
        await self.emit(sid, "trouble", {"text": text})

    async def emit(self, sid: str, name: str, data: Any) -> None:
        await self.sio.emit(name, data, to=sid)

    async def on_disconnect(self, sid: str, _reason: str = "") -> None:
        if task := self.running.get(sid):
            task.cancel()


class NamingServer(MadeUpServer):
    """It chooses the id of a conversation, and knows no others."""

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        if "thread" not in body:
            body["thread"] = uuid.uuid4().hex
        elif body["thread"] not in self.threads:
            raise Refused(404, "There is no such thread.")
        return super().messages_of(body)

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        self.threads.setdefault(body["thread"], [])
        return [self.frame({"op": "begin", "ref": name, "thread": body["thread"]})]


class LinesServer(StreamServer):
    """NDJSON: each line holds all text so far. The client sends all turns."""

    path = "/ask"
    headers: ClassVar[dict[str, str]] = {**StreamServer.headers, "Content-Type": "application/x-ndjson"}
    roles: ClassVar[dict[str, str]] = {"human": "user", "machine": "assistant"}

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.so_far: dict[str, str] = {}

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        try:
            before = [{"role": self.roles[one["who"]], "content": one["said"]} for one in body["before"]]
            question = body["now"]
        except (TypeError, KeyError) as error:
            raise Refused(400, "`before` and `now` are needed.") from error
        if not isinstance(question, str) or not question.strip():
            raise Refused(400, "`now` is empty.")
        return [*before, {"role": "user", "content": question}]

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        self.so_far[name] = ""
        return [self.frame({"kind": "hello"})]

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        self.so_far[name] += token
        return [self.frame({"kind": "answer", "all": self.so_far[name]})]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.frame({"kind": "answer", "all": self.so_far.pop(name), "ready": True})]

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.frame({"kind": "answer", "all": self.so_far.pop(name), "broken": {"because": text}})]

    def frame(self, event: dict[str, Any]) -> Frame:
        return json.dumps(event).encode() + b"\n"


class WordsServer(StreamServer):
    """A GET with the question in its query. The data of the events is the text itself, and the end of the body is the
    end of the reply."""

    path = "/say"

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(self.path, self.on_ask)
        return app

    async def body_of(self, request: web.Request) -> dict[str, Any]:
        return dict(request.query)

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        if not body.get("q", "").strip():
            raise Refused(400, "A question is needed.")
        return [{"role": "user", "content": body["q"]}]

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [b"event: hello\ndata: one moment\n\n"]

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        lines = token.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        return [b"".join(f"data: {line}\n".encode() for line in lines) + b"\n"]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return ()

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [f"event: trouble\ndata: {text}\n\n".encode()]
