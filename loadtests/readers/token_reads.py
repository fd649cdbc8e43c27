"""The common case of a stream: each read is one chunk, which is one event, which is a token of the API document's api.

Such reads need no parser: a few looks at the bytes are enough to be sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chatproof.loadtests.readers.event_scanner import EMPTY_TOKENS, TOKENS

_STARTS: Final = tuple(b"data: " + token for token in TOKENS)
_EMPTY: Final = tuple(b"data: " + token for token in EMPTY_TOKENS)
_END: Final = b"}\n\n\r\n"
_LONGEST_SIZE: Final = 8


def count_token_reads(reads: Sequence[bytes]) -> int:
    """How many of the reads, from the first on, are each one whole chunk with one token that clearly has a text.

    The first of them begins where a chunk begins.
    """
    for count, data in enumerate(reads):
        start = data.find(b"\r\n", 0, _LONGEST_SIZE) + 2
        last = len(data) - 4  # the line feed that ends the event's line
        if not (
            start > 2
            and data.startswith(_STARTS, start)
            and data.endswith(_END)
            and data.find(b"\n", start) == last
            and data.find(b"\r", start) == last + 2
            and data[: start - 2] == b"%x" % (last + 2 - start)
            and not data.startswith(_EMPTY, start)
            and b'"error"' not in data
            and b'"done"' not in data
        ):
            return count
    return len(reads)
