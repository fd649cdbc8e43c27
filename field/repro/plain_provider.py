"""A plain provider, and the ways in which it answers or fails. Standard library only."""

from __future__ import annotations

import json
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any


class Upstream(BaseHTTPRequestHandler):
    """One request to the provider. `play` of its server writes the answer with the methods below."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.play(self)  # type: ignore[attr-defined]

    def begin(self) -> None:
        """Status 200 and the headers of a stream."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def event(self, event: dict[str, Any] | str) -> None:
        """One event, at once."""
        data = f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def word(self, word: str | None, reason: str | None = None) -> None:
        """A chunk of a chat completion."""
        delta = {} if word is None else {"role": "assistant", "content": word}
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        kind = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
        self.event({**kind, "choices": [choice]})

    def end(self) -> None:
        """The end of the body, as HTTP has it."""
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def client_left(self, within: float) -> bool:
        """Whether the server closes its connection to the provider within that many seconds, while nothing is said."""
        readable, _, _ = select.select([self.connection], [], [], within)
        try:
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True


def two_words_then_the_end(upstream: Upstream) -> None:
    """A reply that is cut off: no finish reason, no `[DONE]`, and a sound end of the body."""
    upstream.begin()
    upstream.word("All")
    upstream.word(" is")
    upstream.end()


def an_error_with_status_200(upstream: Upstream) -> None:
    """A JSON document with an error in place of a stream, with status 200."""
    _document(upstream, 200)


def an_error_with_status_500(upstream: Upstream) -> None:
    """The same with status 500, which asks clients not to try again."""
    _document(upstream, 500)


SECRET = "shard quokka-7 is down"  # what the provider says of its failure


def _document(upstream: Upstream, status: int) -> None:
    error = {"message": SECRET, "type": "server_error", "param": None, "code": None}
    text = json.dumps({"error": error}).encode()
    upstream.send_response(status)
    for name, value in (("Content-Type", "application/json"), ("x-should-retry", "false")):
        upstream.send_header(name, value)
    upstream.send_header("Content-Length", str(len(text)))
    upstream.end_headers()
    upstream.wfile.write(text)


def a_word_and_a_broken_connection(upstream: Upstream) -> None:
    """One word, and then the connection ends in the middle of the body."""
    upstream.begin()
    upstream.word("All")
    upstream.connection.shutdown(socket.SHUT_RDWR)


SERVER_LEFT = threading.Event()  # the server closed its connection to the provider


def silence(upstream: Upstream) -> None:
    """No answer at all."""
    if upstream.client_left(within=120):
        SERVER_LEFT.set()


def headers_then_silence(upstream: Upstream) -> None:
    """The headers of a stream, and no word."""
    upstream.begin()
    silence(upstream)


def words_without_end(upstream: Upstream) -> None:
    """A word every 100 ms, until the server leaves."""
    try:
        upstream.begin()
        while not upstream.client_left(within=0.1):
            upstream.word("word ")
    except OSError:
        pass
    SERVER_LEFT.set()


def a_reply(upstream: Upstream) -> None:
    """Two words and a sound end."""
    upstream.begin()
    for word in ("All", " is"):
        upstream.word(word)
    upstream.word(None, "stop")
    upstream.event("[DONE]")
    upstream.end()
