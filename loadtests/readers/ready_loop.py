"""One callback of the event loop for all connections that can be read.

With a watcher for each connection gevent spends as much on a read as the system call does. An epoll of our own, which
is one watcher to gevent, gives all that are ready in one list.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from gevent import monkey

# gevent takes epoll away, since waiting in it would block; it is only ever asked what is ready now
_EPOLL: Final[Any] = getattr(select, "epoll", None) or monkey.saved.get("select", {}).get("epoll")
_READABLE: Final = 1


def when_readable(number: int, call: Callable[[], None]) -> Callable[[], None]:
    """Have `call` called in the event loop whenever the socket of this number can be read. The result ends that."""
    hub = gevent.get_hub()
    if _EPOLL is None:  # not Linux
        io = hub.loop.io(number, _READABLE)
        io.start(call)
        return partial(_end, io)
    loop = _LOOPS.get(hub)
    if loop is None or loop.process != os.getpid():  # a child process would share its parent's epoll
        loop = _LOOPS[hub] = ReadyLoop(hub)
    loop.add(number, call)
    return partial(loop.remove, number)


def _end(io: Any) -> None:
    io.stop()
    io.close()


class ReadyLoop:
    """Calls, by the number of their sockets."""

    def __init__(self, hub: Any) -> None:
        self.process = os.getpid()
        self._calls: dict[int, Callable[[], None]] = {}
        self._epoll = _EPOLL()
        self._io = hub.loop.io(self._epoll.fileno(), _READABLE)

    def add(self, number: int, call: Callable[[], None]) -> None:
        """Call it when the socket can be read. Raises OSError where there is no such socket."""
        self._epoll.register(number, _READABLE)
        self._calls[number] = call
        if len(self._calls) == 1:
            self._io.start(self._ready)

    def remove(self, number: int) -> None:
        """No longer. The socket must still be open."""
        del self._calls[number]
        self._epoll.unregister(number)
        if not self._calls:
            self._io.stop()  # else the event loop would seem to wait for something

    def _ready(self) -> None:
        calls = self._calls
        for number, _ in self._epoll.poll(0):
            if (call := calls.get(number)) is not None:  # an earlier one of this turn may have ended it
                call()


_LOOPS: Final[WeakKeyDictionary[Any, ReadyLoop]] = WeakKeyDictionary()
