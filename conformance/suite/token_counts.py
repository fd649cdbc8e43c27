"""How many tokens a reply has: as many as its server sent, as the provider counted, or as a tokenizer finds in it."""

from __future__ import annotations

from chatproof.conformance.suite.provider import Upstream
from chatproof.fake_providers.scripting.tokenizer import VOCABULARIES, count
from chatproof.harness.protocol.apis.chat_stream.chat_stream import COUNT, TOKENS
from chatproof.harness.protocol.transcript import Transcript


async def with_counts(reply: Transcript, provider: Upstream | None) -> Transcript:
    """The same reply, with the other right counts of a whole reply's tokens, where its own two numbers differ.

    A real provider's count is not known to the suite, nor is its tokenizer: then one token for each character is the
    most that is believed.
    """
    end, tokens = reply.completion, reply.tokens
    if end is None or not tokens or end.body.get(TOKENS) == tokens[-1].body.get(COUNT):
        return reply
    if provider is None:
        reply.counts = range(1, len(reply.text) + 1)
    else:
        own = {entry.tokens for entry in await provider.entries(reply)}
        reply.counts = own | {count(reply.text, vocabulary) for vocabulary in VOCABULARIES}
    return reply
