"""Says what a server's command left running."""

from __future__ import annotations

from contextlib import suppress

import psutil

from chatproof.harness.common.started_server import listens
from chatproof.harness.common.target import Target


def left_over(target: Target) -> str:
    """What still listens where a server was that has been stopped, in one line, or nothing."""
    if not listens(target.host, target.port):
        return ""
    who = _listener(target.port)
    name = f"{who.name()} (pid {who.pid})" if who else "a process of another user"
    return (
        f"the --start command has ended, but {name} still listens on port {target.port}: it left its process group, as "
        "daemons do. End it by hand, and let the command run the server in the foreground"
    )


def _listener(port: int) -> psutil.Process | None:
    with suppress(psutil.Error):  # some systems do not show the connections of others
        for connection in psutil.net_connections("tcp"):
            listens_there = connection.status == psutil.CONN_LISTEN and port in connection.laddr
            if listens_there and connection.pid:
                return psutil.Process(connection.pid)
    return None
