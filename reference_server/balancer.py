"""Run several worker processes behind one port.

The balancer accepts each connection and passes its file descriptor to a worker, round robin. A Socket.IO client that
polls must always reach the worker that holds its socket: the socket's id begins with that worker's number. A connection
is passed on once, so a worker answers one request on it and closes it (except a WebSocket). While no worker is
ready, connections wait in a worker's channel.
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

WORKER_FD = "REFERENCE_SERVER_FD"  # file descriptor of the channel on which a worker receives its connections
WORKER_NUMBER = "REFERENCE_SERVER_WORKER"
MAX_FIRST_LINE = 8192
SOCKET_ID = re.compile(rb"^[A-Z]+ /socket\.io/[^ ]*[?&]sid=([0-9]{1,2})-")


class Balancer(StreamServer):  # type: ignore[misc]  # gevent ships no types
    """Accepts connections, passes them to workers, and replaces each worker that ends."""

    def __init__(self, listener: tuple[str, int], workers: int, request_timeout: float) -> None:
        super().__init__(listener, self._pass_on, backlog=1024)
        self._request_timeout = request_timeout  # seconds
        self._channels = [socket.socketpair() for _ in range(workers)]  # the balancer's end, the worker's end
        self._processes: dict[int, Popen] = {}
        self._locks = [Semaphore() for _ in range(workers)]
        self._turns: deque[int] = deque()  # the numbers of the ready workers, the next one first
        self._keepers = [gevent.spawn(self._keep, number) for number in range(workers)]

    def _keep(self, number: int) -> None:
        """Run one worker, and start it again whenever it ends."""
        descriptor = self._channels[number][1].fileno()
        environ = {**os.environ, WORKER_FD: str(descriptor), WORKER_NUMBER: str(number)}
        command = [sys.executable, "-m", "chatproof.reference_server", *sys.argv[1:]]
        while True:
            process = self._processes[number] = Popen(command, env=environ, pass_fds=[descriptor], stdout=PIPE)
            process.stdout.readline()  # "Listening", or the end of the output if it could not start
            self._turns.append(number)
            log.warning("Worker %d ended with exit code %s; starting it again", number, process.wait())
            self._turns.remove(number)
            gevent.sleep(1.0)  # do not spin when a worker ends at once each time

    def start(self) -> None:
        """Listen, then wait up to 10 s until every worker is ready."""
        super().start()
        with gevent.Timeout(10.0, False):  # seconds
            while len(self._turns) < len(self._channels):
                gevent.sleep(0.01)

    def _pass_on(self, client: socket.socket, address: object) -> None:
        with client, suppress(OSError, gevent.Timeout), gevent.Timeout(self._request_timeout):
            line = b""
            while b"\n" not in line and len(line) < MAX_FIRST_LINE:
                if line:
                    gevent.sleep(0.01)  # the next peek would return the same bytes at once
                if not (line := client.recv(MAX_FIRST_LINE, socket.MSG_PEEK)):
                    return
            if found := SOCKET_ID.match(line):
                number = int(found[1]) % len(self._channels)  # any worker can reject an unknown id
            else:
                self._turns.rotate()
                number = self._turns[0] if self._turns else 0
            with self._locks[number]:
                socket.send_fds(self._channels[number][0], [b"c"], [client.fileno()])

    def close(self) -> None:
        """Stop listening and stop the workers, each of which ends its replies first. Takes up to 8 s."""
        super().close()
        gevent.killall(self._keepers)
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        gevent.joinall([gevent.spawn(process.wait) for process in self._processes.values()], timeout=8.0)
        for process in self._processes.values():
            process.kill()


def receive(channel: socket.socket) -> tuple[socket.socket, object] | None:
    """Return the next connection that the balancer passed on, or None. Stops this worker if the balancer has ended."""
    with suppress(OSError):  # BlockingIOError, or the client has already disconnected
        data, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        if descriptors:
            client = socket.socket(fileno=descriptors[0])
            return client, client.getpeername()
        if not data:
            os.kill(os.getpid(), signal.SIGTERM)
    return None
