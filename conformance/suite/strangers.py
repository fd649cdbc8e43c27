"""What the provider got that belongs to somebody else."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.provider import cases_in, upstream_texts
from chatproof.conformance.suite.session_requests import (
    sent_upstream,
)
from chatproof.harness.protocol.transcript import Transcript


async def of_others(case: Case, reply: Transcript) -> list[str]:
    """The texts in the provider's requests for a reply that hold the case id of another ask."""
    if case.lane.succeeded(reply):
        await sent_upstream(case, reply)
    texts = [text for entry in await case.provider.entries(reply) for text in upstream_texts(entry.body)]
    return [text for text in dict.fromkeys(texts) if cases_in(text) - {reply.case}]
