"""The common case of a stream: a read is one chunk, or several, and each is one token of the API document's api.

Such reads need no parser: a few looks at the bytes are enough to be sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chatproof.loadtests.readers.event_scanner import EMPTY_TOKENS, TOKENS

_STARTS: Final = tuple(b"data: " + token for token in TOKENS)
_EMPTY: Final = tuple(b"data: " + token for token in EMPTY_TOKENS)
_END: Final = b"\n\n\r\n"  # of an event, and of its chunk
_LONGEST_SIZE: Final = 8


def tokens_of_reads(reads: Sequence[bytes]) -> list[int]:
    """How many tokens each read brought, up to the first read that is not made of whole chunks, each of which is one
    token that clearly has a text. The first read begins where a chunk begins."""
    counts: list[int] = []
    for data in reads:
        *parts, rest = data.split(_END)
        if rest or not parts or not all(map(_is_token_chunk, parts)):
            break
        counts.append(len(parts))
    return counts


def _is_token_chunk(part: bytes) -> bool:
    """Whether a chunk, without its `_END`, is a token."""
    start = part.find(b"\r\n", 0, _LONGEST_SIZE) + 2
    return (
        start > 2
        and part.startswith(_STARTS, start)
        and part.endswith(b"}")
        and part.find(b"\n", start) < 0
        and part.find(b"\r", start) < 0
        and part[: start - 2] == b"%x" % (len(part) - start + 2)
        and not part.startswith(_EMPTY, start)
        and b'"error"' not in part
        and b'"done"' not in part
    )
