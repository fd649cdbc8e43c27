"""TOK-04 and TOK-05: the reply's text, compared with what the provider said."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from chatproof.harness.protocol.excerpts import difference, shown
from chatproof.harness.protocol.findings import Check, Finding, Violation, check
from chatproof.harness.protocol.transcript import Transcript

LONGEST = 250_000  # characters of which words are compared; in NFKC one may become eighteen


def text_is(text: str, requirement_id: str = "TOK-04") -> Check:
    """The tokens add up to exactly `text`. A reply that failed has lost its tokens."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        got = transcript.text
        if got != text:
            seen = f"{difference(got, text)}; {transcript.outcome()}"
            yield Violation(seen, f"exactly {shown(text, 80)}", _last(transcript))

    return look


def words(text: str) -> str:
    """The text without spaces, in one Unicode form. TOK-04 and TOK-05 alone judge spaces and Unicode forms."""
    return "".join(unicodedata.normalize("NFKC", text[:LONGEST]).split())


def same_words(text: str, other: str) -> bool:
    """Whether two texts are equal apart from spaces and Unicode form."""
    return words(text) == words(other)


def words_are(text: str, requirement_id: str) -> Check:
    """The tokens add up to the words of `text`."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        if not same_words(transcript.text, text):
            seen = f"{difference(transcript.text, text)}; {transcript.outcome()}"
            yield Violation(seen, f"the words of {shown(text, 80)}", _last(transcript))

    return look


def words_begin(text: str, requirement_id: str) -> Check:
    """The tokens are a beginning of `text`: for a reply that was cut off."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        if not words(text).startswith(words(transcript.text)):
            seen = difference(transcript.text, text)
            yield Violation(seen, f"a beginning of {shown(text, 80)}", _last(transcript))

    return look


def _last(transcript: Transcript) -> float | None:
    return transcript.tokens[-1].at if transcript.tokens else None
