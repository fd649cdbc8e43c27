"""Plays one planned reply on one connection, by absolute deadlines, and keeps the journal of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final

from fake_providers.journal import Ended, Entry, Journal
from fake_providers.wire import Plan

_RESET_PAUSE: Final = 0.05
"""Seconds between the last write and an RST: a reset may throw away bytes that the peer has not read."""


class Player:
    """Writes what is due; `finished` is called once, when the plan is over and nothing more will be written.

    Without an entry (control requests) nothing is journaled.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        plan: Plan,
        journal: Journal,
        entry: Entry | None,
        finished: Callable[[Plan], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._plan = plan
        self._journal = journal
        self._entry = entry
        self._finished = finished
        self._next = 0
        self._timer: asyncio.Handle | None = None
        self._last_write = 0.0
        self._paused = False
        self._over = False
        self._start = 0.0

    def start(self, paused: bool) -> None:
        """Begin; `paused`: the transport's buffer is still full from the reply before."""
        self._start = self._loop.time()
        self._paused = paused
        self._schedule()

    def pause(self) -> None:
        """The client reads too slowly: hold everything, in order, until it catches up."""
        self._paused = True
        self._cancel()

    def resume(self) -> None:
        self._paused = False
        self._schedule()

    def hang_up(self, how: Ended) -> None:
        """The client is gone: write nothing more."""
        self._cancel()
        self._end(how)

    def _schedule(self) -> None:
        plan = self._plan
        now = self._loop.time() - self._start
        while self._next < len(plan.writes) and not self._held():
            due = plan.writes[self._next].due
            if due > now:
                self._timer = self._loop.call_at(self._start + due, self._write_and_go_on)
                return
            self._write()
            if plan.each and self._next < len(plan.writes):
                # uvloop joins all writes of one turn of the loop into one send call.
                self._timer = self._loop.call_soon(self._go_on)
                return
        if self._held() or plan.end == "stall":
            return
        due = self._start + plan.end_due
        if plan.end == "reset" and self._last_write:
            due = max(due, self._last_write + _RESET_PAUSE)
        if due > self._loop.time():
            self._timer = self._loop.call_at(due, self._finish)
        else:
            self._finish()

    def _held(self) -> bool:
        return self._paused or self._over

    def _write_and_go_on(self) -> None:
        # The write is made whatever the clock says: a loop's timer may fire a little early.
        self._timer = None
        self._write()
        self._schedule()

    def _go_on(self) -> None:
        self._timer = None
        self._schedule()

    def _write(self) -> None:
        write = self._plan.writes[self._next]
        self._next += 1
        self._last_write = self._loop.time()
        if self._entry is not None:
            self._journal.wrote(self._entry, self._plan.status, len(write.data), write.tokens, write.text)
        self._transport.write(write.data)

    def _finish(self) -> None:
        self._timer = None
        self._end("faulted" if self._plan.faulted else "completed")
        self._finished(self._plan)

    def _end(self, how: Ended) -> None:
        if not self._over and self._entry is not None:
            self._journal.end(self._entry, how)
        self._over = True

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def reset(transport: asyncio.Transport) -> None:
    """End the connection with RST, whatever is still in its buffers."""
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # the peer may be gone already, which is just as well
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
