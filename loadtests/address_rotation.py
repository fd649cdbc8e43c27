"""The source addresses from which a server on loopback is asked, so that each stays within its rate limit."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from chatproof.harness.common.target import Target, is_loopback, loopback_address

PER_ADDRESS = 30  # requests a minute that the API document allows for one address


@dataclass(slots=True)
class AddressRotation:
    """Source addresses of 127.0.0.0/8, each for `per_address` requests.

    No address is used again: a sliding window would still count what a fixed window has forgotten. The first one is
    random, since the server may still count what an earlier run sent.
    """

    available: bool
    per_address: int = PER_ADDRESS
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(random.randrange(1 << 22)))
    _current: str = ""
    _left: int = 0

    @classmethod
    def towards(cls, target: Target) -> AddressRotation:
        """Addresses for `target`: available where it is on loopback and this system binds all of 127.0.0.0/8."""
        if not is_loopback(target.host):
            return cls(available=False)
        with socket.socket() as probe:
            try:
                probe.bind(("127.83.1.9", 0))
            except OSError:
                return cls(available=False)
        return cls(available=True)

    def own(self) -> str | None:
        """An address for one connection, which may send `per_address` requests; None for the machine's own."""
        return loopback_address(next(self._numbers)) if self.available else None

    def next(self) -> str | None:
        """The address for the next request; None for the machine's own."""
        if not self.available:
            return None
        if self._left == 0:
            self._current, self._left = loopback_address(next(self._numbers)), self.per_address
        self._left -= 1
        return self._current
