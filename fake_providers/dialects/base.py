"""One request and its answer, as dialects see them: no sockets, no clock."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chatproof.fake_providers.scripting.faults import End, Frame
from chatproof.fake_providers.scripting.script import Script

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A whole HTTP request. `path` is without its query; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    json: Any = None
    """The body as JSON, None where it is not JSON."""
    json_error: str | None = None
    """Why the body is not JSON; None where it is, or where there is none."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A valid request, reduced to what decides the bytes of its answer (so it is the cache's key)."""

    script: Script
    scenario: str | None
    """The script's name as the request gave it; None where it named none."""
    case: str | None
    text: str
    model: str
    stream: bool
    usage: bool = False
    prompt_tokens: int = 0
    max_tokens: int | None = None
    """As many tokens may be said, all calls' arguments included; None: all."""
    choices: int = 1
    provider: str = ""
    flavour: str = ""
    """Which of several APIs or products of the dialect answers."""
    extra: Hashable = None
    """What else the dialect needs to render."""

    @property
    def key(self) -> str:
        """What delays are drawn from, beside the script's seed: equal requests have equal times."""
        return f"{self.model}\n{self.text}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `status` None means that no HTTP response is given: frames, if any, are raw bytes.

    `head_due`, `end_due`: seconds from the request's arrival. `torn`: the beginning of a chunk that is
    announced longer than it is (end "cut"). `faulted`: the script meant this answer to fail.
    """

    status: int | None
    headers: Headers = ()
    frames: tuple[Frame, ...] = ()
    end: End = "complete"
    head_due: float = 0.0
    end_due: float = 0.0
    chunked: bool = False
    torn: bytes = b""
    faulted: bool = False
    case: str | None = None
    """The case id of a request that was refused although it could be read."""


class Dialect(Protocol):
    """One provider's HTTP API. A module in `fake_providers/dialects` that has these names is one."""

    NAME: str

    def answers(self, method: str, path: str) -> bool:
        """Is this path the provider's?"""

    def read(self, request: Request, scripts: Mapping[str, Script]) -> Ask | Reply:
        """Validate as the real API does: an Ask to render, or the Reply that needs no script."""

    def render(self, ask: Ask) -> Reply:
        """The answer to a valid request; equal asks give equal bytes."""
