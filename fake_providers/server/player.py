"""Writes one planned reply to a connection, each write at its absolute deadline, and notes it in the journal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Final

from chatproof.fake_providers.journal.journal import Ended, Entry, Journal
from chatproof.fake_providers.planning.http_writes import WritePlan

_RESET_PAUSE: Final = 0.05
"""Seconds between the last write and an RST: a reset may drop bytes that the peer has not read yet."""


_BURST: Final = 32
"""The most send calls of one reply in one turn of the event loop, so that other replies get their turn."""


class Player:
    """Writes what is due. It calls `finished` once, when the whole plan has been played.

    Without an entry (control requests) nothing is journaled.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        plan: WritePlan,
        journal: Journal,
        entry: Entry | None,
        finished: Callable[[WritePlan], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._plan = plan
        self._journal = journal
        self._entry = entry
        self._finished = finished
        self._writes = plan.writes
        self._next = 0
        self._timer: asyncio.Handle | None = None
        self._paused = False
        self._over = False
        self._start = 0.0
        self._passed = 0.0
        self._file = _file_of(transport) if plan.each else None
        if entry is not None:
            entry.planned = plan.sent

    def start(self, paused: bool) -> None:
        """Begin; `paused`: the transport's buffer is still full from the reply before."""
        self._start = self._loop.time()
        if self._entry is not None:
            self._entry.started = time.monotonic()
        self._paused = paused
        self._schedule()

    def pause(self) -> None:
        """Backpressure: stop writing until the client has caught up."""
        self._paused = True
        self._cancel()

    def resume(self) -> None:
        self._paused = False
        self._schedule()

    def hang_up(self, how: Ended) -> None:
        """The client closed the connection: stop writing."""
        self._cancel()
        self._end(how)

    def _schedule(self, wrote: bool = False) -> None:
        """Write what is due and schedule the next write. `wrote`: this turn of the loop had a write already."""
        plan = self._plan
        self._passed = now = self._loop.time() - self._start
        while self._next < len(self._writes) and not self._held():
            due = self._writes[self._next].due
            if due > now:
                self._timer = self._loop.call_at(self._start + due, self._write_and_go_on)
                return
            if plan.each and wrote:
                # uvloop joins all writes of one turn of the loop into one send call.
                self._timer = self._loop.call_soon(self._write_each)
                return
            self._write()
            wrote = True
        if self._held() or plan.end == "stall":
            return
        due, now = self._start + plan.end_due, self._loop.time()
        if plan.end == "reset" and self._next:
            due = max(due, now + _RESET_PAUSE)
        if due > now:
            self._timer = self._loop.call_at(due, self._finish)
        else:
            self._finish()

    def _held(self) -> bool:
        return self._paused or self._over

    def _write_and_go_on(self) -> None:
        # The write is made whatever the clock says: a loop's timer may fire a little early.
        self._timer = None
        self._write()
        self._schedule(wrote=True)

    def _write_each(self) -> None:
        """Make the writes that are due, each in a send call of its own. A hot path."""
        self._timer = None
        transport, file = self._transport, self._file
        if file is None or transport.is_closing() or transport.get_write_buffer_size():
            self._write()  # alone in this turn
        else:
            stop = min(self._next + _BURST, len(self._writes))
            while self._next < stop and self._writes[self._next].due <= self._passed and self._send(file):
                pass
        self._schedule(wrote=True)

    def _send(self, file: int) -> bool:
        """Send the next write on the socket itself. False if the transport had to queue a part of it."""
        data = self._noted()
        try:
            sent = os.write(file, data)
        except OSError:
            sent = 0  # full or broken: the transport will find out which
        if sent < len(data):
            self._transport.write(data[sent:])
        return sent == len(data)

    def _write(self) -> None:
        self._transport.write(self._noted())

    def _noted(self) -> bytes:
        """Note the next write in the journal, and return its bytes."""
        number = self._next
        self._next = number + 1
        if self._entry is not None:
            if number == 0:
                self._entry.status = self._plan.status
            self._journal.wrote_next(self._entry)
        return self._writes[number].payload

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


def _file_of(transport: asyncio.Transport) -> int | None:
    """The file descriptor of the transport's socket; None where os.write cannot send on it."""
    sock = transport.get_extra_info("socket")
    return None if sock is None or sys.platform == "win32" else int(sock.fileno())


def reset(transport: asyncio.Transport) -> None:
    """End the connection with RST and drop what is still in its buffers."""
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # the peer may be gone already
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
