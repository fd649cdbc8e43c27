"""Where the server is, and from which addresses it is asked."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from loadtests.errors import LoadError

PER_ADDRESS = 30  # requests a minute that the API document allows to one address


@dataclass(frozen=True, slots=True)
class Target:
    """A server's base URL, taken apart. `root` is its path without the last slash."""

    scheme: str
    host: str
    port: int
    root: str = ""

    @classmethod
    def parse(cls, url: str) -> Target:
        """Read a base URL. Raises LoadError where it is not an http or https URL."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError as error:
            raise LoadError(f"{url!r} is not a URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise LoadError(f"{url!r} is not an http:// or https:// URL")
        usual = 443 if parts.scheme == "https" else 80
        return cls(parts.scheme, parts.hostname, port or usual, parts.path.rstrip("/"))

    @property
    def secure(self) -> bool:
        """Whether it is reached over TLS."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """`host:port` as the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL without a last slash."""
        return f"{self.scheme}://{self.authority}{self.root}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, reached over IPv4's 127.0.0.0/8."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.version == 4 and address.is_loopback


@dataclass(slots=True)
class Sources:
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
    def towards(cls, target: Target) -> Sources:
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
            block, host = divmod(next(self._numbers), 254)  # no .0 and no .255
            network, block = divmod(block, 256)
            self._current, self._left = f"127.{64 + network % 63}.{block}.{host + 1}", self.per_address
        self._left -= 1
        return self._current
