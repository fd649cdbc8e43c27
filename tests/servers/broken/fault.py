"""A server with one fault, and the rows that must notice it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chatproof.harness.protocol.requirements import OWN_API
from chatproof.harness.protocol.requirements import contract as whole_contract
from tests.servers.upstream import Upstream

WIRE = "SSE-01 SSE-02 SSE-03 SSE-04 SSE-05 SSE-07 SSE-08 SSE-09 SSE-10 TOK END"  # what one reply shows
FAILURES = "ERR SIO-08 CHAT"
WHOLE = "REQ SSE TOK END ERR SIO SES LIM CHAT INT"
DOORS = "AUTH CORS PERF"  # what a server has to declare

Server = type[Upstream]


class Crash(Exception):
    """An error that nobody handles."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A broken server and what the suite must say of it.

    `must`: these rows are violated. `may`: these may be as well, since they ask for the same. `unjudged`: rows
    that cannot be judged on such a server. All others must pass. `only` says which rows and groups are run. `says`: a
    text that the finding must hold. `contract`: the revision of the contract that the run asks for. `provider`: the
    one behind the server. `in_situations`: whether it takes the covering array of situations to notice it. `api`: what
    it speaks.
    """

    server: Server
    must: frozenset[str]
    may: frozenset[str]
    unjudged: frozenset[str]
    only: tuple[str, ...]
    says: str = ""
    contract: int = 1
    provider: str = "openai"
    in_situations: bool = False
    api: str = OWN_API


FAULTS: dict[str, Fault] = {}


def fault(
    name: str,
    must: str,
    only: str,
    *,
    may: str = "",
    unjudged: str = "",
    says: str = "",
    contract: int = 0,
    provider: str = "openai",
    in_situations: bool = False,
    api: str = OWN_API,
) -> Callable[[Server], Server]:
    """Register a broken server; rows are given in words. `contract`: see `Fault`; else the newest that `must` needs."""

    def register(server: Server) -> Server:
        must_, may_, unjudged_ = (frozenset(words.split()) for words in (must, may, unjudged))
        first = 1 + in_situations if api == OWN_API else whole_contract().revision
        revision = contract or max([first, *(whole_contract()[row].since for row in must_)])
        rows = (must_, may_, unjudged_, tuple(only.split()))
        FAULTS[name] = Fault(server, *rows, says, revision, provider, in_situations, api)
        return server

    return register
