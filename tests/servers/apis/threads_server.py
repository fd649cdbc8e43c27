"""A server of threads and runs: it names each run, whose events have ids and hold all text so far.

Source: https://docs.langchain.com/langsmith/agent-server-api/thread-runs/join-run-stream
"""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiohttp import web

from tests.servers.apis.good_servers import plain_turns
from tests.servers.apis.kept_runs import KeptRuns, Run
from tests.servers.apis.stream_server import Frame
from tests.servers.parts import Message, Refused


class ThreadsServer(KeptRuns):
    path = "/threads/{thread}/runs/stream"
    resumed_at, stopped_at = "/threads/{thread}/runs/{id}/stream", "/threads/{thread}/runs/{id}/cancel"

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self.said: dict[str, str] = {}

    def messages_of(self, body: dict[str, Any]) -> list[Message]:
        if not isinstance(asked := body.get("input"), dict):
            raise Refused(422, "input: an object with messages is needed.")
        return plain_turns(asked.get("messages"))

    def name_of(self, request: web.Request, body: dict[str, Any]) -> str:
        body["run_id"] = name = uuid.uuid4().hex
        return name

    def opening(self, name: str, body: dict[str, Any]) -> Iterable[Frame]:
        return [self.event("metadata", {"run_id": body["run_id"], "attempt": 1})]

    def text(self, name: str, token: str, is_first: bool) -> Iterable[Frame]:
        self.said[name] = self.said.get(name, "") + token
        return [self.event("messages/partial", [{"id": name, "type": "ai", "content": self.said[name]}])]

    def closing(self, name: str, body: dict[str, Any], said: bool) -> Iterable[Frame]:
        return [self.event("end", None)]

    def failure(self, name: str, text: str, said: bool) -> Iterable[Frame]:
        return [self.event("error", {"error": "ProviderError", "message": text})]

    def event(self, name: str, data: Any) -> Frame:
        return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()

    async def frames_of(self, run: Run, start: int) -> AsyncIterator[Frame]:
        async for frame in run.since(start):
            yield f"id: {start}\n".encode() + frame
            start += 1

    async def on_resume(self, request: web.Request) -> web.StreamResponse:
        if (run := self.run_of(request)) is None:
            return web.json_response({"detail": "Run not found"}, status=404)
        last = request.headers.get("Last-Event-ID", "-1")
        return await self.follow(request, run, int(last) + 1)

    async def on_stop(self, request: web.Request) -> web.StreamResponse:
        if (run := self.run_of(request)) is None:
            return web.json_response({"detail": "Run not found"}, status=404)
        self.end(run)
        return web.Response(status=202)

    def last_words(self) -> Iterable[Frame]:
        return [self.event("error", {"error": "UserInterrupt", "message": "The run was cancelled."})]
