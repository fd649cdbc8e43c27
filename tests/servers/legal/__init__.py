"""Odd servers that keep the contract: every row must pass. Importing this registers them all in `VARIANTS`."""

from tests.servers.legal import doors, lesser, sessions, wire
from tests.servers.legal.variant import VARIANTS

__all__ = ["VARIANTS", "doors", "lesser", "sessions", "wire"]
