"""Noticing that a client has gone, also while there is nothing to write to it.

A WSGI server learns of a client's close from its next write, and a reply may be silent for long.
So while a reply runs, a second greenlet waits for the client's socket to end.
"""

import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import gevent.socket  # type: ignore[import-untyped]
from gevent.monkey import get_original  # type: ignore[import-untyped]

SOCKET_KEY = "reference_server.socket"
PIPELINED_SECONDS = 0.25
# Linux only; unlike peeking, it sees the end behind bytes that nobody has read yet.
_HUNG_UP = getattr(select, "POLLRDHUP", None)


@contextmanager
def killed_on_hangup(environ: Mapping[str, object]) -> Iterator[None]:
    """Within this context, the client's hang-up kills the current greenlet (GreenletExit).

    Does nothing where no socket is in the WSGI environment, as in unit tests.
    """
    client = environ.get(SOCKET_KEY)
    if not isinstance(client, gevent.socket.socket):
        yield
        return
    watcher = gevent.spawn(_kill_on_hangup, client, gevent.getcurrent())
    try:
        yield
    finally:
        watcher.kill(block=False)


def _kill_on_hangup(client: socket.socket, victim: gevent.Greenlet) -> None:
    while True:
        gevent.socket.wait_read(client.fileno())
        if _has_hung_up(client):
            victim.kill(block=False)
            return
        gevent.sleep(PIPELINED_SECONDS)  # the start of a next request: readable, but not the end


def _has_hung_up(client: socket.socket) -> bool:
    """Whether the client has closed or reset the connection of this readable socket."""
    if _HUNG_UP is None:
        try:
            return client.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True
    poller = get_original("select", "poll")()
    poller.register(client.fileno(), _HUNG_UP)  # errors are always included
    return bool(poller.poll(0))
