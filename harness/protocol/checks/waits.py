"""Replies that take long, and what comes while the provider is silent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chatproof.harness.protocol.checks.pass_through import ProviderWrite
from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.excerpts import difference, shown
from chatproof.harness.protocol.findings import Check, Finding, Late, Unjudged, Violation, check
from chatproof.harness.protocol.transcript import Transcript

PROXIES = ("nginx", "openresty", "tengine", "envoy", "caddy", "cloudflare", "haproxy", "litespeed")
"""What stands in `Server` where a proxy answers. nginx takes `X-Accel-Buffering` out of what it passes on."""
TOLERANCE = 0.05  # of the time between two comments: how much later one may come


@dataclass(frozen=True, slots=True)
class SlowTalk:
    """What the provider says slowly, and what it has said so far.

    `text`: all of it; `said`: its writes; `asked_at`: when it was asked, in seconds of the transcript's clock; `pace`:
    the longest time between two of its tokens where it makes no pause; `timeout`: the server's, where it is known.
    """

    text: str
    said: Sequence[ProviderWrite]
    asked_at: float
    pace: float
    timeout: float | None

    @property
    def longest_pause(self) -> float:
        """The longest time in which it said nothing, in seconds."""
        times = [self.asked_at, *(one.at for one in self.said)]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def moment(self, transcript: Transcript, ended: float) -> str:
        """What the provider was doing when a reply ended, in words."""
        before = [one for one in self.said if one.at <= ended]
        silent = ended - (before[-1].at if before else self.asked_at)
        after = f"{ended - transcript.asked_at:.1f} s after the ask"
        if same_words("".join(one.text for one in before), self.text):
            return f"{after}, when the provider had said all"
        if silent <= 2 * self.pace:
            return f"{after}, while the provider was talking"
        where = "between two tokens" if before else "before its first token"
        return f"{after}, when the provider had been silent for {silent:.1f} s {where}"


def whole_though_slow(talk: SlowTalk, is_success: bool) -> Check:
    """A slow reply comes whole. `is_success`: whether it ended well."""

    @check("ERR-07")
    def look(transcript: Transcript) -> Iterator[Finding]:
        if is_success and same_words(transcript.text, talk.text):
            return
        ended = transcript.terminal.at if transcript.terminal else transcript.ended_at or transcript.asked_at
        lost = f"; {difference(transcript.text, talk.text)}" if is_success else ""
        seen = f"{transcript.outcome()}{lost}: {talk.moment(transcript, ended)}"
        yield Violation(seen, f"the whole reply{of_timeout(talk)}", ended)

    return look


def of_timeout(talk: SlowTalk) -> str:
    """Why a reply should have come whole, where the provider was silent and the timeout is known."""
    if talk.timeout is None:
        return ""
    return f": the provider was silent for {talk.longest_pause:.1f} s at most, and its timeout is {talk.timeout:g} s"


def something_comes(since: float, until: float, most: float) -> Check:
    """While the provider is silent, from `since` to `until` (monotonic seconds), bytes come every `most` seconds."""

    @check("SSE-13")
    def look(transcript: Transcript) -> Iterator[Finding]:
        ended = min(until, transcript.ended_at or until)
        times = [since, *(one.at for one in transcript.reads if since < one.at < ended), ended]
        pause, at = max((later - earlier, later) for earlier, later in pairwise(times))
        if (late := pause - (1 + TOLERANCE) * most) > 0:
            seen = f"nothing came for {pause:.1f} s while the provider was silent, from {at - pause - since:.1f} s on"
            yield Violation(seen, f"something, such as a comment, every {most:g} s", at, late=Late(late))
        elif ended < until - TOLERANCE * most:
            seen = f"the reply ended after {ended - since:.1f} s of the provider's silence: {transcript.outcome()}"
            yield Unjudged(seen)

    return look


@check("SSE-13")
def proxies_are_told(transcript: Transcript) -> Iterator[Finding]:
    """The headers tell a proxy not to buffer, or a proxy stands in front already."""
    if transcript.status != 200:
        yield Unjudged(f"no stream: {transcript.outcome()}")
        return
    said, server = transcript.header("x-accel-buffering"), (transcript.header("server") or "").lower()
    is_behind_a_proxy = transcript.header("via") or any(name in server for name in PROXIES)
    if (said or "").strip().lower() != "no" and not is_behind_a_proxy:
        yield Violation(f"the headers of a reply: X-Accel-Buffering: {shown(said)}", "`X-Accel-Buffering: no`")
