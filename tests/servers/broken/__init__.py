"""Servers with one fault each: importing this registers them all in `FAULTS`."""

from tests.servers.broken import errors, interruption, limits, requests, sessions, sockets, stream, tokens
from tests.servers.broken.fault import FAULTS, WHOLE

__all__ = ["FAULTS", "WHOLE", "errors", "interruption", "limits", "requests", "sessions", "sockets", "stream", "tokens"]
