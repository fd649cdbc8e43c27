"""Ends what this process started, also where this process is killed and can end nothing itself.

A small process waits at the end of a pipe. The pipe closes when its owner ends, however that happens; then the process
ends the groups that are still on its list. It works on every POSIX system; elsewhere nothing is watched.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import Final

GRACE: Final = 2.0  # seconds between the request to end and the kill
_POLL: Final = 0.05  # seconds


class Watchdog:
    """The list of process groups to end with this process. The watching process starts with the first entry."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0  # the process that holds the pipe: a forked child starts a watchdog of its own
        self._pipe = -1

    def add(self, group: int) -> None:
        """End this process group when this process ends."""
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        """The group has ended; its number may be given to another."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        if os.name != "posix":
            return
        with self._lock, contextlib.suppress(OSError):  # the watchdog itself was killed
            if self._owner != os.getpid():
                self._pipe, self._owner = _start(), os.getpid()
            os.write(self._pipe, line.encode("ascii"))


def _start() -> int:
    """Start the process that watches, in a group of its own. Gives the end of the pipe to write to."""
    there, pipe = os.pipe()
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    try:
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", __file__],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, there, 0), *nothing],
            setpgroup=0,
        )
    finally:
        os.close(there)
    return pipe


def watch() -> None:
    """Read `+group` and `-group` lines until the pipe closes, then end the groups that are left."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal may close before the owner ends
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line.startswith("+") else groups.discard)(int(line[1:]))
    _send(groups, signal.SIGTERM)
    give_up = time.monotonic() + GRACE
    while _send(groups, 0) and time.monotonic() < give_up:
        time.sleep(_POLL)
    _send(groups, signal.SIGKILL)


def _send(groups: set[int], number: int) -> bool:
    """Send a signal to each group. Gives whether there was one to get it."""
    reached = False
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: a group of nothing but the dead
            os.killpg(group, number)
            reached = True
    return reached


WATCHDOG: Final = Watchdog()

if __name__ == "__main__":
    watch()
