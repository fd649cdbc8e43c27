"""One request to a fake provider, as the journal keeps it."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, Self

from chatproof.fake_providers.planning.http_writes import Sent
from chatproof.harness.common.redaction import redacted_json

Ended = Literal["completed", "faulted", "client_closed", "client_reset"]


_JSON: Final = (
    *("id", "provider", "method", "path", "headers", "body", "status", "stream", "script", "case", "wires"),
    *("received", "writes", "tokens", "ended", "ended_at", "hangup_after"),
    *("reply_headers", "error", "planned_writes", "unfinished", "key"),
)
_DERIVED: Final = ("writes", "tokens", "hangup_after")


class JournalWrite(NamedTuple):
    """One write to the socket: `at` in time.monotonic() seconds, `bytes` with HTTP framing.

    `late`: seconds after its script's pace. The machine was busy then, or the client took nothing more.
    """

    at: float
    bytes: int
    tokens: int
    text: str
    late: float = 0.0


@dataclass(slots=True)
class Entry:
    """One request to a fake provider. Times are time.monotonic() of the fakes' machine, in seconds.

    `ended` is None while the request runs. "completed": the reply was sent whole; "faulted": it ended with the fault
    of its script; "client_closed", "client_reset": the client hung up before the end (FIN, RST).
    `status` is None until the reply begins, and stays None where no HTTP response is sent.
    """

    id: int
    provider: str
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    received: float
    status: int | None = None
    stream: bool = False
    script: str | None = None
    case: str | None = None
    noted: list[JournalWrite] = field(default_factory=list)
    """Writes that were noted one by one."""
    wires: Sequence[str] = ()
    """The wires of a streamed reply."""
    ended: Ended | None = None
    ended_at: float | None = None
    clean: bool = field(default=False, compare=False)
    """Whether the body is without secrets; not in the JSON form, which always is."""
    size: int = 0
    """Bytes of the request's body; not in the JSON form."""
    planned: Sequence[Sent] = ()
    """What the server will write. `times` holds when it wrote each of those that are written."""
    started: float = 0.0
    """When it began to play that plan."""
    reply_headers: Mapping[str, str] = field(default_factory=dict)
    """What the reply said, in lower case; without the headers of the HTTP framing."""
    error: str = ""
    """The body of an answer with a status from 400."""
    planned_writes: int = 0
    """How many writes the reply has."""
    unfinished: bool = False
    """Whether the script breaks the reply off before its end."""
    key: int = 0
    """The same number for the same API key: tells keys apart, and cannot be turned back into one."""
    times: array[float] = field(default_factory=lambda: array("d"))

    @property
    def writes(self) -> list[JournalWrite]:
        """All writes so far. Built on demand: thousands are noted each second, and few are read."""
        started = self.started
        return [
            *self.noted,
            *(
                JournalWrite(at, size, tokens, text, max(0.0, at - started - due))
                for at, (size, tokens, text, due) in zip(self.times, self.planned, strict=False)
            ),
        ]

    @property
    def text(self) -> str:
        return "".join(write.text for write in self.writes)

    @property
    def tokens(self) -> int:
        return sum(write.tokens for write in self.writes)

    @property
    def whole(self) -> bool:
        """Whether the client was sent all of a reply that is whole. It may have hung up after that."""
        answered = self.status is not None and self.status < 400 and self.ended != "faulted"
        return answered and not self.unfinished and len(self.times) + len(self.noted) >= self.planned_writes

    @property
    def last_write(self) -> float:
        """When the fake wrote last; before its first write: when the request arrived."""
        writes = self.writes
        return writes[-1].at if writes else self.received

    @property
    def hangup_after(self) -> float | None:
        """Seconds between the last write (or the request) and the client's hang-up; None if it did not hang up."""
        if self.ended_at is None or self.ended not in ("client_closed", "client_reset"):
            return None
        return self.ended_at - self.last_write

    def redact(self) -> Self:
        """Hide the secrets in the body. When it is read, not for each request: few entries ever are."""
        if not self.clean:
            self.body, self.clean = redacted_json(self.body), True
        return self

    def to_json(self) -> dict[str, Any]:
        self.redact()
        values = {name: getattr(self, name) for name in _JSON}
        return {**values, "writes": [write._asdict() for write in self.writes]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """The entry in the JSON form that `to_json` gives. KeyError, TypeError on another form."""
        values = {key: value for key, value in data.items() if key not in _DERIVED}
        return cls(**values, noted=[JournalWrite(**write) for write in data["writes"]])
