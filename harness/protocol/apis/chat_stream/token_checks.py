"""TOK-01 to 03: the fields of the API document's token events, on either transport."""

from __future__ import annotations

from collections.abc import Iterator

from chatproof.harness.protocol.apis.chat_stream.chat_stream import COUNT, PARTIAL, TOKEN
from chatproof.harness.protocol.excerpts import difference, shown
from chatproof.harness.protocol.findings import Finding, Look, Unjudged, Violation, check
from chatproof.harness.protocol.messages import is_integer
from chatproof.harness.protocol.transcript import Transcript


def needs_tokens(look: Look) -> Look:
    """Leave a reply without token events unjudged."""

    def guarded(transcript: Transcript) -> Iterator[Finding]:
        if transcript.tokens:
            yield from look(transcript)
        else:
            yield Unjudged(f"no token event came: {transcript.outcome()}")

    return guarded


@check("TOK-01")
@needs_tokens
def tokens_are_typed(transcript: Transcript) -> Iterator[Finding]:
    """`token` is a non-empty string, `count` an integer, `partial` a string. The first fault is reported."""
    for message in transcript.tokens:
        token, count, partial = (message.body.get(name) for name in (TOKEN, COUNT, PARTIAL))
        if not isinstance(token, str) or not token:
            yield Violation(f"token {shown(token)}", "token: a non-empty string", message.at, message)
        elif not is_integer(count):
            yield Violation(f"count {shown(count)}", "count: an integer", message.at, message)
        elif not isinstance(partial, str):
            yield Violation(f"partial {shown(partial)}", "partial: a string", message.at, message)
        else:
            continue
        return


@check("TOK-02")
@needs_tokens
def counts_rise_by_one(transcript: Transcript) -> Iterator[Finding]:
    """`count` is 1, 2, 3, …"""
    for expected, message in enumerate(transcript.tokens, start=1):
        count = message.body.get(COUNT)
        if not is_integer(count):
            yield Unjudged(f"a count is not an integer: {shown(count)}")
            return
        if count != expected:
            yield Violation(f"count {count} at token {expected}", f"count {expected}", message.at, message)
            return


@check("TOK-03")
@needs_tokens
def partials_add_up(transcript: Transcript) -> Iterator[Finding]:
    """`partial` is all tokens so far."""
    so_far = ""
    for message in transcript.tokens:
        so_far += message.token
        partial = message.body.get(PARTIAL)
        if not isinstance(partial, str):
            yield Unjudged(f"a partial is not a string: {shown(partial)}")
            return
        if partial != so_far:
            yield Violation(f"partial {difference(partial, so_far)}", "partial: all tokens so far", message.at, message)
            return


COUNTS_AND_PARTIALS = (counts_rise_by_one, partials_add_up)
TOKEN_CHECKS = (tokens_are_typed, *COUNTS_AND_PARTIALS)
