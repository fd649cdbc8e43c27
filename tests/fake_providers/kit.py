"""Raw sockets and a running server, for the tests beside it."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import Any

from chatproof.fake_providers.server.fake_server import FakeServer


@dataclass
class Served:
    """A running server, and ways to talk to it with nothing in between."""

    server: FakeServer
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.url

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.server.port), timeout=5)
        self.sockets.append(sock)
        return sock

    def ask(self, text: str, *, stream: bool = True, version: str = "1.1", **body: Any) -> socket.socket:
        """A new connection on which the question has been sent."""
        sock = self.connect()
        sock.sendall(request_bytes(text, stream=stream, version=version, **body))
        return sock


def request_bytes(text: str, *, stream: bool = True, version: str = "1.1", **body: Any) -> bytes:
    content = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}], **body}
    data = json.dumps(content).encode()
    head = f"POST /v1/chat/completions HTTP/{version}\r\nhost: fake\r\nauthorization: Bearer sk-secret\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n%b" % (len(data), data)


def read_to_end(sock: socket.socket) -> tuple[bytes, str]:
    """Everything until the end, and how it ended: "fin", "rst" or "open" (nothing more within the timeout)."""
    received = b""
    while True:
        try:
            data = sock.recv(65_536)
        except ConnectionResetError:
            return received, "rst"
        except TimeoutError:
            return received, "open"
        if not data:
            return received, "fin"
        received += data
