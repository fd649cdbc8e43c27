"""Where the server is, and from which addresses it is asked."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

from chatproof.harness.common.target import Target, is_loopback, loopback_address

PER_ADDRESS = 30  # requests a minute that the API document allows to one address


@dataclass(slots=True)
class SourceAddresses:
    """Source addresses that keep within a limit of so many requests to an address.

    An address is left for good once it was used up: a sliding window still counts what a fixed one forgot.
    They begin at a random place, since a server may still count what an earlier run sent.
    """

    available: bool
    per_address: int = PER_ADDRESS
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(random.randrange(1 << 22)))
    _current: str = ""
    _left: int = 0

    @classmethod
    def towards(cls, target: Target) -> SourceAddresses:
        """Find out whether `target` can be asked from any loopback address."""
        if not is_loopback(target.host):
            return cls(available=False)
        with socket.socket() as probe:
            try:
                probe.bind(("127.83.1.9", 0))
            except OSError:
                return cls(available=False)
        return cls(available=True)

    def next(self) -> str | None:
        """The address for the next request; None where there is only the machine's own."""
        if not self.available:
            return None
        if self._left == 0:
            self._current, self._left = loopback_address(next(self._numbers)), self.per_address
        self._left -= 1
        return self._current
