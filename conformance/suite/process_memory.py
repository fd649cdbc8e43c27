"""How much memory a started server takes, its workers included."""

from __future__ import annotations

import psutil

from chatproof.conformance.suite.exceptions import NotTestable


def memory_of(pid: int) -> int:
    """Bytes that a process and all its children hold.

    Pages that several share count once: in parts where the system tells (Linux), else each process counts those
    that it has for itself.

    Raises:
        NotTestable: the system does not let us look.
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
        return 0  # it ended meanwhile, and holds nothing
    return int(getattr(info, "pss", info.uss))
