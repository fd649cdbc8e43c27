"""What a read costs our load tests' client, in a process of its own: `stamp_client.py TRANSPORT`.

This file is run by its path, with any checkout's package, so that two checkouts can be compared. A server in the same
process writes a token to some of the streams, and then the CPU time is taken until all of them are stamped; what the
server takes does not count. So the figures hardly depend on what else the machine does. Prints one JSON object: CPU
microseconds for each token.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import re
import select
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

STREAMS: Final = 500
TOKENS: Final = 100
BATCHES: Final = (1, 20, 500)  # streams whose tokens are there at the same time
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_OPEN: Final = b'0{"sid":"bench","upgrades":[],"pingInterval":3600000,"pingTimeout":3600000,"maxPayload":1000000}'
_STAMPS: Final = b'1000000000000000000", "due": "1000000000000000000", "sent": "1000000000000000000'


def main() -> int:
    """Measure the transport that the command line names (sse, socketio, or bare), and print the result."""
    transport = sys.argv[1]
    sys.stdout.write(json.dumps(_bare() if transport == "bare" else _ours(transport)))
    return 0


class Peers:
    """The server's ends of all streams."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=STREAMS)
        self.listener.setblocking(False)
        self.port: int = self.listener.getsockname()[1]
        self.ends: list[socket.socket] = []

    def accept(self) -> socket.socket | None:
        """The end of the next connection, if there is one."""
        try:
            end = self.listener.accept()[0]
        except BlockingIOError:
            return None
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ends.append(end)
        return end


def _frame(payload: bytes) -> bytes:
    size = len(payload)
    return (bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2)) + payload


def _said(transport: str) -> tuple[list[bytes], bytes]:
    """The bytes of each token, and of the end."""
    from chatproof.loadtests.calibration.known_script import KnownScript, completion, token_events

    script = KnownScript(tokens=TOKENS)
    objects = [before + _STAMPS + after for before, after in token_events(script)]
    if transport == "socketio":
        return [_frame(b'42["chat_token",%s]' % one) for one in objects], _frame(
            b'42["chat_complete",%s]' % completion(script)
        )
    chunks = [b"%x\r\ndata: %s\n\n\r\n" % (len(one) + 8, one) for one in [*objects, completion(script)]]
    return chunks[:-1], chunks[-1] + b"0\r\n\r\n"


def _play(peers: Peers, said: Sequence[bytes], read: Callable[[int, int], None]) -> dict[str, float]:
    """Write the tokens in batches; `read` waits until these streams (from, to) have stamped theirs.

    CPU microseconds for each token, by the size of the batch.
    """
    found = {}
    for batch, (first, last) in zip(BATCHES, ((0, 10), (10, 55), (55, TOKENS)), strict=True):
        used = 0.0
        for token in said[first:last]:
            for begin in range(0, STREAMS, batch):
                for end in peers.ends[begin : begin + batch]:
                    end.send(token)
                began = time.process_time()
                read(begin, min(begin + batch, STREAMS))
                used += time.process_time() - began
        found[f"stamp {batch}"] = 1e6 * used / (STREAMS * (last - first))
    return found


def _bare() -> dict[str, float]:
    """The least that a reader in Python does: wait, receive, look at the clock, keep both."""
    peers, epoll = Peers(), select.epoll()
    mine: dict[int, tuple[socket.socket, list[tuple[float, bytes]]]] = {}
    for _ in range(STREAMS):
        sock = socket.create_connection(("127.0.0.1", peers.port))
        while peers.accept() is None:
            pass
        sock.setblocking(False)
        mine[sock.fileno()] = sock, []
        epoll.register(sock, select.EPOLLIN)

    def read(begin: int, stop: int) -> None:
        count = stop - begin
        while count:
            for number, _ in epoll.poll():
                sock, kept = mine[number]
                data = sock.recv(65536)
                kept.append((time.monotonic(), data))
                count -= 1

    gc.collect()
    gc.disable()
    return _play(peers, _said("sse")[0], read)


def _ours(transport: str) -> dict[str, float]:
    import locust  # noqa: F401, I001  # its patches are part of what is measured
    import gevent  # type: ignore[import-untyped]  # gevent ships no types

    from chatproof.harness.common.target import Target
    from chatproof.loadtests.load_generator import LoadGenerator
    from chatproof.loadtests.metrics import Metrics
    from chatproof.loadtests.readers.http_reader import Limits, StreamRequest, ask_over_http
    from chatproof.loadtests.readers.reading import StreamOutcome, understand
    from chatproof.loadtests.readers.socketio_reader import SocketReader

    peers, request = Peers(), StreamRequest("bench")
    limits = Limits(connect=600.0, silence=600.0, whole=600.0)  # on a busy machine too
    recordings: list[Any] = []
    target = Target("http", "127.0.0.1", peers.port)

    def ask() -> Any:
        if transport == "sse":
            return ask_over_http(target, request, limits=limits, began=recordings.append)
        reader = SocketReader(target, limits=limits)
        return reader.ask(request, began=recordings.append)

    users = []
    for _ in range(STREAMS):
        users.append(gevent.spawn(ask))
        _welcome(transport, peers, gevent.sleep)
    while len(recordings) < STREAMS or any(len(one.reads) != (transport == "sse") for one in recordings):
        gevent.sleep(0.01)
    counts = [len(one.reads) for one in recordings]

    def read(begin: int, stop: int) -> None:
        for index in range(begin, stop):
            counts[index] += 1
        gevent.idle()  # until all that is there has been read
        for index in range(begin, stop):
            while len(recordings[index].reads) < counts[index]:
                assert recordings[index].end is None, recordings[index]
                gevent.idle()

    tokens, last = _said(transport)
    with LoadGenerator.quiet():
        found = _play(peers, tokens, read)
    for end in peers.ends:
        end.send(last)
    gevent.joinall(users, timeout=20)
    gc.collect()
    gc.disable()
    began = time.process_time()
    readings = [understand(one) for one in recordings]
    parsed = time.process_time()
    metrics = Metrics()
    for one in readings:
        metrics.take(one)
    counted = time.process_time()
    assert all(one.outcome is StreamOutcome.COMPLETE and len(one.token_times) == TOKENS for one in readings), readings[
        0
    ]
    each = 1e6 / STREAMS / TOKENS
    return {**found, "parse": (parsed - began) * each, "figures": (counted - parsed) * each}


def _welcome(transport: str, peers: Peers, sleep: Callable[[float], None]) -> None:
    """Take the next client's request, and answer it up to the first token."""
    while (end := peers.accept()) is None:
        sleep(0)
    end.setblocking(False)

    def hear() -> bytes:
        while True:
            try:
                return end.recv(65536)
            except BlockingIOError:
                sleep(0)

    request = hear()
    if transport == "sse":
        end.send(_HEAD)
        return
    key = re.search(rb"(?i)sec-websocket-key: (\S+)", request)
    assert key is not None
    accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    end.send(upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + _frame(_OPEN))
    hear()  # the connect packet
    end.send(_frame(b'40{"sid":"bench"}'))
    hear()  # the ask


if __name__ == "__main__":
    sys.exit(main())
