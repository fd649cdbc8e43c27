"""END-02 to 08 and 12: the fields of the API document's completion."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from chatproof.harness.protocol.apis.chat_stream import chat_stream as fields
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Check, Finding, Late, Look, Unjudged, Violation, check
from chatproof.harness.protocol.messages import JsonObject, is_integer, is_number
from chatproof.harness.protocol.text_loss import loss
from chatproof.harness.protocol.transcript import Transcript, Transport

GRACE = 0.25  # seconds that a duration may differ from what the client saw
CLOCK_READS = 0.001  # seconds between the two clock readings that a server may use for its two figures

_DATE_AND_TIME = re.compile(r"\d{4}-?\d\d-?\d\d[Tt]\d\d")


def needs_completion(look: Callable[[Transcript, JsonObject], Iterable[Finding]]) -> Look:
    """Give a check the completion's object; leave a reply without a completion unjudged."""

    def guarded(transcript: Transcript) -> Iterator[Finding]:
        if (completion := transcript.completion) is None:
            yield Unjudged(f"no completion came: {transcript.outcome()}")
        else:
            yield from look(transcript, completion.body)

    return guarded


@check("END-02")
@needs_completion
def completion_is_typed(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """Integers, numbers and strings where the API document has them."""
    typed: dict[str, tuple[Callable[[object], bool], str]] = {
        fields.TOKENS: (is_integer, "an integer"),
        fields.DURATION: (is_number, "a number"),
        fields.SPEED: (is_number, "a number"),
    }
    if transcript.transport is Transport.SSE:
        strings = (fields.FULL_RESPONSE, fields.USER, fields.TIMESTAMP)
        typed |= {name: (lambda value: isinstance(value, str), "a string") for name in strings}
    for name, (is_right, kind) in typed.items():
        if not is_right(body.get(name)):
            seen = f"{name} {shown(body[name])}" if name in body else f"no {name}"
            yield Violation(seen, f"{name}: {kind}", _at(transcript), transcript.completion)


@check("END-03")
@needs_completion
def tokens_equal_last_count(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """`tokens` is the last `count` (0 where there was no token), or another right count of the reply's tokens."""
    tokens = body.get(fields.TOKENS)
    last = transcript.tokens[-1].body.get(fields.COUNT) if transcript.tokens else 0
    if not is_integer(tokens) or not is_integer(last):
        yield Unjudged(f"tokens {shown(tokens)} or the last count {shown(last)} is not an integer")
    elif tokens != last and tokens not in transcript.counts:
        expected = "the last count, the provider's own count, or a tokenizer's"
        yield Violation(f"tokens {tokens}, last count {last}", expected, _at(transcript), transcript.completion)


@check("END-04")
@needs_completion
def full_response_is_last_partial(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """The same text, its outer whitespace apart."""
    full = body.get(fields.FULL_RESPONSE)
    last = transcript.tokens[-1].body.get(fields.PARTIAL) if transcript.tokens else ""
    if not isinstance(full, str) or not isinstance(last, str):
        yield Unjudged(f"full_response {shown(full)} or the last partial {shown(last)} is not a string")
    elif full.strip() != last.strip():
        gone = loss(full.strip(), last.strip())
        seen = f"full_response {shown(full, 80)}, last partial {shown(last, 80)}: {gone}"
        yield Violation(seen, "the same text, outer whitespace apart", _at(transcript), transcript.completion)


def full_response_is_whole(said: str) -> Check:
    """`full_response` is the whole text that the provider said, its outer whitespace apart.

    A server that streamed another text has lost it there, which TOK-04 judges.
    """

    @check("END-12")
    @needs_completion
    def look(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
        full = body.get(fields.FULL_RESPONSE)
        if not isinstance(full, str):
            yield Unjudged(f"full_response {shown(full)} is not a string")
        elif full.strip() not in (said.strip(), transcript.text.strip()):
            gone = " its white space is not as said:" if full.split() == said.split() else ""
            seen = f"full_response:{gone} {loss(full.strip(), said.strip())}"
            yield Violation(seen, f"the whole text: {shown(said, 80)}", _at(transcript), transcript.completion)

    return look


@check("END-05")
@needs_completion
def speed_is_tokens_over_duration(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """`tokens / duration`, each figure taken as the interval that its rounding leaves open."""
    tokens, duration, speed = (body.get(name) for name in (fields.TOKENS, fields.DURATION, fields.SPEED))
    if not is_integer(tokens) or not is_number(duration) or not is_number(speed):
        yield Unjudged(f"tokens {shown(tokens)}, duration {shown(duration)} or speed {shown(speed)} is not a number")
        return
    around = max(_unit(duration), CLOCK_READS)
    least = tokens / (duration + around) if duration + around > 0 else 0.0
    most = tokens / (duration - around) if duration > around else float("inf")
    if not least - _unit(speed) <= speed <= most + _unit(speed):
        seen = f"{speed} tokens/s with {tokens} tokens in {duration} s"
        expected = f"between {least:.2f} and {most:.2f}" if duration > 0 else "a duration above 0"
        apart = abs(tokens / speed - duration) - around if speed > 0 else None
        late = None if apart is None else Late(apart)
        yield Violation(seen, expected, _at(transcript), transcript.completion, late)


@check("END-06")
@needs_completion
def duration_is_true(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """Seconds; between the token span that the client saw and the whole request."""
    duration, terminal = body.get(fields.DURATION), transcript.completion
    if not is_number(duration):
        yield Unjudged(f"the duration is not a number: {shown(duration)}")
        return
    assert terminal is not None
    span = transcript.tokens[-1].at - transcript.tokens[0].at if transcript.tokens else 0.0
    whole = terminal.at - transcript.asked_at
    around = GRACE + _unit(duration)
    if not span - around <= duration <= whole + around:
        seen = f"duration {duration}; the client saw tokens for {span:.3f} s in a request of {whole:.3f} s"
        late = Late(max(span - duration, duration - whole) - around)
        yield Violation(seen, f"{span:.3f} to {whole:.3f} s, {GRACE} s of grace", terminal.at, terminal, late)


@check("END-07")
@needs_completion
def user_is_anonymous(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """Without a JWT."""
    if body.get(fields.USER) != "anonymous":
        yield Violation(f"user {shown(body.get('user'))}", "user 'anonymous'", _at(transcript), transcript.completion)


@check("END-08")
@needs_completion
def timestamp_is_iso(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """An ISO 8601 date and time, with an offset or without."""
    if not is_timestamp(body.get(fields.TIMESTAMP)):
        seen = f"timestamp {shown(body.get('timestamp'))}"
        yield Violation(seen, "an ISO 8601 date and time", _at(transcript), transcript.completion)


def user_of(reply: Transcript) -> object:
    """Whom a completion names; None without a completion, or where it names nobody."""
    return reply.completion.body.get(fields.USER) if reply.completion else None


def is_timestamp(value: object) -> bool:
    """An ISO 8601 date and time, as in `2025-11-20T18:15:30.123456`, with an offset or without."""
    if not isinstance(value, str) or not _DATE_AND_TIME.match(value):
        return False
    try:
        datetime.fromisoformat(value.upper())  # RFC 3339 allows `t` and `z`
    except ValueError:
        return False
    return True


def _unit(value: float) -> float:
    """One unit of the last decimal place that a number shows: 0.01 for 3.25, 0.1 for 3.0, 1 for 12."""
    text = json.dumps(value)
    mantissa, _, exponent = text.partition("e")
    places = len(mantissa.partition(".")[2])
    return float(10.0 ** (int(exponent or 0) - places))


def _at(transcript: Transcript) -> float | None:
    return transcript.completion.at if transcript.completion else None


AGREES_WITH_TOKENS = (tokens_equal_last_count, full_response_is_last_partial)
COMPLETION_CHECKS = (completion_is_typed, *AGREES_WITH_TOKENS, user_is_anonymous, timestamp_is_iso)
