"""Leave replies, one or many at once, and read in the fakes' journal when the server hung up on its provider."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.crowds import SIZES, Crowd
from chatproof.conformance.suite.exceptions import NotReached
from chatproof.conformance.suite.provider import Upstream
from chatproof.conformance.suite.replies import Stream
from chatproof.conformance.suite.revisions import is_first_revision
from chatproof.conformance.suite.silence import NO_HEADERS
from chatproof.conformance.suite.timed_checks import PATIENCE, TRIES
from chatproof.fake_providers.journal.entry import Entry
from chatproof.harness.protocol.excerpts import counted
from chatproof.harness.protocol.findings import Late
from chatproof.harness.protocol.lateness import HOPS, Lateness
from chatproof.harness.protocol.transcript import Transcript, Transport

CANCELLED_WITHIN = 2.0  # seconds
CANCELLED_IN_SILENCE_WITHIN = 5.0
BEHIND = 0.5  # seconds in which a server that lets nobody wait asks its provider
WATCHED_LONGER = 0.9  # seconds, to tell a late cancellation from none
LONGEST_WATCH = 10.0  # the same, on a busy machine
# An abort that is lost once in ten times stays unseen with a chance of 0.9 to this power: less than one in a hundred.
MANY_TIMES = 48
FEW_TIMES = 12  # if the server's rate limit counts all of them for one address
SAID = "Tell me a lot."
SMALL_BUFFER = 2048  # bytes of SO_RCVBUF, so that the client's system takes in little before it reads
A_PART_IN = 2.0  # seconds to wait for the first part of an event

LARGE_EVENTS = f"""about = "Two tokens of 8 KB, to be left in the middle of their events; then small ones."
[timing]
inter_token_ms = 100
[[steps]]
tokens = ["{"large " * 1350}"]
repeat = 2
[[steps]]
tokens = ["small "]
repeat = 100
"""

# A long call of a tool, which most dialects write in pieces: the server has much to read and nothing to say.
NOTHING_TO_SAY = f"""about = "A call of a tool that takes a minute to write, and no word before it."
[timing]
inter_token_ms = 100
[[steps]]
tool_call = "write_report"
arguments = {{ text = "{"one more line " * 200}" }}
"""

FAR = 60  # tokens of a reply that is left late
LONG_BEGUN = f"""about = "{FAR + 40} quick tokens, then one every 100 ms for a minute: to be left late."
[timing]
inter_token_ms = 100
[[steps]]
tokens = [" quick"]
repeat = {FAR + 40}
inter_token_ms = 5
[[steps]]
tokens = [" slow"]
repeat = 600
"""
THINKING = 0.3  # seconds of thoughts in front of a hang-up
LONG_THOUGHTS = f"""about = "The model thinks for half a minute, then says a word."
[timing]
inter_token_ms = 100
[[steps]]
thinking = "{" again" * 300}"
[[steps]]
text = "Yes."
"""


@dataclass(frozen=True, slots=True)
class HangUp:
    """A way to leave, with its name for messages."""

    name: str
    leave: Callable[[Stream], Awaitable[None]]


BY_FIN = HangUp("a client that closed its connection (FIN)", lambda stream: stream.leave())
BY_RST = HangUp("a client that vanished (RST)", lambda stream: stream.vanish())
BOTH = (BY_FIN, BY_RST)


@dataclass(frozen=True, slots=True)
class Moment:
    """When to leave: after `tokens` tokens of the provider, and `wait` seconds; with `inside`, once part of an event
    has come."""

    script: str
    tokens: int
    inside: bool = False
    wait: float = 0.0

    def told(self, provider: Upstream) -> str:
        """The moment in words, with what the provider does."""
        after = f"after {counted(self.tokens, 'token')}" if self.tokens else "before the first token"
        when = "inside an event" if self.inside else after
        return f"{when} of {provider.does(self.script)}"


SOON_OVER = Moment("paced", 1)  # for a reply that goes on without its client: fifty of a minute are too many
MID_REPLY = tuple(Moment("minute", tokens) for tokens in (1, 2, 3, 5, 8))
IN_SILENCE = (Moment("silent", 0), Moment("stall", 3))  # before the first token, and after the last one


@dataclass(frozen=True, slots=True)
class Interruption:
    """A reply that was left, or stopped. `took`: seconds until the provider saw the server hang up, or None if it did
    not within `watched` seconds; `entries`: the provider's requests; `since`: what the seconds are counted from."""

    what: str
    took: float | None
    stream: Stream
    watched: float
    entries: Sequence[Entry] = ()
    since: str = "the client left"

    def is_late(self, within: float) -> bool:
        """Whether the provider went on for longer than `within` seconds."""
        return self.took is None or self.took > within


Leaving = Callable[[], Awaitable[Interruption]]


def plan_of(case: Case, moments: Iterable[Moment]) -> list[tuple[HangUp, Moment]]:
    """Both ways to leave at each moment, repeated often enough to notice a cancellation that is lost now and then."""
    lane = case.lane
    times = MANY_TIMES if lane.budget.addresses.available or not lane.budget.keeps_limits else FEW_TIMES
    return list(islice(cycle(product(BOTH, moments)), times))


async def in_silence(case: Case) -> tuple[Moment, ...]:
    """Moments at which the provider is silent; in later revisions also one before its HTTP headers come, and one at
    which the answer does not go on: the model writes a tool's call, or it thinks, of which some providers say much."""
    if is_first_revision(case):
        return IN_SILENCE
    scripts = {"no-headers": NO_HEADERS, "nothing-to-say": NOTHING_TO_SAY, "long-thoughts": LONG_THOUGHTS}
    await case.provider.add(scripts)
    thinks = Moment("long-thoughts", 0, wait=THINKING)
    return (*IN_SILENCE, Moment("no-headers", 0), Moment("nothing-to-say", 0), thinks)


