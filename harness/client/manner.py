"""How a request is written on the wire: forms that ordinary clients use and that mean the same."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from chatproof.harness.protocol.apis.api import Headers

ACCEPTED: Final = "text/event-stream, application/json"


@dataclass(frozen=True, slots=True)
class Manner:
    """The form of one request.

    Args:
        accept: the Accept header of a request that brings none; None: no such header.
        in_small_letters: the names of the headers, as Node's fetch writes them.
        version: of HTTP, `1.1` or `1.0`.
        packets: at which bytes of the body a new packet begins, in order; 0: the headers go alone.
        is_chunked: the body goes in two chunks, without a Content-Length.
        holds_back: the body waits for `100 Continue`, for some seconds at most.
    """

    accept: str | None = ACCEPTED
    in_small_letters: bool = False
    version: str = "1.1"
    packets: tuple[int, ...] = ()
    is_chunked: bool = False
    holds_back: bool = False

    def headers(self, given: Headers, body: bytes | None) -> Headers:
        """All headers. `given`: Host, and those that the request brings. `body`: None where it has none."""
        headers, names = list(given), {name.lower() for name, _ in given}
        if "user-agent" not in names:
            headers.insert(1, ("User-Agent", "chatproof"))
        if "accept" not in names and self.accept is not None:
            headers.append(("Accept", self.accept))
        if body is not None and self.is_chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        elif body is not None:
            headers.append(("Content-Length", str(len(body))))
        if self.holds_back:
            headers.append(("Expect", "100-continue"))
        return tuple((name.lower(), value) for name, value in headers) if self.in_small_letters else tuple(headers)

    def written(self, head: bytes, body: bytes) -> list[bytes]:
        """The packets that carry a request line with headers, and a body."""
        if self.holds_back:
            return [head, self._framed(body)]
        if self.is_chunked:
            return [head + self._framed(body)]
        cuts = (0, *self.packets, len(body))
        parts = [body[start:end] for start, end in pairwise(cuts)]
        return [part for part in (head + parts[0], *parts[1:]) if part]

    def _framed(self, body: bytes) -> bytes:
        if not self.is_chunked:
            return body
        halves = body[: len(body) // 2], body[len(body) // 2 :]
        return b"".join(b"%x\r\n%s\r\n" % (len(half), half) for half in halves if half) + b"0\r\n\r\n"


USUAL: Final = Manner()
