"""The sockets that a started server has open, its workers' included."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from chatproof.conformance.suite.exceptions import NotApplicable

LOOK = 0.2  # seconds between two looks
STEADY = 4  # looks with the same number: nothing is being closed any more
LINUX = sys.platform == "linux"


def open_sockets(processes: Iterable[psutil.Process]) -> int:
    """How many sockets some processes have open, those that listen included.

    Raises:
        NotApplicable: the system does not show them.
    """
    try:
        return sum(map(_own, processes))
    except (psutil.Error, OSError) as error:
        raise NotApplicable(f"the server's sockets cannot be counted: {error}") from error


def _own(process: psutil.Process) -> int:
    try:
        # psutil reads the connections of the whole machine: 0.3 s while many are in TIME_WAIT
        return _descriptors(process.pid) if LINUX else len(process.net_connections("tcp"))
    except (psutil.NoSuchProcess, psutil.ZombieProcess, FileNotFoundError, ProcessLookupError):
        return 0  # it has ended


def _descriptors(pid: int) -> int:
    """The sockets among a process's files, also those whose connection has ended."""
    count = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += str(file.readlink()).startswith("socket:")
    return count


def family(pid: int) -> list[psutil.Process]:
    """A process and all its children.

    Raises:
        NotApplicable: it has ended, or the system does not show it.
    """
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.Error as error:
        raise NotApplicable(f"the server's processes cannot be seen: {error}") from error


async def settled_sockets(pid: int, patience: float, enough: int = -1) -> int:
    """The number of open sockets once it is `enough` or less, or has not changed for a moment, or `patience` seconds
    have passed.

    Raises:
        NotApplicable: as in `open_sockets`.
    """
    processes = family(pid)
    give_up, counts = time.monotonic() + patience, [open_sockets(processes)]
    while counts[-1] > enough and time.monotonic() < give_up:
        if len(counts) >= STEADY and len(set(counts[-STEADY:])) == 1 and enough < 0:
            break
        await asyncio.sleep(LOOK)
        counts.append(open_sockets(processes))
    return counts[-1]
