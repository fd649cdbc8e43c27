"""The chat API's stream with Starlette, uvicorn and httpx: asynchronous, one event per token.

`python starlette_proxy.py PORT BASE_URL`, in its own environment; it imports nothing of this project.
"""

# mypy: disable-error-code="import-not-found,misc,no-any-return,untyped-decorator,unused-ignore"
# Starlette and uvicorn are installed beside the project, not in it.

from __future__ import annotations

import json
import sys
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

LIMIT, WINDOW_S = 30, 60.0
MAX_SESSIONS, MAX_HISTORY = 10_000, 400

sessions: OrderedDict[str, list[dict[str, str]]] = OrderedDict()
asked: dict[str, deque[float]] = {}


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(timeout=30.0, limits=limits, trust_env=False) as client:
        app.state.client = client
        yield


async def stream(request: Request) -> Response:
    if not allowed(request.client.host if request.client else ""):
        return JSONResponse({"error": "Too many requests"}, 429, {"Retry-After": "60"})
    try:
        ask = await request.json()
    except ValueError:
        return JSONResponse({"error": "The body must be JSON"}, 400)
    if not isinstance(ask, dict) or not isinstance(ask.get("message"), str) or not ask["message"].strip():
        return JSONResponse({"error": "message is required"}, 400)
    session_id = ask.get("session_id") or uuid.uuid4().hex
    events = reply(request.app.state.client, request.app.state.url, session_id, ask["message"])
    return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def reply(client: httpx.AsyncClient, url: str, session_id: str, message: str) -> AsyncIterator[str]:
    history = sessions.setdefault(session_id, [])
    sessions.move_to_end(session_id)
    if len(sessions) > MAX_SESSIONS:
        sessions.popitem(last=False)
    messages = [*history, {"role": "user", "content": message}]
    body = {"model": "gpt-4o-mini", "stream": True, "messages": messages}
    started, count, partial = time.monotonic(), 0, ""
    try:
        async with client.stream("POST", url, json=body, headers={"Authorization": "Bearer bench"}) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                choices = json.loads(line[6:])["choices"]
                token = choices[0]["delta"].get("content") if choices else None
                if token:
                    count += 1
                    partial += token
                    yield event({"token": token, "count": count, "partial": partial})
    except (httpx.HTTPError, ValueError, KeyError) as problem:
        yield event({"error": f"The provider failed: {type(problem).__name__}"})
        return
    history += [{"role": "user", "content": message}, {"role": "assistant", "content": partial}]
    del history[:-MAX_HISTORY]
    duration = max(time.monotonic() - started, 0.001)
    yield event(
        {
            "done": True,
            "tokens": count,
            "duration": round(duration, 3),
            "tokens_per_second": round(count / duration, 2),
            "full_response": partial,
            "session_id": session_id,
            "user": "anonymous",
            "timestamp": datetime.now(UTC).isoformat(),
        }
    )


def event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data)}\n\n"


def allowed(address: str) -> bool:
    """Whether the address has had fewer than LIMIT requests in the last WINDOW_S seconds."""
    now = time.monotonic()
    times = asked.setdefault(address, deque())
    while times and now - times[0] >= WINDOW_S:
        times.popleft()
    if len(times) >= LIMIT:
        return False
    times.append(now)
    return True


if __name__ == "__main__":
    app = Starlette(routes=[Route("/api/chat/stream", stream, methods=["POST"])], lifespan=lifespan)
    app.state.url = f"{sys.argv[2]}/chat/completions"
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
