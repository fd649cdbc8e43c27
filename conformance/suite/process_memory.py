"""The memory of a started server, its workers included."""

from __future__ import annotations

import psutil

from chatproof.conformance.suite.exceptions import NotTestable


def memory_of(pid: int) -> int:
    """Bytes that a process and all its children hold.

    Shared pages count once: in parts where the system reports it (Linux); elsewhere only private pages are counted.

    Raises:
        NotTestable: the system does not allow it.
    """
    try:
        leader = psutil.Process(pid)
        return sum(_own(process) for process in [leader, *leader.children(recursive=True)])
    except psutil.Error as error:
        raise NotTestable(f"the server's memory cannot be read: {error}") from error


def _own(process: psutil.Process) -> int:
    try:
        info = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0  # it has ended
    return int(getattr(info, "pss", info.uss))
