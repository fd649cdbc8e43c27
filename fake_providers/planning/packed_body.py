"""Request bodies that are packed with gzip or deflate, as `content-encoding` says (RFC 9110, 8.4)."""

from __future__ import annotations

import zlib
from typing import Final

MAX_UNPACKED: Final = 32_000_000
"""Bytes that a body may have when it is unpacked: a thousandth of that, packed, could fill the memory."""

_GZIP: Final = 31  # zlib's numbers of the formats
_ZLIB: Final = 15
_RAW: Final = -15
_FORMATS: Final = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (_ZLIB, _RAW)}
_MOST: Final = 4


class CannotUnpack(ValueError):
    """The body is not what its `content-encoding` says. One line."""


def unpacked(body: bytes, encodings: str) -> bytes:
    """The body before it was packed. `encodings`: the header's value; the last one was applied last. CannotUnpack."""
    named = [name.strip().lower() for name in encodings.split(",") if name.strip()]
    if len(named) > _MOST:
        raise CannotUnpack(f"the body is packed {len(named)} times; {_MOST} times at most are read")
    for name in reversed(named):
        if name == "identity":
            continue
        if name not in _FORMATS:
            raise CannotUnpack(f"the content-encoding {name[:40]!r} is not read here: send gzip, deflate or none")
        body = _inflated(body, name)
    return body


def _inflated(body: bytes, name: str) -> bytes:
    for window in _FORMATS[name]:  # servers take deflate with and without zlib's header
        unpacker = zlib.decompressobj(window)
        try:
            whole = unpacker.decompress(body, MAX_UNPACKED + 1)
        except zlib.error:
            continue
        if len(whole) > MAX_UNPACKED:
            raise CannotUnpack(f"the body is larger than {MAX_UNPACKED} bytes when it is unpacked")
        if unpacker.eof:
            return whole
    raise CannotUnpack(f"the body is not whole {name}, as its content-encoding says")
