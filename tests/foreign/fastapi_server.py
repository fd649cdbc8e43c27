"""A chat server in FastAPI and python-socketio, written from docs/contract.md and the API document.

It reads PORT, OPENAI_BASE_URL, OPENAI_API_KEY, PROVIDER_TIMEOUT, JWT_SECRET and ALLOWED_ORIGINS from the environment.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

import jwt
import socketio
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from openai import AsyncOpenAI
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sse_starlette import EventSourceResponse, JSONServerSentEvent
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.cors import CORSMiddleware

SECRET = os.environ.get("JWT_SECRET", "")
ORIGINS = [origin for origin in os.environ.get("ALLOWED_ORIGINS", "").split(",") if origin]
TIMEOUT = float(os.environ.get("PROVIDER_TIMEOUT", "60"))  # seconds without a byte
MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
MAX_SESSIONS = 10_000  # the one that was unused for longest is forgotten first

Event = dict[str, Any]

logger = logging.getLogger("chat")
openai = AsyncOpenAI(max_retries=0, timeout=TIMEOUT)


# -- the model


class ModelFailed(Exception):
    """The model did not give a whole reply. The text may be shown."""


async def ask_model(messages: list[dict[str, str]]) -> AsyncGenerator[str, None]:
    """The reply, piece by piece. Raises ModelFailed unless the model says that it is finished."""
    try:
        stream = await openai.chat.completions.create(model=MODEL, messages=messages, stream=True)
        async with stream:
            async for chunk in stream:
                choice = chunk.choices[0] if chunk.choices else None
                if choice and choice.delta.content:
                    yield choice.delta.content
                if choice and choice.finish_reason:
                    return  # do not wait for the end of the body: some gateways leave it open
    except Exception as error:
        logger.warning("The language model failed: %r", error)
        raise ModelFailed("The language model failed. Please try again.") from error
    raise ModelFailed("The language model broke off. Please try again.")


# -- sessions


@dataclass
class Session:
    owner: str | None
    messages: list[dict[str, str]] = field(default_factory=list)
    used_at: datetime = field(default_factory=lambda: datetime.now(UTC))


sessions: dict[str, Session] = {}  # by id; the one that was used last stands last


def find(session_id: str, user: str | None) -> Session | None:
    """Raises HTTPException where the session is somebody else's."""
    session = sessions.get(session_id)
    if session and session.owner != user:
        raise HTTPException(403, "This session belongs to somebody else.")
    return session


def open_session(session_id: str, user: str | None) -> Session:
    sessions[session_id] = session = find(session_id, user) or Session(user)
    sessions[session_id] = sessions.pop(session_id)
    if len(sessions) > MAX_SESSIONS:
        del sessions[next(iter(sessions))]
    return session


# -- an exchange


class Ask(BaseModel):
    model_config = ConfigDict(strict=True)

    message: str = Field(pattern=r"\S", max_length=100_000)
    session_id: str | None = Field(None, max_length=1_000)


async def exchange(ask: Ask, session: Session) -> AsyncGenerator[Event, None]:
    """A token event for each piece of the reply, then a completion or an error."""
    started_at = time.monotonic()
    question = {"role": "user", "content": ask.message}
    partial, count = "", 0
    try:
        async with aclosing(ask_model([*session.messages, question])) as tokens:
            async for token in tokens:
                partial, count = partial + token, count + 1
                yield {"token": token, "count": count, "partial": partial}
    except ModelFailed as failure:
        yield {"error": str(failure)}
        return
    if partial:
        session.messages += [question, {"role": "assistant", "content": partial}]
    session.used_at = datetime.now(UTC)
    duration = time.monotonic() - started_at
    yield {
        "done": True,
        "tokens": count,
        "duration": duration,
        "tokens_per_second": count / duration,
        "full_response": partial,
        "user": session.owner or "anonymous",
        "timestamp": session.used_at.isoformat(),
    }


# -- who asks, and how often


def identify(token: str) -> str:
    """Raises jwt.InvalidTokenError."""
    if not SECRET:
        raise jwt.InvalidTokenError("This server knows no users.")
    return jwt.decode(token, SECRET, algorithms=["HS256"], options={"require": ["sub"]})["sub"]


