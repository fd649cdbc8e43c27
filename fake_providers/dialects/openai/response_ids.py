"""Ids of responses, in which it stands whether the API would find them again, and for which scenario: so the fakes need
no memory of them.

The same request gets the same id on every server, and an id of any other origin is unknown, as is one of a response
that its request did not want stored (`store: false`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

_ID: Final = re.compile(r"resp_([0-9a-f]{24}([0-9a-f]{6}))([0-9a-f]{5})")


def response_id(digest: str, *, stored: bool, scenario: str | None = None) -> str:
    """The id of a response. `digest`: 24 hexadecimal digits or more. `scenario`: what its request named."""
    made = digest[:24] + _mark(scenario or "")
    return f"resp_{made}{_seal(made if stored else f'{made} is not stored')}"


def is_stored(name: str) -> bool:
    """Whether it is the id of a stored response of the fakes."""
    found = _ID.fullmatch(name)
    return found is not None and found[3] == _seal(found[1])


def scenario_of_response(name: str, scripts: Iterable[str]) -> str | None:
    """The script that the request behind that response's id named; None if it named none of `scripts`."""
    found = _ID.fullmatch(name)
    return next((script for script in scripts if found is not None and found[2] == _mark(script)), None)


def _mark(scenario: str) -> str:
    return hashlib.blake2b(scenario.encode(), digest_size=3).hexdigest()


def _seal(made: str) -> str:
    return hashlib.blake2b(made.encode(), digest_size=3).hexdigest()[:5]
