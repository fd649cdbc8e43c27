"""The chat API's stream with Flask's own threaded server and requests, as most tutorials write it.

`python flask_proxy.py PORT BASE_URL`, in its own environment; it imports nothing of this project.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# requests is installed beside the project, not in it.

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import requests
from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue

LIMIT, WINDOW_S = 30, 60.0
MAX_SESSIONS, MAX_HISTORY = 10_000, 400

app = Flask(__name__)
lock = threading.Lock()
sessions: OrderedDict[str, list[dict[str, str]]] = OrderedDict()
asked: dict[str, deque[float]] = {}


@app.post("/api/chat/stream")
def stream() -> ResponseReturnValue:
    if not allowed(request.remote_addr or ""):
        return jsonify(error="Too many requests"), 429, {"Retry-After": "60"}
    ask = request.get_json(silent=True)
    if not isinstance(ask, dict) or not isinstance(ask.get("message"), str) or not ask["message"].strip():
        return jsonify(error="message is required"), 400
    events = reply(ask.get("session_id") or uuid.uuid4().hex, ask["message"])
    return Response(events, mimetype="text/event-stream", headers={"Cache-Control": "no-cache"})


def reply(session_id: str, message: str) -> Iterator[str]:
    with lock:
        history = sessions.setdefault(session_id, [])
        sessions.move_to_end(session_id)
        if len(sessions) > MAX_SESSIONS:
            sessions.popitem(last=False)
        messages = [*history, {"role": "user", "content": message}]
    body: dict[str, Any] = {"model": "gpt-4o-mini", "stream": True, "messages": messages}
    headers = {"Authorization": "Bearer bench"}
    started, count, partial = time.monotonic(), 0, ""
    try:
        with requests.post(app.config["URL"], json=body, headers=headers, stream=True, timeout=30) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                if not line.startswith(b"data: ") or line == b"data: [DONE]":
                    continue
                choices = json.loads(line[6:])["choices"]
                token = choices[0]["delta"].get("content") if choices else None
                if token:
                    count += 1
                    partial += token
                    yield event({"token": token, "count": count, "partial": partial})
    except (requests.RequestException, ValueError, KeyError) as problem:
        yield event({"error": f"The provider failed: {type(problem).__name__}"})
        return
    with lock:
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
    with lock:
        times = asked.setdefault(address, deque())
        while times and now - times[0] >= WINDOW_S:
            times.popleft()
        if len(times) >= LIMIT:
            return False
        times.append(now)
        return True


if __name__ == "__main__":
    app.config["URL"] = f"{sys.argv[2]}/chat/completions"
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line for each request
    app.run("127.0.0.1", int(sys.argv[1]), threaded=True)
