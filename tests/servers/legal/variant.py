"""A server that is odd and keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chatproof.harness.protocol.requirements import OWN_API, Profile
from tests.servers.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Variant:
    """A legal server, rows to run although they wait, the profiles that it declares, rows and groups to run, or nothing
    for all, the provider behind it, and what it speaks."""

    server: type[Upstream]
    also: str
    profiles: frozenset[Profile]
    only: tuple[str, ...] = ()
    provider: str = "openai"
    api: str = OWN_API


VARIANTS: dict[str, Variant] = {}

Server = type[Upstream]


def legal(
    name: str,
    also: str = "",
    profiles: Iterable[Profile] = Profile,
    only: str = "",
    provider: str = "openai",
    api: str = OWN_API,
) -> Callable[[Server], Server]:
    """Register a legal server."""

    def register(server: Server) -> Server:
        VARIANTS[name] = Variant(server, also, frozenset(profiles), tuple(only.split()), provider, api)
        return server

    return register
