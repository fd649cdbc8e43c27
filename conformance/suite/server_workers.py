"""The worker processes of a started server, as gunicorn and uvicorn have them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

import psutil


@dataclass(slots=True)
class ServerWorkers:
    """The processes that the server had beside its first one when it was last asked nothing."""

    _known: list[psutil.Process] = field(default_factory=list)

    def remember(self, pid: int) -> None:
        """Note those of the server whose first process is `pid`."""
        self._known = _children(pid)

    def forget(self) -> None:
        """They may end as they like."""
        self._known = []

    def has_lost_one(self) -> bool:
        """Whether one of them has ended."""
        return any(not _lives(one) for one in self._known)

    def are_as_many(self, pid: int) -> bool:
        """Whether there are as many again."""
        return len(_children(pid)) >= len(self._known)


def _children(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(pid).children(recursive=True)
    return []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
