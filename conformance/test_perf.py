"""PERF: the table of the API document, measured with a provider that adds no delay."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, TooLate
from chatproof.conformance.suite.marks import over_all, requirement
from chatproof.conformance.suite.process_memory import memory_of
from chatproof.conformance.suite.replies import Stream
from chatproof.conformance.suite.revisions import is_first_revision
from chatproof.conformance.suite.timed_checks import Attempt, steadily
from chatproof.conformance.suite.together import together
from chatproof.harness.protocol.checks.perf import first_token_is_soon, little_is_added, speed_is_kept
from chatproof.harness.protocol.requirements import OWN_API
from chatproof.harness.protocol.transcript import Transport

WORDS = ", ".join(f'"word{number} "' for number in range(40))
FIFTY_A_SECOND = f'about = "Forty tokens, 50 a second."\n[timing]\ninter_token_ms = 20\n[[steps]]\ntokens = [{WORDS}]\n'
# few tokens: what a session takes does not depend on them, and each costs a polling client a connection
HELD_OPEN = 'about = "One second."\n[timing]\ninter_token_ms = 500\n[[steps]]\ntokens = ["I am ", "still ", "here."]\n'
SESSIONS_OPEN = 20
FEWER_OPEN = 6  # where a server serves no more of them in time
WARM_UP = 20  # sessions opened first: what a server allocates for its peak load belongs to no session
PER_SESSION = 50  # MB
MB = 1 << 20
WHILE_OPEN = 2.0  # seconds that a session is held open to be measured


@over_all
@requirement("PERF-01")
async def test_the_first_token_is_soon_there(case: Case, transport: Transport) -> None:
    """The provider answers at once; each ask has a connection of its own. Also in a session that has an exchange."""
    case.needs_provider()

    async def attempt(session: str) -> Attempt:
        reply = await case.ask(script="hundred-tokens", over=transport, session=session)
        return reply, (first_token_is_soon(case.lane.settings.time_scale),)

    await steadily(case, lambda: attempt(case.lane.new_session()))
    if case.lane.api.name == OWN_API and not is_first_revision(case):
        session = case.lane.new_session()
        await case.ask(over=transport, session=session)
        await steadily(case, lambda: attempt(session))


@over_all
@requirement("PERF-02", "PERF-03")
async def test_a_fast_provider_is_passed_on_fast(case: Case, transport: Transport) -> None:
    """50 tokens a second, compared with the times of the provider's writes."""
    script = await case.provider.register("fifty-a-second", FIFTY_A_SECOND)

    async def attempt() -> Attempt:
        reply = await case.ask(script=script, over=transport)
        if (entry := await case.provider.asked(reply)) is None:
            raise TooLate(f"the provider was never asked: {reply.outcome()}")
        said, scale = case.provider.said(entry), case.lane.settings.time_scale
        return reply, (speed_is_kept(said, scale), little_is_added(said, scale))

    await steadily(case, attempt)


@over_all
@requirement("PERF-04")
async def test_a_session_takes_little_memory(case: Case, transport: Transport) -> None:
    """Memory with 20 more sessions, measured while their replies run and after they end."""
    case.needs_provider()
    if (server := case.lane.scene.server) is None:
        raise NotApplicable("needs a server that the suite starts (--start), since it measures its memory")
    await case.provider.register("held-open", HELD_OPEN)
    sessions, slow = SESSIONS_OPEN, ""
    try:
        before, most = await weighed(case, server.process.pid, sessions, transport)
    except TooLate as late:
        sessions, slow = FEWER_OPEN, f"; with fewer at once, since {late}"
        before, most = await weighed(case, server.process.pid, sessions, transport)
    grown = (most - before) / sessions / MB
    seen = f"{grown:.1f} MB a session ({before / MB:.0f} MB grew to {most / MB:.0f} MB with {sessions} of them{slow})"
    case.holds("PERF-04", grown < PER_SESSION, seen, f"under {PER_SESSION} MB", measured=True)


async def weighed(case: Case, pid: int, sessions: int, transport: Transport) -> tuple[int, int]:
    """The server's bytes after a warm-up, and the most with new sessions open. Raises TooLate."""
    await most_memory(case, pid, min(WARM_UP, sessions), transport)
    return memory_of(pid), await most_memory(case, pid, sessions, transport)


async def most_memory(case: Case, pid: int, sessions: int, transport: Transport) -> int:
    """The most bytes that the server takes while `sessions` new sessions are open at once."""
    streams: list[Stream] = await together(
        *(
            case.start("Tell me a lot.", script="held-open", over=transport, source=case.lane.budget.addresses.fresh())
            for _ in range(sessions)
        )
    )
    await together(*(stream.until(lambda reply: len(reply.tokens) > 1, WHILE_OPEN) for stream in streams))
    during = memory_of(pid)
    await together(*(stream.until(lambda reply: reply.terminal is not None, WHILE_OPEN) for stream in streams))
    after = memory_of(pid)
    replies = await together(*(stream.finish() for stream in streams))
    if lost := [reply for reply in replies if not case.lane.succeeded(reply)]:
        raise TooLate(f"{len(lost)} of {sessions} sessions got no whole reply: {lost[0].outcome()}")
    return max(during, after)
