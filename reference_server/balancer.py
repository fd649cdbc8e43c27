"""Several worker processes behind one port, as one server.

This process accepts each connection and passes it on to a worker, in turn; only a Socket.IO client that polls has to
come back to the worker that knows it, which its id names. A connection is passed on once, so workers answer
one request on each and close it (WebSocket aside).
"""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import gevent.subprocess  # type: ignore[import-untyped]
from gevent.monkey import get_original  # type: ignore[import-untyped]
from gevent.server import StreamServer  # type: ignore[import-untyped]

log = logging.getLogger(__name__)

WORKER_FD = "REFERENCE_SERVER_FD"  # of the socket by which a worker is given its connections
WORKER_NUMBER = "REFERENCE_SERVER_WORKER"
MAX_FIRST_LINE = 8192
SOCKET_ID = re.compile(rb"^[A-Z]+ /socket\.io/[^ ]*[?&]sid=([0-9]{1,2})-")
NOBODY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
STOP_SECONDS = 8.0
RESTART_SECONDS = 1.0  # between two starts of a worker that ends at once


class Balancer(StreamServer):  # type: ignore[misc]  # gevent ships no types
    """Listens, and passes connections on. A worker that ends is replaced."""

    def __init__(self, host: str, port: int, workers: int, request_timeout: float) -> None:
        super().__init__((host, port), self._pass_on, backlog=1024)
        self._request_timeout = request_timeout  # seconds
        self._turns = count()
        self._channels: list[socket.socket | None] = [None] * workers
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * workers
        self._keepers = [gevent.spawn(self._keep, number) for number in range(workers)]

    def _keep(self, number: int) -> None:
        """Run a worker, again and again."""
        while True:
            ours, theirs = socket.socketpair()
            environ = {**os.environ, WORKER_FD: str(theirs.fileno()), WORKER_NUMBER: str(number)}
            command = [sys.executable, "-m", "reference_server", *sys.argv[1:]]
            with ours:
                with theirs:
                    process = gevent.subprocess.Popen(command, env=environ, pass_fds=[theirs.fileno()])
                self._processes[number], self._channels[number] = process, ours
                code = process.wait()
                self._channels[number] = None
            log.warning("Worker %d ended with code %s and is started again", number, code)
            gevent.sleep(RESTART_SECONDS)

    def _pass_on(self, client: socket.socket, address: object) -> None:
        with client, suppress(OSError, gevent.Timeout), gevent.Timeout(self._request_timeout):
            line = b""
            while b"\n" not in line and len(line) < MAX_FIRST_LINE:
                if line:
                    gevent.sleep(0.01)  # peeking again does not wait
                if not (line := client.recv(MAX_FIRST_LINE, socket.MSG_PEEK)):
                    return
            found = SOCKET_ID.match(line)
            for number in [int(found[1])] if found else self._in_turn():
                if number < len(self._channels) and (channel := self._channels[number]):
                    socket.send_fds(channel, [b"c"], [client.fileno()])
                    return
            client.sendall(NOBODY)

    def _in_turn(self) -> Iterator[int]:
        first = next(self._turns)
        return ((first + offset) % len(self._channels) for offset in range(len(self._channels)))

    def close(self) -> None:
        """Stop listening, and have the workers end their replies."""
        super().close()
        gevent.killall(self._keepers)
        processes = [process for process in self._processes if process]
        for process in processes:
            process.send_signal(signal.SIGTERM)
        with gevent.Timeout(STOP_SECONDS, False):
            for process in processes:
                process.wait()
        for process in processes:
            process.kill()


def receive(channel: socket.socket) -> socket.socket | None:
    """The next connection that a balancer passed on; None if there is none just now. Once it has gone, so must we."""
    plain = get_original("socket", "socket")
    with plain(fileno=os.dup(channel.fileno())) as raw:
        raw.setblocking(False)
        try:
            data, descriptors, _, _ = socket.recv_fds(raw, 1, 1)
        except BlockingIOError:
            return None
    if not data:
        os.kill(os.getpid(), signal.SIGTERM)
        return None
    client: socket.socket = plain(fileno=descriptors[0])
    return client
