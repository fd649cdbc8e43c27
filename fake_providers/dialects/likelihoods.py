"""Log probabilities of tokens: plausible, and the same for the same token in every run.

The token that was said is always the likeliest; the others are common words. All of them together have a probability
below 1. Shapes: https://platform.openai.com/docs/api-reference/chat/object (choices[].logprobs), the types of
google-genai (LogprobsResult) and of ollama (Logprob).
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import Any, Final

_OTHERS: Final = (
    " the", ",", ".", " a", " and", " to", " of", " is", "\n", " in", " that", "!", " it", " you", " for", ":", " I",
    " with", "The", " on", "?", " this", " be", "-", " as",
)  # fmt: skip
_LEAST: Final = 0.45  # the probability of the least likely token that is said
_SHARE: Final = 0.55  # of what is left, for each of the other tokens
_DIGITS: Final = 8

Likelihood = tuple[str, float]
"""A token, and the natural logarithm of its probability."""


@lru_cache(maxsize=4096)
def likelihoods(token: str, top: int) -> tuple[Likelihood, ...]:
    """The token that was said, and `top` candidates for its place, which begin with itself: `top` + 1 in all."""
    drawn = int.from_bytes(hashlib.blake2b(token.encode(), digest_size=4).digest())
    probability = _LEAST + (1 - _LEAST) * ((drawn % 9_973) / 9_973) ** 0.5 * 0.9999
    said = (token, _log(probability))
    start, left, found = drawn % len(_OTHERS), 1 - probability, [said]
    for number in range(len(_OTHERS)):
        other = _OTHERS[(start + number) % len(_OTHERS)]
        if other != token and len(found) < top:
            found.append((other, _log(left * _SHARE)))
            left *= 1 - _SHARE
    return said, *found[:top]


def openai_logprob(token: str, top: int, *, with_bytes: bool = True) -> dict[str, Any]:
    """A token of `logprobs.content`, as OpenAI, vLLM and Ollama write it."""
    said, *candidates = likelihoods(token, top)
    return _entry(said, with_bytes) | {"top_logprobs": [_entry(one, with_bytes) for one in candidates]}


def google_logprobs(tokens: list[str], top: int) -> dict[str, Any]:
    """A candidate's `avgLogprobs` and `logprobsResult`; nothing where it has no tokens."""
    if not tokens:
        return {}
    found = [likelihoods(token, top) for token in tokens]
    total = math.fsum(said[1] for said, *_ in found)
    result: dict[str, Any] = {"topCandidates": [{"candidates": [_google(one) for one in rest]} for _, *rest in found]}
    if not top:
        del result["topCandidates"]
    result["chosenCandidates"] = [_google(said) for said, *_ in found]
    return {"avgLogprobs": round(total / len(tokens), _DIGITS), "logprobsResult": result}


def _entry(likelihood: Likelihood, with_bytes: bool) -> dict[str, Any]:
    token, logprob = likelihood
    entry: dict[str, Any] = {"token": token, "logprob": logprob}
    return entry | {"bytes": list(token.encode())} if with_bytes else entry


def _google(likelihood: Likelihood) -> dict[str, Any]:
    token, logprob = likelihood
    number = int.from_bytes(hashlib.blake2b(token.encode(), digest_size=3).digest()) % 256_000
    return {"token": token, "tokenId": number, "logProbability": logprob}


def _log(probability: float) -> float:
    return round(math.log(probability), _DIGITS)
