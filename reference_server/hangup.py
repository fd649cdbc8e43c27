"""Detect a client's disconnect, even while there is nothing to write to it.

A WSGI server notices a disconnect only at its next write, and a reply may be silent for a long time. So while a reply
runs, the event loop watches the client's socket.
"""

import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import gevent.socket  # type: ignore[import-untyped]
from gevent.monkey import get_original  # type: ignore[import-untyped]

SOCKET_KEY = "reference_server.socket"
# POLLRDHUP (Linux) also reports a close that is queued behind unread bytes. Elsewhere POLLHUP is the nearest.
_HUNG_UP = getattr(select, "POLLRDHUP", select.POLLHUP)


@contextmanager
def killed_on_hangup(environ: Mapping[str, object]) -> Iterator[None]:
    """Within this context, a disconnect of the client kills the current greenlet (GreenletExit).

    Does nothing if the WSGI environment holds no socket, as in unit tests.
    """
    client = environ.get(SOCKET_KEY)
    if not isinstance(client, gevent.socket.socket):
        yield
        return
    loop = gevent.get_hub().loop
    readable, pause = loop.io(client.fileno(), 1), loop.timer(0.25)
    victim = gevent.getcurrent()

    def look() -> None:
        readable.stop()
        if has_event(client, _HUNG_UP):
            gevent.kill(victim)
        else:  # readable because of a pipelined request, not because of a disconnect
            pause.start(readable.start, look)

    readable.start(look)
    try:
        yield
    finally:
        for watcher in (readable, pause):
            watcher.close()


def has_event(sock: socket.socket, event: int) -> bool:
    """Whether `select.poll` reports this event, or an error, for the socket. Does not wait."""
    poller = get_original("select", "poll")()
    poller.register(sock.fileno(), event)
    return bool(poller.poll(0))