def early(case: Case) -> Moment:
    """After the first token, of a reply that is over soon where leaving does not stop it."""
    return SOON_OVER if case.lane.settings.resumes else MID_REPLY[0]


async def offers_upgrades(case: Case) -> bool:
    """Whether clients move from polling to a WebSocket. Of one that stays with polling, only pings can show that it has
    vanished (INT-09)."""
    client = await case.connect(Transport.POLLING, case.lane.budget.addresses.fresh())
    return client.opened is not None and client.opened.offers_websocket


async def reply_under_way(case: Case, moment: Moment, **how: Any) -> Stream:
    """A reply of which the provider has written `moment.tokens` tokens; with 0, one that the provider was asked for.

    Raises:
        NotReached: that does not come in time.
    """
    if moment.inside:
        how["receive_buffer"] = SMALL_BUFFER
    waits = 0
    while True:
        stream = await case.start(SAID, script=moment.script, **how)
        if moment.tokens:
            there = await case.provider.has_said(stream.transcript, moment.tokens)
        else:
            there = await case.provider.asked(stream.transcript) is not None
        if there:
            await asyncio.sleep(moment.wait)
            return stream
        if not await case.refused_for_now(stream.transcript, waits):
            missing = f"wrote token {moment.tokens}" if moment.tokens else "was asked"
            raise NotReached(f"the provider never {missing}: {stream.transcript.outcome()}", stream)
        waits += 1


async def interrupt(case: Case, hang_up: HangUp, moment: Moment, within: float, **how: Any) -> Interruption:
    """Leave a reply, and measure how long the provider goes on."""
    how.setdefault("source", case.lane.budget.addresses.fresh())
    stream = await reply_under_way(case, moment, **how)
    if moment.inside:
        await stream.until(_is_inside_an_event, A_PART_IN)
    left = time.monotonic()
    await hang_up.leave(stream)
    watched = within + max(WATCHED_LONGER, case.watched_longer)
    entries = await case.provider.ended(stream.transcript, watched)
    what, took = f"{hang_up.name} {moment.told(case.provider)}", seconds_until_over(case, entries, left)
    return Interruption(what, took, stream, watched, entries)


def _is_inside_an_event(transcript: Transcript) -> bool:
    return bool(transcript.reads) and not transcript.reads[-1].data.endswith(b"\n")


def seconds_until_over(case: Case, entries: Sequence[Entry], left: float) -> float | None:
    """Seconds from `left` until the provider's last request for the reply ended; 0 if it ended before, None if it goes
    on. Requests that are not streamed do not count: a server may ask for a title beside the reply."""
    ends = [entry.ended_at for entry in entries if entry.stream] or [entry.ended_at for entry in entries]
    if not ends or any(end is None for end in ends):
        return None
    return max(0.0, max(case.provider.local(end) for end in ends if end is not None) - left)


async def judge_cancelled(case: Case, requirement_id: str, within: float, plan: Sequence[Leaving]) -> None:
    """Leave all replies of a plan, many at a time, and judge the slowest cancellation.

    Some that are noticed late are tried again with all others, since this machine may have been busy; one that is
    never noticed is a fault, unless this machine is known to have been that busy. Then it is watched for longer than
    the machine can excuse.
    """
    for _ in range(TRIES):
        began = time.monotonic()
        crowd = await leave_all(case, plan)
        lateness = case.lane.heartbeat.since(began, [entry for one in crowd.came for entry in one.entries])
        is_fault = any(one.took is None for one in crowd.came) and not lateness.excuses(too_late_by(crowd, within))
        if is_fault or not any(one.is_late(within) for one in crowd.came):
            break
        case.watched_longer = min(2 * HOPS * lateness.at(), LONGEST_WATCH)
        await case.lane.heartbeat.calm(PATIENCE)
    report_cancelled(case, requirement_id, within, crowd, lateness)


async def leave_all(case: Case, plan: Sequence[Leaving], at_once: int = SIZES[0]) -> Crowd[Interruption]:
    """Leave all replies of a plan, up to the first that the server does not notice. Raises NotTestable."""
    return await case.lane.crowds.run(case.provider, plan, at_once, lambda one: one.took is None)


def too_late_by(crowd: Crowd[Interruption], within: float) -> Late:
    """By how much the slowest cancellation missed the bound; one that never came, by as long as it was watched."""
    return Late(max(one.watched if one.took is None else one.took for one in crowd.came) - within)


def report_cancelled(
    case: Case, requirement_id: str, within: float, crowd: Crowd[Interruption], lateness: Lateness
) -> None:
    """Record whether all cancellations came in time, with the slowest one."""
    left = crowd.came
    late = [one for one in left if one.is_late(within)]
    slowest = max(left, key=lambda one: float("inf") if one.took is None else one.took)
    seen = "stayed open" if slowest.took is None else f"was closed {slowest.took * 1000:.0f} ms after {slowest.since}"
    count = f"too late or never for {len(late)} of {len(left)} clients" if late else f"the slowest of {len(left)}"
    seen = f"{slowest.what}: the provider's connection {seen} ({count})"
    if crowd.slow:
        seen += f"; with fewer clients at once, since {crowd.slow}"
    expected = f"closed within {within:g} s"
    case.holds(
        requirement_id,
        not late,
        seen,
        expected,
        slowest.stream.transcript,
        measured=True,
        late=too_late_by(crowd, within),
        lateness=lateness,
    )
