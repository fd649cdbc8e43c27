"""The sockets that a started server has open, its workers' included."""

from __future__ import annotations

import asyncio
import time

import psutil

from chatproof.conformance.suite.exceptions import NotApplicable

LOOK = 0.2  # seconds between two looks
STEADY = 4  # looks with the same number: nothing is being closed any more


def open_sockets(pid: int) -> int:
    """How many TCP sockets a process and all its children have open, those that listen included.

    Raises:
        NotApplicable: the system does not show them.
    """
    try:
        leader = psutil.Process(pid)
        return sum(map(_own, [leader, *leader.children(recursive=True)]))
    except psutil.Error as error:
        raise NotApplicable(f"the server's sockets cannot be counted: {error}") from error


def _own(process: psutil.Process) -> int:
    try:
        return len(process.net_connections("tcp"))
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0  # it has ended


async def settled_sockets(pid: int, patience: float, enough: int = -1) -> int:
    """The number of open sockets once it is `enough` or less, or has not changed for a moment, or `patience` seconds
    have passed.

    Raises:
        NotApplicable: as in `open_sockets`.
    """
    give_up, counts = time.monotonic() + patience, [open_sockets(pid)]
    while counts[-1] > enough and time.monotonic() < give_up:
        if len(counts) >= STEADY and len(set(counts[-STEADY:])) == 1 and enough < 0:
            break
        await asyncio.sleep(LOOK)
        counts.append(open_sockets(pid))
    return counts[-1]
