"""Servers with one fault each: importing this registers them all in `FAULTS`."""

from tests.servers.broken import (
    auth,
    cors,
    errors,
    interruption,
    limits,
    perf,
    requests,
    sessions,
    sockets,
    stream,
    tokens,
)
from tests.servers.broken.fault import DOORS, FAULTS, WHOLE

__all__ = [
    "DOORS",
    "FAULTS",
    "WHOLE",
    "auth",
    "cors",
    "errors",
    "interruption",
    "limits",
    "perf",
    "requests",
    "sessions",
    "sockets",
    "stream",
    "tokens",
]
