"""The width and height of an image, read from the beginning of its file: providers count an image's tokens by them."""

from __future__ import annotations

import base64
import binascii
import struct
from functools import lru_cache
from typing import Final

_HEAD: Final = 400_000  # base64 characters that are looked at; a JPEG may have a preview before its size
_SIZED_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_LONGEST: Final = 100_000  # pixels


@lru_cache(maxsize=64)
def size_of_url(url: str) -> tuple[int, int] | None:
    """`size_of` of a `data:` URL in base64. None for others, which the fakes never fetch."""
    head = url.partition(",")[2][:_HEAD] if url.startswith("data:") else ""
    try:
        return size_of(base64.b64decode(head[: len(head) // 4 * 4]))
    except (binascii.Error, ValueError):
        return None


def size_of(data: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels of a PNG, GIF, JPEG or WebP, of which `data` is the beginning; None for other data."""
    try:
        size = _measured(data)
    except (ValueError, struct.error, IndexError):
        return None
    return size if size is not None and min(size) > 0 and max(size) <= _LONGEST else None


def _measured(data: bytes) -> tuple[int, int] | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack(">II", data[16:24])
        return width, height
    if data.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack("<HH", data[6:10])
        return width, height
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    return _webp(data) if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while data[at] == 0xFF:
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if kind in _SIZED_FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


def _webp(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", data[26:30])
    return width & 0x3FFF, height & 0x3FFF
