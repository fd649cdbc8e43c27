"""Ctrl-C and SIGTERM: the first ends the run, which still stops what it started and writes its reports."""

from __future__ import annotations

import os
import signal
from typing import Any, Final

INTERRUPTED: Final = 130  # the exit code of a program that Ctrl-C ended
PATIENCE: Final = 2  # signals; the next one ends the process at once, and the watchdog what it started


class Interrupts:
    """The run's handlers of SIGINT and SIGTERM, from `take` to `give_back`."""

    def __init__(self) -> None:
        self._old: dict[int, Any] = {}
        self._count = 0

    def take(self) -> None:
        """Handle the signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._old[number] = signal.signal(number, self._handle)

    def give_back(self) -> None:
        """Let whoever handled the signals before handle them again."""
        for number, handler in self._old.items():
            signal.signal(number, handler)
        self._old.clear()

    def _handle(self, number: int, frame: object) -> None:
        self._count += 1
        if self._count > PATIENCE:
            os._exit(INTERRUPTED)
        if self._count > 1:
            return  # the run is ending: an exception here would cost reports, and leave processes behind
        raise KeyboardInterrupt if number == signal.SIGINT else KeyboardInterrupt(signal.Signals(number).name)
