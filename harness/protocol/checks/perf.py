"""Speed: how soon, how fast and how much later than the provider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from chatproof.harness.protocol.checks.pass_through import ProviderWrite
from chatproof.harness.protocol.checks.tok import words
from chatproof.harness.protocol.findings import Check, Finding, Late, Unjudged, Violation, check
from chatproof.harness.protocol.transcript import Transcript

FIRST_TOKEN = 1.0  # seconds
TOKENS_PER_SECOND = 5.0
ADDED = 0.1  # seconds, 95th percentile
STARVED = 1.0  # seconds that a busy machine, and no server, adds to a token


def first_token_is_soon(scale: float = 1.0) -> Check:
    """The first token comes in under a second, from sending the request."""

    @check("PERF-01")
    def look(transcript: Transcript) -> Iterator[Finding]:
        if not transcript.tokens:
            yield Unjudged(f"no token came: {transcript.outcome()}")
            return
        took = transcript.tokens[0].at - transcript.asked_at
        if took >= FIRST_TOKEN * scale:
            expected = f"under {FIRST_TOKEN * scale * 1000:.0f} ms"
            seen = f"the first token came after {took * 1000:.0f} ms"
            yield Violation(seen, expected, late=Late(took - FIRST_TOKEN * scale))

    return look


def speed_is_kept(said: Sequence[ProviderWrite], scale: float = 1.0) -> Check:
    """The provider's tokens reach the client at 5 a second or more, from its first write to the last arrival.

    They are counted as the provider cut them: a server may join several into one event.
    """

    @check("PERF-02")
    def look(transcript: Transcript) -> Iterator[Finding]:
        delays = added_delays(transcript, said)
        if not delays or len(delays) < len(said):
            yield Unjudged(f"the reply is not whole: {transcript.outcome()}")
            return
        span = transcript.tokens[-1].at - said[0].at
        rate = len(said) / span if span > 0 else float("inf")
        if rate < TOKENS_PER_SECOND / scale:
            expected = f"{TOKENS_PER_SECOND / scale:g} tokens/s or more"
            seen = f"{len(said)} tokens took {span:.1f} s: {rate:.1f} tokens/s"
            yield Violation(seen, expected, late=Late(span - len(said) * scale / TOKENS_PER_SECOND))

    return look


def little_is_added(said: Sequence[ProviderWrite], scale: float = 1.0) -> Check:
    """From the provider's write to the client's read 95 of 100 tokens take less than 100 ms."""

    @check("PERF-03")
    def look(transcript: Transcript) -> Iterator[Finding]:
        delays = sorted(added_delays(transcript, said))
        if not delays or len(delays) < len(said):
            yield Unjudged(f"the reply is not whole: {transcript.outcome()}")
            return
        worst = percentile(delays, 95)
        if worst >= ADDED * scale:
            seen = f"the server added {worst * 1000:.0f} ms (p95 of {len(delays)} tokens, median {_ms(delays, 50)})"
            yield Violation(seen, f"under {ADDED * scale * 1000:.0f} ms", late=Late(worst - ADDED * scale, 95, STARVED))

    return look


def added_delays(transcript: Transcript, said: Sequence[ProviderWrite]) -> list[float]:
    """For each of the provider's writes the seconds until all of its text was at the client, as far as it came.

    Compared by the number of characters, spaces left out, so that a server may cut tokens its own way.
    """
    arrivals = iter(transcript.tokens)
    due = there = 0
    at = 0.0
    delays: list[float] = []
    for one in said:
        due += len(words(one.text))
        while there < due:
            if (message := next(arrivals, None)) is None:
                return delays
            there, at = there + len(words(message.token)), message.at
        delays.append(max(0.0, at - one.at))
    return delays


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of sorted values."""
    return values[max(0, ceil(len(values) * percent / 100) - 1)]


def _ms(values: Sequence[float], percent: float) -> str:
    return f"{percentile(values, percent) * 1000:.0f} ms"
