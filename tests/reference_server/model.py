"""A language model's API of the tests' own: a real HTTP server that answers what it was told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from threading import Thread
from typing import Any

from chatproof.reference_server.providers.http_provider import ProviderError, Reply


class Model(ThreadingHTTPServer):
    """`answers` has a status and a body for each path; whoever asks elsewhere gets a 404. `asked` is what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """Whoever asks may hang up before the answer's end."""

    def count(self, path: str) -> int:
        """How often a path was asked."""
        return sum(asked == path for asked, _, _ in self.asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Model

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.path, headers, json.loads(body)))
        status, content = self.server.answers.get(self.path, (404, b'{"error": "no such path"}'))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running_model() -> Iterator[Model]:
    """Start one, and stop it."""
    with Model() as model:
        thread = Thread(target=model.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield model
        finally:
            model.shutdown()
            thread.join()


def heard(reply: Reply) -> tuple[list[str], str]:
    """A provider's tokens, and the error behind them if any."""
    tokens: list[str] = []
    try:
        tokens.extend(chain.from_iterable(reply))
    except ProviderError as error:
        return tokens, str(error)
    return tokens, ""
