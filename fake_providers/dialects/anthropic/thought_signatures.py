"""Signatures of thoughts, and redacted thoughts: opaque to clients, who send them back as they came.

A signature holds a seal over the thoughts' text, so that the fakes know their own without a memory, and see where a
client has changed one. Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

_NONCE: Final = 144  # bytes
_SEAL: Final = 16
_REDACTED: Final = 180


def sign(digest: str, index: int, thoughts: str) -> str:
    """The signature of the thoughts in block `index` of the reply with that digest."""
    nonce = hashlib.shake_256(f"{digest} thoughts {index}".encode()).digest(_NONCE)
    return base64.b64encode(nonce + _seal(nonce, "") + _seal(nonce, thoughts)).decode()


def is_signed(signature: str, thoughts: str) -> bool:
    """Whether the fakes made this signature, for these thoughts; without thoughts: for any, as they may be left out."""
    try:
        data = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    nonce, own, seal = data[:_NONCE], data[_NONCE : _NONCE + _SEAL], data[_NONCE + _SEAL :]
    return own == _seal(nonce, "") and (not thoughts or seal == _seal(nonce, thoughts))


def redact(digest: str, index: int) -> str:
    """Thoughts that nobody can read: the data of a `redacted_thinking` block."""
    return base64.b64encode(hashlib.shake_256(f"{digest} redacted {index}".encode()).digest(_REDACTED)).decode()


def _seal(nonce: bytes, thoughts: str) -> bytes:
    return hashlib.blake2b(nonce + thoughts.encode("utf-8", "surrogatepass"), digest_size=_SEAL).digest()
