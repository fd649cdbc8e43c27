"""A server that is odd and keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chatproof.harness.protocol.requirements import Profile
from tests.servers.plain_server import ChatServer


@dataclass(frozen=True, slots=True)
class Variant:
    """A legal server, rows to run although they wait, the profiles that it declares, rows and groups to run, or nothing
    for all, and the provider behind it."""

    server: type[ChatServer]
    also: str
    profiles: frozenset[Profile]
    only: tuple[str, ...] = ()
    provider: str = "openai"


VARIANTS: dict[str, Variant] = {}

Server = type[ChatServer]


def legal(
    name: str, also: str = "", profiles: Iterable[Profile] = Profile, only: str = "", provider: str = "openai"
) -> Callable[[Server], Server]:
    """Register a legal server."""

    def register(server: Server) -> Server:
        VARIANTS[name] = Variant(server, also, frozenset(profiles), tuple(only.split()), provider)
        return server

    return register