def user_of(
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> str | None:
    try:
        return identify(bearer.credentials) if bearer else None
    except jwt.InvalidTokenError:
        raise HTTPException(401, "The token is not valid.", {"WWW-Authenticate": "Bearer"}) from None


User = Annotated[str | None, Depends(user_of)]
limiter = MovingWindowRateLimiter(MemoryStorage())


def at_most(requests: int) -> Callable[[Request], None]:
    """So many requests a minute from each address."""
    limit = RateLimitItemPerMinute(requests)

    def check(request: Request) -> None:
        assert request.client
        if not limiter.hit(limit, request.client.host):
            wait = limiter.get_window_stats(limit, request.client.host).reset_time - time.time()
            raise HTTPException(429, "Too many requests.", {"Retry-After": str(max(0, math.ceil(wait)))})

    return check


# -- HTTP

app = FastAPI(title="Chat")


def opened(ask: Ask, user: User) -> Session:
    """The session of a request. This is a dependency, so that a refusal comes before the stream begins."""
    return open_session(ask.session_id or uuid.uuid4().hex, user)


OpenSession = Annotated[Session, Depends(opened)]


@app.post("/api/chat/stream", dependencies=[Depends(at_most(30))])
async def stream(ask: Ask, session: OpenSession) -> EventSourceResponse:
    """It sends a comment every 15 s, and ends the exchange when the client goes.

    FastAPI's own `fastapi.sse` (0.165) leaves some of the exchanges running: fastapi#15725.
    """
    return EventSourceResponse(events_of(ask, session))


async def events_of(ask: Ask, session: Session) -> AsyncGenerator[JSONServerSentEvent, None]:
    async with aclosing(exchange(ask, session)) as events:
        async for event in events:
            yield JSONServerSentEvent(event)


@app.post("/api/chat", dependencies=[Depends(at_most(60))])
async def chat(request: Request, ask: Ask, session: OpenSession) -> Event:
    reply = asyncio.create_task(last_event(ask, session))
    gone = asyncio.create_task(disconnected(request))
    await asyncio.wait([reply, gone], return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    if not reply.done():
        reply.cancel()
        return {}  # nobody reads it
    event = reply.result()
    if "error" in event:
        raise HTTPException(502, event["error"])
    return {"response": event["full_response"], "tokens": event["tokens"], "user": event["user"]}


async def last_event(ask: Ask, session: Session) -> Event:
    return [event async for event in exchange(ask, session)][-1]


async def disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


@app.get("/api/chat/sessions/{session_id}")
def show_session(session_id: str, user: User) -> dict[str, Any]:
    if not (session := find(session_id, user)):
        raise HTTPException(404, "There is no such session.")
    return {"session_id": session_id, "messages": len(session.messages), "timestamp": session.used_at}


@app.delete("/api/chat/sessions/{session_id}")
def delete_session(session_id: str, user: User) -> dict[str, Any]:
    if not find(session_id, user):
        raise HTTPException(404, "There is no such session.")
    del sessions[session_id]
    return {"success": True, "message": "Session deleted"}


@app.exception_handler(StarletteHTTPException)
def refuse(request: Request, error: StarletteHTTPException) -> JSONResponse:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


@app.exception_handler(RequestValidationError)
def refuse_body(request: Request, error: RequestValidationError) -> JSONResponse:
    return JSONResponse({"error": what_is_wrong(error)}, 422)


@app.exception_handler(Exception)
def fail(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": "Something went wrong."}, 500)


def what_is_wrong(error: RequestValidationError | ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


# -- Socket.IO


def is_allowed(origin: str, environ: dict[str, Any]) -> bool:
    """A list of origins alone would refuse the server's own pages."""
    return origin in ORIGINS or origin == f"{environ['wsgi.url_scheme']}://{environ['HTTP_HOST']}"


sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins=is_allowed)
replies: dict[str, asyncio.Task[Any]] = {}  # by socket: one at a time, since its events carry no id


@sio.event
async def connect(sid: str, environ: dict[str, Any], auth: Any = None) -> None:
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = auth.get("token") if isinstance(auth, dict) else token if scheme.lower() == "bearer" else None
    try:
        user = identify(token) if token else None
    except jwt.InvalidTokenError:
        raise socketio.exceptions.ConnectionRefusedError("The token is not valid.") from None
    await sio.save_session(sid, {"user": user, "session_id": uuid.uuid4().hex})


@sio.event
async def disconnect(sid: str, reason: str) -> None:
    if reply := replies.get(sid):
        reply.cancel()


@sio.event
async def chat_stream(sid: str, payload: Any = None, *_: Any) -> None:
    if sid in replies:
        await sio.emit("chat_stream_error", {"error": "A reply is running. Please wait for its end."}, to=sid)
        return
    replies[sid] = asyncio.current_task()
    try:
        asker = await sio.get_session(sid)
        ask = Ask.model_validate(payload)
        session = open_session(ask.session_id or asker["session_id"], asker["user"])
        async with aclosing(exchange(ask, session)) as events:
            async for event in events:
                name = "chat_token" if "token" in event else "chat_complete" if "done" in event else "chat_stream_error"
                await sio.emit(name, event, to=sid)
    except ValidationError as error:
        await sio.emit("chat_stream_error", {"error": what_is_wrong(error)}, to=sid)
    except HTTPException as error:
        await sio.emit("chat_stream_error", {"error": error.detail}, to=sid)
    finally:
        del replies[sid]


# CORS stands around the whole application: as a middleware within, it would miss the answers with status 500.
http = CORSMiddleware(
    app,
    allow_origins=ORIGINS,
    allow_credentials=True,
    allow_methods=["GET", "POST", "DELETE"],
    allow_headers=["Authorization", "Content-Type"],
    expose_headers=["Retry-After"],
)
server = socketio.ASGIApp(sio, http)

if __name__ == "__main__":
    uvicorn.run(server, host="127.0.0.1", port=int(os.environ.get("PORT", "5000")), log_level="warning")
