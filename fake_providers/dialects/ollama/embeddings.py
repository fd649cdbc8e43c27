"""Embeddings of any width: OpenAI's fake ones, side by side where they are too short."""

from __future__ import annotations

import math
from itertools import count
from typing import Final

from chatproof.fake_providers.dialects.openai import embeddings as openai

_DIGITS: Final = 9  # as many as a 32-bit float has


def vector(text: str, model: str, width: int) -> list[float]:
    """`width` numbers whose squares add up to one; near each other for texts that share words."""
    numbers: list[float] = []
    for part in count():
        numbers += openai.vector(text, f"{model}\n{part}")
        if len(numbers) >= width:
            break
    numbers = numbers[:width]
    length = math.sqrt(math.fsum(number * number for number in numbers)) or 1.0
    return [round(number / length, _DIGITS) for number in numbers]
