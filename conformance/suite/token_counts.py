"""How many tokens a reply has: as many as its server sent, as the provider counted, or as a tokenizer finds in it."""

from __future__ import annotations

from chatproof.conformance.suite.provider import Upstream
from chatproof.fake_providers.scripting.tokenizer import VOCABULARIES, count
from chatproof.harness.protocol.apis.chat_stream.chat_stream import COUNT, TOKENS
from chatproof.harness.protocol.transcript import Transcript


async def count_tokens(reply: Transcript, provider: Upstream | None) -> None:
    """Note the other right counts of a whole reply's tokens, where its own two numbers differ.

    A real provider's count is not known to the suite, nor is its tokenizer: then one token for each character is the
    most that is believed.
    """
    if reply.completion is None or not reply.tokens:
        return
    if reply.completion.body.get(TOKENS) == reply.tokens[-1].body.get(COUNT):
        return
    if provider is None:
        reply.counts = range(1, len(reply.text) + 1)
        return
    own = {entry.tokens for entry in await provider.entries(reply)}
    reply.counts = own | {count(reply.text, vocabulary) for vocabulary in VOCABULARIES}
