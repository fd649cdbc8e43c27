"""What a fake provider writes: timed byte frames, and the closed vocabulary of faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Fault = Literal["status", "stall", "close", "cut", "reset", "malformed", "error", "garbage"]
"""Every way in which a script can fail.

status     an HTTP error answer, before any token
stall      the connection stays open and nothing more ever comes
close      the response ends cleanly, then FIN, but the reply was never said to be finished
cut        FIN in the middle of a chunk: the body is visibly not whole
reset      RST
malformed  a stream event that is not JSON; the reply then goes on as if nothing had happened
error      an error object in the stream, then the stream ends
garbage    bytes that are not HTTP, instead of a response
"""
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)

End = Literal["complete", "close", "cut", "reset", "stall"]
"""What happens on the connection after the last frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Payload bytes (no HTTP framing) and when they are due, in seconds from the request's arrival.

    `tokens` and `text` say what a client knows more of once it has read the frame to its end.
    """

    payload: bytes
    due: float
    tokens: int = 0
    text: str = ""
