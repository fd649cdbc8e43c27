"""A server that is odd and keeps the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.servers.plain_server import ChatServer


@dataclass(frozen=True, slots=True)
class Variant:
    """A legal server, and rows to run although they wait."""

    server: type[ChatServer]
    also: str


VARIANTS: dict[str, Variant] = {}

Server = type[ChatServer]


def legal(name: str, also: str = "") -> Callable[[Server], Server]:
    """Register a legal server."""

    def register(server: Server) -> Server:
        VARIANTS[name] = Variant(server, also)
        return server

    return register
