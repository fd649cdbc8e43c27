"""What a run is told: how users ask, what they say, and for how long they think."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from chatproof.harness.common.errors import ChatproofError
from chatproof.loadtests.objectives import DEFAULT, Objective, parse_objectives
from chatproof.loadtests.readers.http_reader import Limits

TRANSPORTS: Final = ("sse", "socketio", "session", "interrupt", "socket-interrupt", "plain")
"""Streams over SSE or Socket.IO, sessions of several turns, users who interrupt on either, and `/api/chat`."""
MESSAGES: Final = (
    "What is Python?",
    "Tell me about machine learning.",
    "Write two sentences about the sea.",
    "How does a streaming chat differ from a plain one?",
)
_MAX_LINES: Final = 100_000


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How users behave. `think`: seconds between a reply's end and the next ask, from and to."""

    transport: str = "sse"
    messages: tuple[str, ...] = MESSAGES
    jwts: tuple[str, ...] = ()
    think: tuple[float, float] = (0.0, 0.0)
    turns: int = 4
    stop_after: tuple[float, float] = (0.2, 1.0)
    provider_url: str | None = None
    sample: int = 20
    """One stream of so many is judged by the strict checks."""
    rotate: bool = True
    """Whether source addresses change where the server is on loopback."""
    patience: float = 10.0
    """Seconds that streams get to end when the run is over; one that is silent for so long has timed out."""
    limits: Limits = field(default_factory=Limits)
    objectives: tuple[Objective, ...] = ()

    @classmethod
    def read(
        cls,
        *,
        transport: str = "sse",
        messages: str | None = None,
        message: str | None = None,
        jwt: str | None = None,
        think: str = "0",
        provider_url: str | None = None,
        slo: str = DEFAULT,
        limits: Limits | None = None,
        patience: float = 10.0,
    ) -> Behaviour:
        """Read options as typed. `messages`, and a `jwt` that begins with @, name files. Raises ChatproofError."""
        if transport not in TRANSPORTS:
            raise ChatproofError(f"no transport {transport!r}; there are {', '.join(TRANSPORTS)}")
        if message and messages:
            raise ChatproofError("--message and --messages exclude each other")
        said = (message,) if message else read_lines(messages, "--messages") if messages else MESSAGES
        tokens = read_lines(jwt[1:], "--jwt") if jwt and jwt.startswith("@") else (jwt,) if jwt else ()
        return cls(
            transport=transport,
            messages=said,
            jwts=tokens,
            think=read_think(think),
            provider_url=provider_url,
            limits=limits or Limits(),
            patience=patience,
            objectives=tuple(parse_objectives(slo)),
        )

    def to_json(self) -> dict[str, Any]:
        """What a worker must know: all but the objectives."""
        return {name: value for name, value in asdict(self).items() if name != "objectives"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Behaviour:
        """What `to_json` gave."""
        given: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in data.items()}
        return cls(**{**given, "limits": Limits(**data["limits"])})


def read_lines(path: str, option: str) -> tuple[str, ...]:
    """The lines of a file that are not blank. Raises ChatproofError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ChatproofError(f"{option}: cannot read {path}: {reason}") from error
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not lines or len(lines) > _MAX_LINES:
        raise ChatproofError(f"{option}: {path} holds {len(lines)} lines; 1 to {_MAX_LINES:,} are wanted")
    return lines


def read_think(text: str) -> tuple[float, float]:
    """`2` or `1..5`, in seconds. Raises ChatproofError."""
    low, _, high = text.partition("..")
    try:
        times = float(low), float(high or low)
    except ValueError as error:
        raise ChatproofError(f"--think: {text!r} is neither seconds, such as 2, nor a range, such as 1..5") from error
    if not 0 <= times[0] <= times[1] <= 3600:
        raise ChatproofError(f"--think: {text!r} is no range of seconds from 0 to 3600")
    return times
