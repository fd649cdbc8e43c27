"""Several worker processes behind one port, as one server.

This process accepts each connection and passes it on to a worker, in turn; only a Socket.IO client that polls has to
come back to the worker that knows it, which its id names. A connection is passed on once, so workers answer
one request on each and close it (WebSocket aside). It waits in the worker's channel where none is ready.
"""

import logging
import os
import re
import signal
import socket
import sys
from collections import deque
from contextlib import suppress

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from gevent.lock import Semaphore  # type: ignore[import-untyped]
from gevent.server import StreamServer  # type: ignore[import-untyped]
from gevent.subprocess import PIPE, Popen  # type: ignore[import-untyped]

log = logging.getLogger(__name__)

WORKER_FD = "REFERENCE_SERVER_FD"  # of the socket by which a worker is given its connections
WORKER_NUMBER = "REFERENCE_SERVER_WORKER"
MAX_FIRST_LINE = 8192
SOCKET_ID = re.compile(rb"^[A-Z]+ /socket\.io/[^ ]*[?&]sid=([0-9]{1,2})-")


class Balancer(StreamServer):  # type: ignore[misc]  # gevent ships no types
    """Listens, and passes connections on. A worker that ends is replaced."""

    def __init__(self, listener: tuple[str, int], workers: int, request_timeout: float) -> None:
        super().__init__(listener, self._pass_on, backlog=1024)
        self._request_timeout = request_timeout  # seconds
        self._channels = [socket.socketpair() for _ in range(workers)]  # our end, and the worker's
        self._processes: dict[int, Popen] = {}
        self._locks = [Semaphore() for _ in range(workers)]
        self._turns: deque[int] = deque()  # of those that are ready
        self._keepers = [gevent.spawn(self._keep, number) for number in range(workers)]

    def _keep(self, number: int) -> None:
        """Run a worker, again and again."""
        descriptor = self._channels[number][1].fileno()
        environ = {**os.environ, WORKER_FD: str(descriptor), WORKER_NUMBER: str(number)}
        command = [sys.executable, "-m", "chatproof.reference_server", *sys.argv[1:]]
        while True:
            process = self._processes[number] = Popen(command, env=environ, pass_fds=[descriptor], stdout=PIPE)
            process.stdout.readline()  # "Listening", or the end of one that could not start
            self._turns.append(number)
            log.warning("Worker %d ended with code %s and is started again", number, process.wait())
            self._turns.remove(number)
            gevent.sleep(1.0)  # it may end at once, again and again

    def start(self) -> None:
        """Listen, and wait for the workers: a connection before that would wait as long."""
        super().start()
        with gevent.Timeout(10.0, False):  # seconds
            while len(self._turns) < len(self._channels):
                gevent.sleep(0.01)

    def _pass_on(self, client: socket.socket, address: object) -> None:
        with client, suppress(OSError, gevent.Timeout), gevent.Timeout(self._request_timeout):
            line = b""
            while b"\n" not in line and len(line) < MAX_FIRST_LINE:
                if line:
                    gevent.sleep(0.01)  # peeking again does not wait
                if not (line := client.recv(MAX_FIRST_LINE, socket.MSG_PEEK)):
                    return
            if found := SOCKET_ID.match(line):
                number = int(found[1]) % len(self._channels)  # any worker can say that it does not know an id
            else:
                self._turns.rotate()
                number = self._turns[0] if self._turns else 0
            with self._locks[number]:
                socket.send_fds(self._channels[number][0], [b"c"], [client.fileno()])

    def close(self) -> None:
        """Stop listening, and have the workers end their replies."""
        super().close()
        gevent.killall(self._keepers)
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        gevent.joinall([gevent.spawn(process.wait) for process in self._processes.values()], timeout=8.0)
        for process in self._processes.values():
            process.kill()


def receive(channel: socket.socket) -> tuple[socket.socket, object] | None:
    """The next connection that a balancer passed on; None if there is none just now. Once it has gone, so must we."""
    with suppress(OSError):  # BlockingIOError, or the client has gone already
        data, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if descriptors:
            client = socket.socket(fileno=descriptors[0])
            return client, client.getpeername()
        if not data:
            os.kill(os.getpid(), signal.SIGTERM)
    return None
