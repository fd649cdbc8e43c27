"""END: the completion."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Check, Finding, Unjudged, Violation, check
from chatproof.harness.protocol.messages import JsonObject, Kind, is_integer, is_number
from chatproof.harness.protocol.transcript import End, Transcript, Transport

GRACE = 0.25  # seconds that a duration may differ from what the client saw
CLOCK_READS = 0.001  # seconds between two readings of the clock that a server may take for its two figures
LONG_ENOUGH = 0.5  # seconds; on shorter replies rounding hides everything

_DATE_AND_TIME = re.compile(r"\d{4}-?\d\d-?\d\d[Tt]\d\d")


def on_completion(
    requirement_id: str,
) -> Callable[[Callable[[Transcript, JsonObject], Iterable[Finding]]], Check]:
    """A check that needs a completion."""

    def make(look: Callable[[Transcript, JsonObject], Iterable[Finding]]) -> Check:
        @check(requirement_id)
        def guarded(transcript: Transcript) -> Iterator[Finding]:
            completion = transcript.completion
            if completion is None:
                yield Unjudged(requirement_id, f"no completion came: {transcript.outcome()}")
            else:
                yield from look(transcript, completion.body)

        return guarded

    return make


@check("END-01")
def one_completion_and_last(transcript: Transcript) -> Iterator[Finding]:
    """Exactly one completion, and nothing behind it."""
    expected = "exactly one event with `done: true`, the last one"
    if transcript.status not in (200, None) or transcript.end is End.REFUSED:
        yield Unjudged("END-01", f"there was no stream: {transcript.outcome()}")
        return
    completions = transcript.of(Kind.COMPLETION)
    if not completions:
        if transcript.of(Kind.ERROR):
            yield Unjudged("END-01", f"the reply did not succeed: {transcript.outcome()}")
        else:
            yield Violation("END-01", f"no completion: {transcript.outcome()}", expected, transcript.ended_at)
        return
    behind = transcript.messages[transcript.messages.index(completions[0]) + 1 :]
    if behind:
        count = f"{len(completions)} completions, {len(behind)} events behind the first"
        yield Violation("END-01", f"{count}: {shown(dict(behind[0].body))}", expected, behind[0].at)


@on_completion("END-02")
def completion_is_typed(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """Integers, numbers and strings where the API document has them."""
    fields: dict[str, tuple[Callable[[object], bool], str]] = {
        "tokens": (is_integer, "an integer"),
        "duration": (is_number, "a number"),
        "tokens_per_second": (is_number, "a number"),
    }
    if transcript.transport is Transport.SSE:
        strings = ("full_response", "user", "timestamp")
        fields |= {name: (lambda value: isinstance(value, str), "a string") for name in strings}
    for name, (is_right, kind) in fields.items():
        if not is_right(body.get(name)):
            seen = f"{name} {shown(body[name])}" if name in body else f"no {name}"
            yield Violation("END-02", seen, f"{name}: {kind}", _at(transcript))


@on_completion("END-03")
def tokens_equal_last_count(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """`tokens` is the last `count`; 0 where there was no token."""
    tokens = body.get("tokens")
    last = transcript.tokens[-1].body.get("count") if transcript.tokens else 0
    if not is_integer(tokens) or not is_integer(last):
        yield Unjudged("END-03", f"tokens {shown(tokens)} or the last count {shown(last)} is no integer")
    elif tokens != last:
        yield Violation("END-03", f"tokens {tokens}, last count {last}", "the same number", _at(transcript))


@on_completion("END-04")
def full_response_is_last_partial(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """The same text, its outer whitespace apart."""
    full = body.get("full_response")
    last = transcript.tokens[-1].body.get("partial") if transcript.tokens else ""
    if not isinstance(full, str) or not isinstance(last, str):
        yield Unjudged("END-04", f"full_response {shown(full)} or the last partial {shown(last)} is no string")
    elif full.strip() != last.strip():
        seen = f"full_response {shown(full, 80)}, last partial {shown(last, 80)}"
        yield Violation("END-04", seen, "the same text, outer whitespace apart", _at(transcript))


@on_completion("END-05")
def speed_is_tokens_over_duration(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """`tokens / duration`, each figure taken as the interval that its rounding leaves open."""
    tokens, duration, speed = (body.get(name) for name in ("tokens", "duration", "tokens_per_second"))
    if not is_integer(tokens) or not is_number(duration) or not is_number(speed):
        yield Unjudged(
            "END-05",
            f"tokens {shown(tokens)}, duration {shown(duration)} or speed {shown(speed)} is no number",
        )
        return
    around = max(_unit(duration), CLOCK_READS)
    least = tokens / (duration + around) if duration + around > 0 else 0.0
    most = tokens / (duration - around) if duration > around else float("inf")
    if not least - _unit(speed) <= speed <= most + _unit(speed):
        seen = f"{speed} tokens/s with {tokens} tokens in {duration} s"
        expected = f"between {least:.2f} and {most:.2f}" if duration > 0 else "a duration above 0"
        yield Violation("END-05", seen, expected, _at(transcript))


@on_completion("END-06")
def duration_is_true(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """Seconds; between the token span that the client saw and the whole request."""
    duration, terminal = body.get("duration"), transcript.completion
    if not is_number(duration):
        yield Unjudged("END-06", f"the duration is no number: {shown(duration)}")
        return
    assert terminal is not None
    span = transcript.tokens[-1].at - transcript.tokens[0].at if transcript.tokens else 0.0
    whole = terminal.at - transcript.asked_at
    around = GRACE + _unit(duration)
    if not span - around <= duration <= whole + around:
        seen = f"duration {duration}; the client saw tokens for {span:.3f} s in a request of {whole:.3f} s"
        yield Violation("END-06", seen, f"{span:.3f} to {whole:.3f} s, {GRACE} s of grace", terminal.at)


@on_completion("END-07")
def user_is_anonymous(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """Without a JWT."""
    if body.get("user") != "anonymous":
        yield Violation("END-07", f"user {shown(body.get('user'))}", "user 'anonymous'", _at(transcript))


@on_completion("END-08")
def timestamp_is_iso(transcript: Transcript, body: JsonObject) -> Iterator[Finding]:
    """An ISO 8601 date and time, with an offset or without."""
    if not is_timestamp(body.get("timestamp")):
        seen = f"timestamp {shown(body.get('timestamp'))}"
        yield Violation("END-08", seen, "an ISO 8601 date and time", _at(transcript))


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


COMPLETION_CHECKS = (
    one_completion_and_last,
    completion_is_typed,
    tokens_equal_last_count,
    full_response_is_last_partial,
    user_is_anonymous,
    timestamp_is_iso,
)
