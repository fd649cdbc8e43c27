"""Replies that run side by side: each client gets its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chatproof.harness.protocol.checks.tok import words
from chatproof.harness.protocol.excerpts import difference, shown
from chatproof.harness.protocol.findings import Check, Finding, Violation, check
from chatproof.harness.protocol.transcript import Transcript


def gets_its_own(requirement_id: str, text: str, others: Iterable[str], is_over: bool) -> Check:
    """The tokens are the words of `text`, or a beginning of them while the reply still runs.

    Args:
        others: words of which each stands in another client's reply alone.
        is_over: whether all of the text should be there.
    """
    strange = list(others)

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        got, own = words(transcript.text), words(text)
        if got == own or (not is_over and own.startswith(got)):
            return
        if found := next((one for one in strange if words(one) in got and words(one) not in own), ""):
            seen = f"a client's reply holds {shown(found)}, which another client's reply says"
        else:
            seen = f"a client's reply {difference(transcript.text, text)}"
        yield Violation(f"{seen}; {transcript.outcome()}", f"its own text, {shown(text, 80)}")

    return look
