"""Embeddings: unit vectors that depend on text and model alone, and lie near each other where texts share words.

Every path of every provider takes them from here, so that one model has one width and the same numbers everywhere.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from functools import lru_cache
from typing import Final

from chatproof.fake_providers.models.catalogue import Model

_WORD: Final = re.compile(r"\w+")
_SPOTS: Final = 8  # entries of the vector that one word touches
_NOISE: Final = 0.02  # of a word's weight: what makes every vector dense, and texts of the same words differ

Text = str | tuple[int, ...]
"""What is embedded: a text, or its token ids."""


@lru_cache(maxsize=16)
def vector(text: Text, model: Model, width: int | None = None) -> tuple[float, ...]:
    """The text's vector, of length 1. With fewer numbers than the model's: the beginning of the whole one, scaled."""
    words = _WORD.findall(text.casefold()) if isinstance(text, str) else [str(token) for token in text]
    size, name = model.width, model.group
    whole = json.dumps([name, text]).encode()
    noise = struct.unpack(f"<{size}h", hashlib.shake_256(whole).digest(2 * size))
    values = [one * (_NOISE / 32_768) for one in noise]
    for word in words:
        spots = struct.unpack(f"<{_SPOTS}I", hashlib.shake_256(f"{name}\n{word}".encode()).digest(4 * _SPOTS))
        for spot in spots:
            values[(spot >> 1) % size] += 1.0 if spot & 1 else -1.0
    values = values[:width]
    # A single value could be 0 by chance, which has no direction.
    length = math.sqrt(math.fsum(one * one for one in values)) or 1.0
    return tuple(one / length for one in values) if any(values) else (1.0, *values[1:])
