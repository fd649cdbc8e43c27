"""Ids of responses, in which it stands whether the API would find them again: so the fakes need no memory of them.

The same request gets the same id on every server, and an id of any other origin is unknown, as is one of a response
that its request did not want stored (`store: false`).
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

_ID: Final = re.compile(r"resp_([0-9a-f]{24})([0-9a-f]{5})")


def response_id(digest: str, *, stored: bool) -> str:
    """The id of the response whose digest begins with these 24 hexadecimal digits."""
    made = digest[:24]
    return f"resp_{made}{_seal(made if stored else f'{made} is not stored')}"


def is_stored(name: str) -> bool:
    """Whether it is the id of a stored response of the fakes."""
    found = _ID.fullmatch(name)
    return found is not None and found[2] == _seal(found[1])


def _seal(made: str) -> str:
    return hashlib.blake2b(made.encode(), digest_size=3).hexdigest()[:5]
