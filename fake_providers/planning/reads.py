"""Remembers what the dialects have read of requests, so that equal ones are validated once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Final

from chatproof.fake_providers.dialects.base import Ask, Dialect, IncomingRequest, Recall, Reply
from chatproof.fake_providers.models.catalogue import LENIENT, STRICT
from chatproof.fake_providers.planning.router import dialect_for
from chatproof.fake_providers.scripting.script import Script

_MAX_BYTES: Final = 8_000_000
_ENTRY: Final = 4_000  # bytes that an entry holds beside the body, roughly


class Reads:
    """Reads requests. A dialect's answer depends on nothing but the request, the scripts and whether it is strict, so
    valid requests are kept, up to 8 MB of them. For one thread at a time.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[Dialect, Ask]] = {}
        self._size = 0
        self._scripts: Mapping[str, Script] | None = None

    def read(
        self, request: IncomingRequest, scripts: Mapping[str, Script], *, strict: bool
    ) -> tuple[Dialect, Ask | Reply | Recall]:
        """The dialect of the request, and what it makes of it. `scripts`: a mapping that nobody changes."""
        headers = request.headers
        key = (request.method, request.path, request.query, request.body, strict, *headers, *headers.values())
        if scripts is not self._scripts or self._size > _MAX_BYTES:
            self._known, self._size, self._scripts = {}, 0, scripts
        elif (known := self._known.get(key)) is not None:
            return known
        dialect = dialect_for(request)
        found = dialect.read(request, scripts, STRICT if strict else LENIENT)
        if isinstance(found, Ask):
            self._known[key] = (dialect, found)
            self._size += len(request.body) + _ENTRY
        return dialect, found
