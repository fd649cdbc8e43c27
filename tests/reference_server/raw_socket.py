"""Socket.IO by hand, frame by frame."""

from __future__ import annotations

import base64
import json
import os
import struct
from contextlib import suppress

from tests.reference_server.kit import connect

TEXT, BINARY, CLOSE = 1, 2, 8
CLOSED = b"\x88\x02\x03\xe8"  # a close frame of the server: 1000
PING, PONG = b"\x81\x012", b"3"  # a whole frame of the server; what a client says to it
PATH = "/socket.io/?EIO=4&transport="


def frame(data: bytes, kind: int = TEXT, *, last: bool = True, claims: int | None = None) -> bytes:
    """One WebSocket frame of a client, masked with zeros; it may claim a length that is not its own."""
    length = len(data) if claims is None else claims
    head = bytes([(0x80 if last else 0) | kind])
    head += bytes([0x80 | length]) if length < 126 else struct.pack("!BQ", 0x80 | 127, length)
    return head + b"\0\0\0\0" + data


class Socket:
    """A WebSocket that speaks Socket.IO, or not. `query`: more of the URL, for the upgrade of a polling socket."""

    def __init__(self, url: str, *, connects: bool = True, query: str = "", headers: str = "") -> None:
        self.raw = connect(url)
        key = base64.b64encode(os.urandom(16)).decode()
        self.raw.sendall(
            f"GET {PATH}websocket{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"{headers}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        self.received = b""
        self.read(b"\r\n\r\n" if query else b'"sid"')
        if connects:
            self.raw.sendall(frame(b"40"))
            self.read(b'40{"sid"')

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    def read(self, until_there_is: bytes, count: int = 1) -> bytes:
        """Read until it has come this often. Pings are answered: on a busy machine a read lasts longer than one."""
        while self.received.count(until_there_is) < count:
            piece = self.raw.recv(65536)
            assert piece, f"closed; received {self.received[-300:]!r}"
            self.received += piece
            self.raw.sendall(frame(PONG) * piece.count(PING))
        return self.received

    def rest(self) -> bytes:
        """What still comes until the server closes the connection. Answers nothing but a close frame."""
        come = b""
        with suppress(ConnectionResetError):  # the answer to its close frame may meet a server that is gone
            while piece := self.raw.recv(65536):
                come += piece
                if come.endswith(CLOSED):
                    with suppress(OSError):
                        self.raw.sendall(frame(CLOSED[2:], CLOSE))
        return come

    def is_closed(self) -> bool:
        """Whether the server has closed it. Takes what it said."""
        self.raw.setblocking(False)
        try:
            while self.raw.recv(65536):
                pass
        except BlockingIOError:
            return False
        except ConnectionError:
            pass
        return True


def ask(message: object) -> bytes:
    return b"42" + json.dumps(["chat_stream", {"message": message}]).encode()
