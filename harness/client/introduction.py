"""How the client of a socket introduces itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from chatproof.harness.common.target import Target
from chatproof.harness.protocol.apis.api import Headers

ALLOW_ORIGIN: Final = "access-control-allow-origin"


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a socket's client says of itself.

    `headers` go with each HTTP request, `query` (such as `&token=x`) with its URL, `auth` with the connect packet.
    `origin`: that of the page, for a client that behaves as a browser: it names the origin, except where it GETs from
    the page's own server, and over polling it reads only what a page of that origin may read.
    """

    headers: Headers = ()
    query: str = ""
    auth: Any = None
    origin: str = ""

    def headers_to(self, target: Target, method: str = "GET", is_socket: bool = False) -> Headers:
        """The headers of a request to a server. `is_socket`: it asks for a WebSocket."""
        is_named = self.origin != "" and (is_socket or method != "GET" or self.is_foreign(target))
        return (*self.headers, ("Origin", self.origin)) if is_named else self.headers

    def is_foreign(self, target: Target) -> bool:
        """Whether the page comes from elsewhere."""
        return self.origin not in ("", f"{target.scheme}://{target.authority}")

    def may_read(self, target: Target, allowed: str | None) -> bool:
        """Whether a browser shows the page an answer with this `Access-Control-Allow-Origin`, without credentials."""
        return not self.is_foreign(target) or allowed in (self.origin, "*")


UNKNOWN: Final = Introduction()
"""A client that says nothing of itself."""
