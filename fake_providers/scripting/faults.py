"""The closed vocabulary of faults: how a script can fail."""

from __future__ import annotations

from typing import Final, Literal, get_args

Fault = Literal["status", "stall", "close", "cut", "reset", "malformed", "error", "garbage"]
"""Every way in which a script can fail.

status     an HTTP error answer, before any token
stall      the connection stays open and nothing more ever comes
close      the response ends cleanly, then FIN, but the reply has no finish reason and no end mark
cut        FIN in the middle of a chunk: the HTTP body is visibly incomplete
reset      RST
malformed  a stream event that is not JSON; the reply then goes on normally
error      an error object in the stream, then the stream ends
garbage    bytes that are not HTTP, instead of a response
"""
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
