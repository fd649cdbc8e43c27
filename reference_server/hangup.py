"""Noticing that a client has gone, also while there is nothing to write to it.

A WSGI server learns of a client's close from its next write, and a reply may be silent for long.
So while a reply runs, the event loop watches the client's socket for its end.
"""

import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import gevent.socket  # type: ignore[import-untyped]
from gevent.monkey import get_original  # type: ignore[import-untyped]

SOCKET_KEY = "reference_server.socket"
# Unlike peeking, it sees the end behind bytes that nobody has read yet. POLLHUP is the nearest there is elsewhere.
_HUNG_UP = getattr(select, "POLLRDHUP", select.POLLHUP)


@contextmanager
def killed_on_hangup(environ: Mapping[str, object]) -> Iterator[None]:
    """Within this context, the client's hang-up kills the current greenlet (GreenletExit).

    Does nothing where no socket is in the WSGI environment, as in unit tests.
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
        else:  # the start of a next request: readable, but not the end
            pause.start(readable.start, look)

    readable.start(look)
    try:
        yield
    finally:
        for watcher in (readable, pause):
            watcher.close()


def has_event(sock: socket.socket, event: int) -> bool:
    """Whether one of `select.poll` is there, errors always included; does not wait."""
    poller = get_original("select", "poll")()
    poller.register(sock.fileno(), event)
    return bool(poller.poll(0))
