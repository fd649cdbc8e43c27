"""TOK: token events, on either transport."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

from chatproof.harness.protocol.excerpts import shown, shown_part
from chatproof.harness.protocol.findings import Check, Finding, Unjudged, Violation, check
from chatproof.harness.protocol.messages import is_integer
from chatproof.harness.protocol.transcript import Transcript


def on_tokens(requirement_id: str) -> Callable[[Callable[[Transcript], Iterator[Finding]]], Check]:
    """A check that needs token events."""

    def make(look: Callable[[Transcript], Iterator[Finding]]) -> Check:
        @check(requirement_id)
        def guarded(transcript: Transcript) -> Iterator[Finding]:
            if transcript.tokens:
                yield from look(transcript)
            else:
                yield Unjudged(requirement_id, f"no token event came: {transcript.outcome()}")

        return guarded

    return make


@on_tokens("TOK-01")
def tokens_are_typed(transcript: Transcript) -> Iterator[Finding]:
    """A non-empty string, an integer, a string."""
    for message in transcript.tokens:
        body = message.body
        token, count, partial = body.get("token"), body.get("count"), body.get("partial")
        if not isinstance(token, str) or not token:
            yield Violation("TOK-01", f"token {shown(token)}", "a non-empty string", message.at)
        elif not is_integer(count):
            yield Violation("TOK-01", f"count {shown(count)}", "an integer", message.at)
        elif not isinstance(partial, str):
            yield Violation("TOK-01", f"partial {shown(partial)}", "a string", message.at)
        else:
            continue
        return


@on_tokens("TOK-02")
def counts_rise_by_one(transcript: Transcript) -> Iterator[Finding]:
    """1, 2, 3, …"""
    for expected, message in enumerate(transcript.tokens, start=1):
        count = message.body.get("count")
        if not is_integer(count):
            yield Unjudged("TOK-02", f"a count is no integer: {shown(count)}")
            return
        if count != expected:
            yield Violation("TOK-02", f"count {count} at token {expected}", f"count {expected}", message.at)
            return


@on_tokens("TOK-03")
def partials_add_up(transcript: Transcript) -> Iterator[Finding]:
    """`partial` is all tokens so far."""
    so_far = ""
    for message in transcript.tokens:
        so_far += message.token
        partial = message.body.get("partial")
        if not isinstance(partial, str):
            yield Unjudged("TOK-03", f"a partial is no string: {shown(partial)}")
            return
        if partial != so_far:
            yield Violation("TOK-03", f"partial {_difference(partial, so_far)}", "all tokens so far", message.at)
            return


def text_is(text: str, requirement_id: str = "TOK-04") -> Check:
    """The tokens add up to exactly `text`. A reply that failed is a reply that lost its tokens."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        got = transcript.text
        if got != text:
            seen = f"{_difference(got, text)}; {transcript.outcome()}"
            yield Violation(requirement_id, seen, f"exactly {shown(text, 80)}", _last(transcript))

    return look


def words(text: str) -> str:
    """The text without its spaces and in one Unicode form: what is left where a server trims or normalises,
    which is the business of TOK-04 and TOK-05 alone."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def same_words(text: str, other: str) -> bool:
    """Whether two texts are the same but for spaces and Unicode form."""
    return words(text) == words(other)


def words_are(text: str, requirement_id: str) -> Check:
    """The tokens add up to the words of `text`."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        if not same_words(transcript.text, text):
            seen = f"{_difference(transcript.text, text)}; {transcript.outcome()}"
            yield Violation(requirement_id, seen, f"the words of {shown(text, 80)}", _last(transcript))

    return look


def words_begin(text: str, requirement_id: str) -> Check:
    """The tokens that came are a beginning of `text`: for a reply that was cut off."""

    @check(requirement_id)
    def look(transcript: Transcript) -> Iterator[Finding]:
        if not words(text).startswith(words(transcript.text)):
            seen = _difference(transcript.text, text)
            yield Violation(requirement_id, seen, f"a beginning of {shown(text, 80)}", _last(transcript))

    return look


def _last(transcript: Transcript) -> float | None:
    return transcript.tokens[-1].at if transcript.tokens else None


def _difference(got: str, wanted: str) -> str:
    """Where two texts part, with a little of both."""
    same = 0
    while same < min(len(got), len(wanted)) and got[same] == wanted[same]:
        same += 1
    near = same - 10
    return (
        f"differs at character {same} (of {len(got)}, wanted {len(wanted)}): "
        f"{shown_part(got, near, same + 30)} instead of {shown_part(wanted, near, same + 30)}"
    )


TOKEN_CHECKS = (tokens_are_typed, counts_rise_by_one, partials_add_up)
