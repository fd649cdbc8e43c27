"""A bare server on epoll: `python -m chatproof.loadtests.calibration.stamp_server SCRIPT_JSON`. It prints its port.

It plays one script to every client, over SSE and Socket.IO, by absolute deadlines. Each event says when the request was
read, when the event was due and when it was written, so that a client's error can be told from the server's. It ends
when its standard input ends. It understands only as much HTTP and WebSocket as our own clients send.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import hashlib
import heapq
import json
import os
import select
import socket
import sys
import time
from dataclasses import dataclass, field

from chatproof.loadtests.calibration.known_script import KnownScript, completion, token_events

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_OPEN = b'0{"sid":"calibration","upgrades":[],"pingInterval":3600000,"pingTimeout":3600000,"maxPayload":1000000}'
_STAMPS = 3 * 19 + len('", "due": "') + len('", "sent": "')
MAX_REQUEST = 64 * 1024
TURN = 64  # writes before new requests are read: otherwise a busy server would accept nobody


@dataclass(slots=True, eq=False)
class Peer:
    sock: socket.socket
    inbox: bytes = b""
    is_socketio: bool = False
    received: int = 0
    next: int = 0
    playing: bool = False


def frame(payload: bytes) -> bytes:
    return frame_head(len(payload)) + payload


def frame_head(length: int) -> bytes:
    """The header of a text frame of `length` bytes."""
    if length < 126:
        return bytes((0x81, length))
    return b"\x81\x7e" + length.to_bytes(2) if length < 65536 else b"\x81\x7f" + length.to_bytes(8)


@dataclass(slots=True)
class StampServer:
    """The server's loop: deadlines in a heap, sockets in epoll."""

    script: KnownScript
    listener: socket.socket
    peers: dict[int, Peer] = field(default_factory=dict)
    heap: list[tuple[int, int, Peer]] = field(default_factory=list)
    epoll: select.epoll = field(default_factory=select.epoll)
    turn: int = 0
    over: bool = False

    sse: list[tuple[bytes, bytes]] = field(default_factory=list)
    ws: list[tuple[bytes, bytes]] = field(default_factory=list)
    dues: list[int] = field(default_factory=list)
    sse_end: bytes = b""
    ws_end: bytes = b""

    def __post_init__(self) -> None:
        self.dues = [round(self.script.due(index) * 1e9) for index in range(self.script.tokens)]
        for before, after in token_events(self.script):
            size = len(before) + _STAMPS + len(after)
            self.sse.append((b"%x\r\ndata: %s" % (size + 8, before), after + b"\n\n\r\n"))
            self.ws.append((frame_head(size + 17) + b'42["chat_token",' + before, after + b"]"))
        done = completion(self.script)
        self.sse_end = b"%x\r\ndata: %s\n\n\r\n0\r\n\r\n" % (len(done) + 8, done)
        self.ws_end = frame(b'42["chat_complete",' + done + b"]")

    def run(self) -> None:
        """Serve until standard input ends."""
        self.epoll.register(self.listener, select.EPOLLIN)
        self.epoll.register(0, select.EPOLLIN | select.EPOLLHUP)
        heap = self.heap
        while not self.over:
            now = time.monotonic_ns()
            for _ in range(TURN):
                if not heap or heap[0][0] > now:
                    break
                self._write(heapq.heappop(heap)[2])
                now = time.monotonic_ns()
            wait = (heap[0][0] - now) / 1e9 if heap else 1.0
            # epoll waits whole milliseconds: poll without waiting during the last one
            for number, _ in self.epoll.poll(0 if wait < 0.001 else wait - 0.001, 64):
                self._ready(number)

    def _ready(self, number: int) -> None:
        if number == self.listener.fileno():
            with contextlib.suppress(BlockingIOError):
                while True:
                    sock, _ = self.listener.accept()
                    sock.setblocking(False)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.peers[sock.fileno()] = Peer(sock)
                    self.epoll.register(sock, select.EPOLLIN)
        elif number == 0:
            self.over = not os.read(0, 1024)
        elif number in self.peers:
            self._read(self.peers[number])

    def _read(self, peer: Peer) -> None:
        try:
            data = peer.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        peer.inbox += data
        if not data or len(peer.inbox) > MAX_REQUEST:
            self._drop(peer)
        elif peer.is_socketio:
            self._frames(peer)
        else:
            self._request(peer)

    def _request(self, peer: Peer) -> None:
        head, found, body = peer.inbox.partition(b"\r\n\r\n")
        if not found:
            return
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if b"upgrade" in headers:
            key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            accept = base64.b64encode(hashlib.sha1(key.partition(b": ")[2].strip() + _GUID).digest())
            upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            peer.inbox, peer.is_socketio = b"", True
            self._send(peer, upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + frame(_OPEN))
        elif len(body) >= int(headers.get(b"content-length", b"0")):
            peer.inbox = b""
            self._play(peer)

    def _frames(self, peer: Peer) -> None:
        while len(peer.inbox) >= 6:
            size, start = peer.inbox[1] & 0x7F, 2
            if size == 126:
                size, start = int.from_bytes(peer.inbox[2:4]), 4
            end = start + 4 + size
            if len(peer.inbox) < end:
                return
            mask, payload = peer.inbox[start : start + 4], peer.inbox[start + 4 : end]
            peer.inbox = peer.inbox[end:]
            text = bytes(byte ^ mask[index & 3] for index, byte in enumerate(payload))
            if text.startswith(b"40"):
                self._send(peer, frame(b'40{"sid":"calibration"}'))
            elif text.startswith(b'42["chat_stream"') and not peer.playing:
                self._play(peer)

    def _play(self, peer: Peer) -> None:
        peer.received, peer.next, peer.playing = time.monotonic_ns(), 0, True
        self._plan(peer)

    def _plan(self, peer: Peer) -> None:
        self.turn += 1
        heapq.heappush(self.heap, (peer.received + self.dues[peer.next], self.turn, peer))

    def _write(self, peer: Peer) -> None:
        if not peer.playing:
            return
        index = peer.next
        before, after = (self.ws if peer.is_socketio else self.sse)[index]
        head = _HEAD if index == 0 and not peer.is_socketio else b""
        peer.next += 1
        is_last = peer.next == self.script.tokens
        end = (self.ws_end if peer.is_socketio else self.sse_end) if is_last else b""
        stamps = b'%019d", "due": "%019d", "sent": "%019d' % (
            peer.received,
            peer.received + self.dues[index],
            time.monotonic_ns(),
        )
        peer.playing = not is_last
        if self._send(peer, b"".join((head, before, stamps, after, end))) and not is_last:
            self._plan(peer)

    def _send(self, peer: Peer, data: bytes) -> bool:
        try:
            whole = peer.sock.send(data) == len(data)
        except OSError:
            whole = False
        if not whole:
            self._drop(peer)  # a client that is so slow has failed its calibration anyway
        return whole

    def _drop(self, peer: Peer) -> None:
        peer.playing = False
        self.peers.pop(peer.sock.fileno(), None)
        with contextlib.suppress(OSError):
            self.epoll.unregister(peer.sock)
        peer.sock.close()


def main(script: KnownScript) -> None:
    """Listen, print the port, serve."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        listener.setblocking(False)
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        gc.freeze()
        gc.disable()
        StampServer(script, listener).run()


if __name__ == "__main__":
    main(KnownScript(**json.loads(sys.argv[1])))
