"""What happens to a connection while a reply is silent: its client may hang up, and proxies may.

A WSGI server notices a disconnect only at its next write, and a reply may be silent for a long time. So while a reply
runs, the event loop watches the client's socket, and writes something now and then.
"""

import select
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import gevent.socket  # type: ignore[import-untyped]
from gevent.monkey import get_original  # type: ignore[import-untyped]

SOCKET_KEY = "reference_server.socket"
WRITE_KEY = "reference_server.write"
SILENCE = 15.0  # seconds; many proxies hang up after 30 s or 60 s
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


@contextmanager
def said_in_silence(words: bytes, environ: Mapping[str, Any]) -> Iterator[Callable[[], None]]:
    """Within this context, write `words` to the client each time that 15 s have passed since the last call of what it
    yields.

    Does nothing if the WSGI environment has no way to write, as in unit tests.
    """
    write = environ.get(WRITE_KEY)
    if write is None:
        yield lambda: None
        return
    timer = gevent.get_hub().loop.timer(SILENCE, SILENCE)

    def say() -> None:
        with suppress(OSError):  # the client has gone
            if timer.active and not environ[SOCKET_KEY].is_sending:  # else the reply has ended, or the client is slow
                write(words)

    def restart() -> None:
        timer.again(gevent.spawn, say)

    restart()
    try:
        yield restart
    finally:
        timer.close()


def has_event(sock: socket.socket, event: int) -> bool:
    """Whether `select.poll` reports this event, or an error, for the socket. Does not wait."""
    poller = get_original("select", "poll")()
    poller.register(sock.fileno(), event)
    return bool(poller.poll(0))
