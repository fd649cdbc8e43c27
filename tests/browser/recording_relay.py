"""A relay before a server that keeps what clients send: which headers arrive, and not which a client meant to send."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

MOST_KEPT: Final = 1_000_000  # bytes


@dataclass
class RecordingRelay:
    """`url` is where clients connect; each connection goes on to the server's port."""

    listener: socket.socket
    port: int
    sent: bytearray = field(default_factory=bytearray)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def origins(self, method: str, transport: str) -> list[str]:
        """The Origin of each Socket.IO request with this method and transport that arrived; empty where it had none."""
        found = []
        for line in self.sent.decode("latin-1").split(f"{method} /socket.io/")[1:]:
            head = line.partition("\r\n\r\n")[0]
            if f"transport={transport}" in head.partition("\r\n")[0]:
                names = [one for one in head.split("\r\n") if one.lower().startswith("origin:")]
                found.append(names[0].partition(":")[2].strip() if names else "")
        return found

    def serve(self) -> None:
        """Accept connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.port))
                for pair in ((client, server, self.sent), (server, client, None)):
                    threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            if kept is not None and len(kept) < MOST_KEPT:
                kept += data
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def relayed(port: int) -> Iterator[RecordingRelay]:
    """A relay before the server at that port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay = RecordingRelay(listener, port)
        thread = threading.Thread(target=relay.serve, daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)
