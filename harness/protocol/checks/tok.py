"""The reply's text, compared with what the provider said."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from chatproof.harness.protocol.excerpts import difference, shown
from chatproof.harness.protocol.findings import Check, Finding, Late, Violation, check
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.text_loss import loss
from chatproof.harness.protocol.transcript import Transcript

LONGEST = 250_000  # characters of which words are compared; in NFKC one may become eighteen


def text_is(text: str, requirement_id: str = "TOK-04", where: str = "") -> Check:
    """The tokens add up to exactly `text`. A reply that failed has lost its tokens. `where`: what the reply was."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        got = transcript.text
        if got != text:
            seen = f"{where}{loss(got, text)}; {transcript.outcome()}"
            yield Violation(seen, f"exactly {shown(text, 80)}", _last(transcript))

    return look


def reply_is(text: str, requirement_id: str, where: str = "") -> Check:
    """As `text_is`, and the reply did not end in an error after all."""
    same_text = text_is(text, requirement_id, where)

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        yield from same_text(transcript)
        if transcript.text == text and (errors := transcript.of(Kind.ERROR)):
            seen = f"{where}the whole text came, and then: {transcript.outcome()}"
            yield Violation(seen, "a reply that ends well", errors[0].at, errors[0])

    return look


def parts_are(parts: Mapping[str, str], requirement_id: str) -> Check:
    """The tokens add up to exactly the texts of `parts`; the finding names those that are not whole."""
    text = "".join(parts.values())

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        got = transcript.text
        if got != text:
            lost = [name for name, part in parts.items() if part not in got] if got else []
            seen = f"not as said: {', '.join(lost) or 'the text'}: {loss(got, text)}; {transcript.outcome()}"
            yield Violation(seen, f"exactly {shown(text, 80)}", _last(transcript))

    return look


def thoughts_stay_out(thoughts: str, requirement_id: str = "TOK-08") -> Check:
    """No sentence of the model's thoughts stands in the reply."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        if said := thoughts_in(transcript.text, thoughts):
            seen = f"the reply shows the model's thoughts: {shown(said)} in {shown(transcript.text)}"
            yield Violation(seen, "the model's answer alone", transcript.tokens[0].at)

    return look


def thoughts_in(text: str, thoughts: str) -> str:
    """The first sentence of the model's thoughts that stands in a text, or nothing."""
    sentences = (one.strip() for one in re.split(r"[.\n]+", thoughts))
    return next((one for one in sentences if one and words(one) in words(text)), "")


def words(text: str) -> str:
    """The text without spaces, in one Unicode form. TOK-04 and TOK-05 alone judge spaces and Unicode forms."""
    return "".join(unicodedata.normalize("NFKC", text[:LONGEST]).split())


def same_words(text: str, other: str) -> bool:
    """Whether two texts are equal apart from spaces and Unicode form."""
    return words(text) == words(other)


def words_are(text: str, requirement_id: str, cut_behind: float | None = None) -> Check:
    """The tokens add up to the words of `text`.

    Args:
        cut_behind: seconds between the last token and the break of the provider's connection. A busy machine shows a
            server both at once, and then its HTTP client may drop what it had read.
    """

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        if not same_words(transcript.text, text):
            seen = f"{difference(transcript.text, text)}; {transcript.outcome()}"
            is_cut = cut_behind is not None and words(text).startswith(words(transcript.text))
            late = Late(cut_behind or 0.0) if is_cut else None
            yield Violation(seen, f"the words of {shown(text, 80)}", _last(transcript), late=late)

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
