"""Decode a Content-Encoding as far as the bytes go."""

from __future__ import annotations

import zlib
from typing import Protocol

import brotli

BROKEN = (zlib.error, brotli.error, EOFError)  # what a decoder raises
MOST_AT_ONCE = 4 << 20  # the most bytes that one piece may expand to


class ContentDecoder(Protocol):
    """Decodes a Content-Encoding as far as the bytes go. Raises one of `BROKEN` if they are malformed."""

    def __call__(self, data: bytes, last: bool, /) -> bytes: ...


def decoder(encoding: str | None) -> ContentDecoder | None:
    """The decoder for a Content-Encoding, or None for an encoding that this client did not ask for."""
    name = (encoding or "").strip().lower()
    if name in ("gzip", "x-gzip"):
        return _zlib_decoder(zlib.MAX_WBITS | 16)
    if name == "deflate":
        return _zlib_decoder(zlib.MAX_WBITS)
    if name == "br":
        return _brotli_decoder()
    return None


def _zlib_decoder(window: int) -> ContentDecoder:
    unpack = zlib.decompressobj(window)
    begun = False

    def decode(data: bytes, last: bool) -> bytes:
        nonlocal unpack, begun
        if unpack.eof:
            return b""  # whatever follows would be collected
        try:
            plain = unpack.decompress(data)
        except zlib.error:
            # "deflate" means zlib's format by RFC 9110, and raw deflate to many servers
            if begun or window != zlib.MAX_WBITS:
                raise
            unpack = zlib.decompressobj(-zlib.MAX_WBITS)
            plain = unpack.decompress(data)
        begun = begun or bool(data)
        return plain + unpack.flush() if last else plain

    return decode


def _brotli_decoder() -> ContentDecoder:
    unpack = brotli.Decompressor()

    def decode(data: bytes, last: bool) -> bytes:
        if not data:
            return b""
        plain = bytes(unpack.process(data, output_buffer_limit=MOST_AT_ONCE))
        if not unpack.can_accept_more_data():
            raise brotli.error(f"a few compressed bytes decode to more than {MOST_AT_ONCE >> 20} MB")
        return plain

    return decode
