"""A request to a provider and its reply, as dialects see them: no sockets, no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, cast

from chatproof.fake_providers.models.catalogue import Catalogue, Provider, model_of
from chatproof.fake_providers.scripting.script import Script
from chatproof.fake_providers.scripting.selection import case_of, scenario_of
from chatproof.fake_providers.scripting.tokenizer import Vocabulary
from chatproof.fake_providers.scripting.wire_table import Form

Headers = tuple[tuple[str, str], ...]

End = Literal["complete", "close", "cut", "reset", "stall"]
"""What happens on the connection after the last frame."""

Thinking = Literal["shown", "hidden", "none"]
"""What the client gets of the model's thoughts: their text; only their number in the usage; or the model thinks not."""


class TimedFrame(NamedTuple):
    """Payload bytes, without HTTP framing in a reply, and when they are due, in seconds from the request's arrival.

    `tokens` and `text`: what a client has more once it has read the whole frame. A tuple, since a reply has thousands.
    """

    payload: bytes
    due: float
    tokens: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A whole HTTP request. `path` has no query; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    json: Any = None
    """The body read as JSON; None where it is not JSON. Lone surrogates are read as `?`, and are a `json_error`."""
    json_error: str | None = None
    """Why the body is not JSON; None where it is JSON, or empty."""

    @property
    def identity(self) -> tuple[str, bytes]:
        """What makes two requests equal: the path and the whole body as received.

        The query and the headers are no part of it: they hold the API key.
        """
        return self.path, self.body


@dataclass(frozen=True, slots=True)
class Ask:
    """A valid request, reduced to what decides the bytes of its reply: the planner caches plans by it."""

    script: Script
    text: str
    model: str
    stream: bool
    usage: bool = False
    prompt_tokens: int = 0
    max_tokens: int | None = None
    """The most tokens that the reply may have, tool calls' arguments included; None: no limit."""
    choices: int = 1
    stops: tuple[str, ...] = ()
    """The reply ends before the first of these strings."""
    logprobs: int | None = None
    """How many candidates each token is shown with; None: no log probabilities."""
    stored: bool = True
    """Later requests may refer to the reply."""
    tier: str = "default"
    """The service tier that answers."""
    stopped_by: str = ""
    """The string that ended it; set by the planner, together with the script up to there."""
    thinking: Thinking = "shown"
    provider: str = ""
    flavour: str = ""
    """Which of the dialect's APIs or products answers."""
    extra: Hashable = None
    """What else the dialect needs to render the reply."""
    wires: tuple[str, ...] = ()
    """The wires of the reply, if it is streamed (`wire_table`). The planner chooses and writes them."""
    after_tool: bool = False
    """The request ends with a tool's result."""
    kept_as: Callable[[Ask], str] | None = None
    """Gives the reply's id, by which later requests may ask for it; None: nobody can."""
    request: tuple[str, bytes] = ("", b"")
    """`IncomingRequest.identity`, from which the reply's ids are made. Not its digest: a cached plan needs none."""

    @property
    def key(self) -> str:
        """Seeds the delays together with the script's seed, so that equal requests get equal delays."""
        return f"{self.model}\n{self.text}"

    @property
    def vocabulary(self) -> Vocabulary:
        """What splits the script's texts into tokens."""
        return model_of(cast(Provider, self.provider), self.model).tokenizer

    @property
    def scenario(self) -> str | None:
        """The script's name as the request gave it; None where it named none."""
        return scenario_of(self.text)

    @property
    def case(self) -> str | None:
        return case_of(self.text)

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that stand for the whole request and its script."""
        path, body = self.request
        return hashlib.sha256(f"{self.script.name}\n{self.script.seed}\n{path}\n".encode() + body).hexdigest()


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply. `status` None: no HTTP response is sent, and the frames, if any, are raw bytes.

    `head_due`, `end_due`: seconds from the request's arrival. `torn`: the beginning of a chunk whose
    announced length is longer (end "cut"). `faulted`: the script wants this reply to fail. `unfinished`: it breaks off
    before its end.
    """

    status: int | None
    headers: Headers = ()
    frames: tuple[TimedFrame, ...] = ()
    end: End = "complete"
    head_due: float = 0.0
    end_due: float = 0.0
    chunked: bool = False
    torn: bytes = b""
    faulted: bool = False
    unfinished: bool = False
    case: str | None = None
    """The case id, where the planner would not find it in the request (`case_in`)."""


@dataclass(slots=True)
class Kept:
    """A reply that was kept. Its ask renders it again, so its bytes are not.

    `polls`: how often a client has asked whether it is finished. `read`: what its dialect has worked out of it.
    """

    ask: Ask
    polls: int = 0
    cancelled: bool = False
    read: Any = None


class Archive(Protocol):
    """The replies that were kept, by their ids."""

    def find(self, name: str) -> Kept | None: ...

    def delete(self, name: str) -> None: ...

    def is_deleted(self, name: str) -> bool:
        """Whether it was there and somebody has deleted it."""


@dataclass(frozen=True, slots=True)
class Recall:
    """A valid request whose answer depends on replies that were kept. It is answered anew each time."""

    answer: Callable[[Archive], Ask | Reply]


class Dialect(Protocol):
    """One HTTP API. The module `dialect.py` in a folder of `fake_providers/dialects` has these names.

    `NAME`: the provider, in the journal and in scripts' [match].
    """

    NAME: str

    def answers(self, request: IncomingRequest) -> bool:
        """Whether the request is to this API. Several APIs have the path /v1/models: headers may decide."""

    def read(
        self, request: IncomingRequest, scripts: Mapping[str, Script], catalogue: Catalogue
    ) -> Ask | Reply | Recall:
        """Validate as the real API does. An Ask to render, or a Reply that needs no script, such as an error; or a
        Recall, which gives one of them.

        `catalogue`: the models that there are; a strict one also refuses what the real API refuses of each model.
        """

    def render(self, ask: Ask) -> Reply:
        """The reply to a valid request. Equal asks give equal bytes."""

    def form(self, ask: Ask) -> Form | None:
        """The form in which the reply is streamed, if it is; None for what is never streamed, such as embeddings."""

    def refuse(self, ask: Ask, text: str) -> Reply:
        """The dialect's own 400 for a valid request whose script or wire it cannot play; `text` says why."""
