"""A chat server as many are written: FastAPI, OpenAI's client, conversations in memory."""

import json
import os
import time
import uuid
from datetime import UTC, datetime

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel

app = FastAPI()
client = AsyncOpenAI(timeout=float(os.environ.get("PROVIDER_TIMEOUT", "60")), max_retries=0)  # reads OPENAI_BASE_URL
sessions: dict[str, list[dict[str, str]]] = {}


class Question(BaseModel):
    message: str
    session_id: str | None = None


def event(**fields):
    return f"data: {json.dumps(fields)}\n\n"


async def reply(session_id, messages):
    started, partial, count = time.monotonic(), "", 0
    try:
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True)
        async for chunk in stream:
            if chunk.choices and (token := chunk.choices[0].delta.content):
                partial, count = partial + token, count + 1
                yield event(token=token, count=count, partial=partial)
    except Exception:
        yield event(error="The language model failed. Please try again.")
        return
    messages.append({"role": "assistant", "content": partial})
    duration = time.monotonic() - started
    yield event(
        done=True,
        tokens=count,
        duration=duration,
        tokens_per_second=count / duration,
        session_id=session_id,
        timestamp=datetime.now(UTC).isoformat(),
        full_response=partial,
        user="anonymous",
    )


@app.post("/api/chat/stream")
async def stream(question: Question):
    session_id = question.session_id or str(uuid.uuid4())
    messages = sessions.setdefault(session_id, [])
    messages.append({"role": "user", "content": question.message})
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(reply(session_id, messages), media_type="text/event-stream", headers=headers)


@app.get("/api/chat/sessions/{session_id}")
async def show(session_id: str):
    if session_id not in sessions:
        raise HTTPException(404, "no such session")
    timestamp = datetime.now(UTC).isoformat()
    return {"session_id": session_id, "messages": len(sessions[session_id]), "timestamp": timestamp}


@app.delete("/api/chat/sessions/{session_id}")
async def forget(session_id: str):
    if sessions.pop(session_id, None) is None:
        raise HTTPException(404, "no such session")
    return {"success": True, "message": "Session deleted"}
