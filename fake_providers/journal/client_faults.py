"""What the rules about a client look at, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from chatproof.fake_providers.journal.entry import Entry

ClientFault = Literal[
    "retry-after-ignored",
    "retried-against-advice",
    "retry-storm",
    "refusal-retried",
    "cut-off-taken-for-whole",
    "stream-left-open",
    "no-read-timeout",
]


@dataclass(frozen=True)
class ClientLimits:
    """What a client may do. Times are in seconds.

    `max_retries`: how often it may repeat one ask. OpenAI's clients and the AI SDK repeat 2 times, google-genai 4 times
    where it repeats at all, LangChain's Gemini 5 times.
    `backoff`: two repeats in a row that come sooner are no back-off. The first alone may come at once, as in urllib3;
    OpenAI's clients wait at least 0.375 s.
    `at_once`: how many equal requests of one case may be open at the same time; 2, since some clients hedge.
    `read_timeout`: how long it may wait for a provider that says nothing. None: 30 s where it never speaks again,
    half of what nginx grants a silent server (`proxy_read_timeout`).
    `early`: how much sooner than asked it may come, as timers do.
    """

    max_retries: int = 5
    backoff: float = 0.05
    at_once: int = 2
    read_timeout: float | None = None
    early: float = 0.02


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of the client: what was seen, what was expected, the usual cause, and the requests that show it."""

    fault: ClientFault
    seen: str
    expected: str
    cause: str
    entries: tuple[Entry, ...]

    def __str__(self) -> str:
        return f"{self.fault}: {self.seen}\n   expected: {self.expected}\n   typical fault: {self.cause}"


@dataclass(frozen=True, slots=True)
class Observed:
    """What the rules look at. `now`: when the client's work was done, on the clock of the entries.

    `returned`: the text that the client gave its caller as a whole answer, where the test tells it.
    """

    entries: Sequence[Entry]
    now: float
    limits: ClientLimits = ClientLimits()
    returned: str | None = None


Rule = Callable[[Observed], Iterator[Finding | None]]


def time_of(seconds: float) -> str:
    """The time as findings print it."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.3g} s"
