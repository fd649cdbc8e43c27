"""A chat server of nothing but Python, that dies: `python -m tests.suite.dying_server --port N --of REASON`.

It has no sockets and no limits, and whoever names no session shares `default`. With `--worker` it serves from a child
process, which its parent starts again; so do servers that are run by gunicorn or uvicorn.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import traceback
import urllib.request
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NULL, SECOND, HANG_UP, EVERYTHING = "null", "second", "hang-up", "everything"

REASONS = (NULL, SECOND, HANG_UP, EVERYTHING)
"""A `message` that is null; the second ask in a session; a client that hangs up; every ask but the first two."""

Message = dict[str, str]
sessions: dict[str, list[Message]] = {}
lock = threading.Lock()
asked = 0


class Chat(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    dies_of = NULL

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        global asked
        asked += 1
        try:
            body = dict(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        except (ValueError, TypeError, RecursionError):
            return self.send(400, {"error": "a JSON object is required"})
        message, session = body.get("message"), body.get("session_id") or "default"
        if self.dies_of == NULL and "message" in body and message is None:
            message = message.strip()  # type: ignore[attr-defined]  # the mistake
        if self.dies_of == EVERYTHING and asked > 2:
            raise MemoryError("no memory left for the model")
        if not isinstance(message, str) or not message.strip() or not isinstance(session, str):
            return self.send(400, {"error": "message is required"})
        history = sessions.setdefault(session, [])
        if self.dies_of == SECOND and history:
            raise RuntimeError("dictionary changed size during iteration")
        with lock:
            history.append({"role": "user", "content": message})
            prompt = list(history)
        return self.reply(prompt, history, session)

    def reply(self, prompt: list[Message], history: list[Message], session: str) -> None:
        """Pass on what the provider says."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        text, count = "", 0
        try:
            for token in tokens(prompt):
                text, count = text + token, count + 1
                self.event({"token": token, "count": count, "partial": text})
        except (OSError, HTTPException, ValueError, KeyError):
            self.event({"error": "the model failed"})
        else:
            history.append({"role": "assistant", "content": text})
            self.event({"done": True, "tokens": count, "session_id": session, "full_response": text})

    def event(self, event: dict[str, Any]) -> None:
        try:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        except OSError as gone:
            if self.dies_of == HANG_UP:
                raise RuntimeError("write after end") from gone
            raise

    def send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def tokens(messages: list[Message]) -> Any:
    """The provider's tokens."""
    body = json.dumps({"model": "gpt-4o-mini", "messages": messages, "stream": True}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
    url = f"{os.environ['OPENAI_BASE_URL']}/chat/completions"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20) as answer:
        for line in answer:
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:]).get("choices", ()):
                    if token := choice["delta"].get("content"):
                        yield token


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What nobody catches ends the process; a client that has gone does not."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()
            os._exit(3)


def main() -> None:
    """Run it until it dies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--of", choices=REASONS, default=NULL)
    parser.add_argument("--worker", action="store_true")
    options = parser.parse_args()
    Chat.dies_of = options.of
    server = Server(("127.0.0.1", options.port), Chat)
    while options.worker and (child := os.fork()):  # another worker, each time one dies
        os.waitpid(child, 0)
    server.serve_forever()


if __name__ == "__main__":
    main()
