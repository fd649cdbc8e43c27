"""Embeddings of any width, made of as many of OpenAI's fake embeddings as needed."""

from __future__ import annotations

import math
from itertools import count
from typing import Final

from chatproof.fake_providers.dialects.openai import embeddings as openai

_DIGITS: Final = 9  # as many as a 32-bit float has


def vector(text: str, model: str, width: int) -> list[float]:
    """A vector of `width` numbers and length 1. Texts that share words get similar vectors."""
    numbers: list[float] = []
    for part in count():
        numbers += openai.vector(text, f"{model}\n{part}")
        if len(numbers) >= width:
            break
    numbers = numbers[:width]
    length = math.sqrt(math.fsum(number * number for number in numbers)) or 1.0
    return [round(number / length, _DIGITS) for number in numbers]
