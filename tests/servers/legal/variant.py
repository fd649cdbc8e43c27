"""A server that is odd and keeps the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chatproof.harness.protocol.requirements import OWN_API, Profile
from chatproof.harness.protocol.requirements import contract as whole_contract
from tests.servers.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Variant:
    """A legal server, rows to run although they wait, the profiles that it declares, rows and groups to run, or nothing
    for all, the provider behind it, what it speaks, and the revision of the contract that the run asks for: the first
    one for a server of all rows whose traits the chameleons have, or which only offers less than they, since each such
    run takes up to 25 s of CPU."""

    server: type[Upstream]
    also: str
    profiles: frozenset[Profile]
    only: tuple[str, ...] = ()
    provider: str = "openai"
    api: str = OWN_API
    contract: int = whole_contract().revision


VARIANTS: dict[str, Variant] = {}

Server = type[Upstream]


def legal(
    name: str,
    also: str = "",
    profiles: Iterable[Profile] = Profile,
    only: str = "",
    provider: str = "openai",
    api: str = OWN_API,
    contract: int = whole_contract().revision,
) -> Callable[[Server], Server]:
    """Register a legal server."""

    def register(server: Server) -> Server:
        rows = (also, frozenset(profiles), tuple(only.split()))
        VARIANTS[name] = Variant(server, *rows, provider, api, contract)
        return server

    return register
