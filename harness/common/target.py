"""Where a server is, and the addresses of this machine from which it can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import urlsplit

from chatproof.harness.common.errors import ChatproofError

PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """A server's base URL in parts. `root` is its path, without a slash at the end."""

    scheme: str
    host: str
    port: int
    root: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a base URL. Raises ChatproofError where it is not an http or https URL."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError as error:
            raise ChatproofError(f"{url!r} is not a URL: {error}") from error
        if parts.scheme not in PORTS or not parts.hostname:
            raise ChatproofError(f"{url!r} is not an http:// or https:// URL")
        return cls(parts.scheme, parts.hostname, port or PORTS[parts.scheme], parts.path.rstrip("/"))

    @property
    def secure(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """`host:port` as the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL, without a slash at the end."""
        return f"{self.scheme}://{self.authority}{self.root}"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, at an IPv4 loopback address (127.0.0.0/8)."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.version == 4 and address.is_loopback


def loopback_address(number: int) -> str:
    """The loopback address of this number, from 127.64.0.1 on. After 63 * 256 * 254 addresses they repeat."""
    block, host = divmod(number, 254)  # no .0 and no .255
    network, block = divmod(block, 256)
    return f"127.{64 + network % 63}.{block}.{host + 1}"
