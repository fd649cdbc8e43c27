"""The closed vocabulary of faults: how a script can fail."""

from __future__ import annotations

from typing import Final, Literal, get_args

Fault = Literal["status", "stall", "close", "cut", "reset", "malformed", "error", "garbage", "open"]
"""Every way in which a script can fail.

status     an HTTP error answer, before any token; with the status 200: a JSON error in place of the stream
stall      the connection stays open and nothing more ever comes
close      the response ends cleanly, then FIN, but the reply has no finish reason and no end mark
cut        FIN in the middle of a chunk: the HTTP body is visibly incomplete
reset      RST
malformed  a stream event that is not JSON; the reply then goes on normally
error      an error object in the stream, then the stream ends; before that, with `end_mark`, comes its end mark
open       the reply is whole, end mark included, but its body never ends and the connection stays open
garbage    bytes that are not HTTP, instead of a response
"""
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
