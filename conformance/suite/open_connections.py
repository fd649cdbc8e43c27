"""The connections that a test has open, to be closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from chatproof.harness.client.connection import TcpConnection


class Connected(Protocol):
    """Something that may hold a connection."""

    @property
    def is_over(self) -> bool: ...


@dataclass(slots=True)
class OpenConnections:
    """What is over is forgotten, with all that it holds."""

    _open: list[tuple[Connected, Callable[[], Awaitable[None]]]] = field(default_factory=list)
    _kept: list[TcpConnection] = field(default_factory=list)

    def add(self, one: Connected, close: Callable[[], Awaitable[None]]) -> None:
        """Close it by `close` at the end of the test."""
        self._open = [(other, end) for other, end in self._open if not other.is_over]
        self._open.append((one, close))

    def keep(self, connection: TcpConnection) -> None:
        """Close a connection that no exchange uses any more."""
        self._kept.append(connection)

    async def close(self) -> None:
        """Close all that are open."""
        await asyncio.gather(*(close() for _, close in self._open), return_exceptions=True)
        for connection in self._kept:
            connection.close()
        self._open.clear()
        self._kept.clear()
