"""The rows about later exchanges: of a session, of a socket, and of a connection that is kept."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable, TooLate, without
from chatproof.conformance.suite.interruption import (
    BOTH,
    CANCELLED_WITHIN,
    HangUp,
    Interruption,
    Moment,
    interrupt,
    judge_cancelled,
    leave_all,
)
from chatproof.conformance.suite.lane import FRESH
from chatproof.conformance.suite.marks import When, over_all, over_each_socket, over_sockets, requirement
from chatproof.conformance.suite.places import AFTER_STOPPED, AFTER_STOPPED_FIRST, LATER, SECOND, Place, reachable
from chatproof.conformance.suite.signed_in import NO_USERS, tokens_for
from chatproof.conformance.suite.timed_checks import Attempt, steadily
from chatproof.conformance.suite.together import together
from chatproof.conformance.suite.token_counts import with_counts
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.checks.later import answered_as, of_place
from chatproof.harness.protocol.checks.pass_through import passed_on
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Check, Unjudged, unjudged, violations
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

MOMENT = Moment("minute", 3)

# Half as long as `slow`: a later exchange has others in front of it.
FEW_SLOW_TOKENS = """about = "Five tokens, 300 ms apart."
[timing]
inter_token_ms = 300
[[steps]]
tokens = ["Five", " slow", " words", " come", " here."]
"""


def text_of(case: Case, script: str) -> str | None:
    """What the provider says in a script, or None where nobody knows."""
    return case.lane.provider.text(script) if case.lane.provider else None


async def judge_later(
    case: Case, row: str, which: str, reply: Transcript, first: Transcript, before: list[Transcript]
) -> None:
    """Judge a reply that plays `hello`, with those in front of it. A `duration` that a busy machine explains passes."""
    scripts = case.lane.provider.played if case.lane.provider else {}
    said = [text for one in before if one.case in scripts and (text := text_of(case, scripts[one.case]))]
    for one in (first, reply):
        await with_counts(one, case.lane.provider)
    why = "" if reply.is_success else await refusal_of(case, reply)
    found = answered_as(row, which, first, before, text_of(case, "hello"), said, why)(reply)
    if any(one.late for one in violations(found)):
        lateness = await case.lateness(reply.asked_at, reply)
        found = [one for one in found if isinstance(one, Unjudged) or not lateness.excuses(one.late)]
    case.keep(row, found, reply)


async def refusal_of(case: Case, reply: Transcript) -> str:
    """What the provider said to a request that it refused, in words, or nothing."""
    entries = await case.provider.entries(reply) if case.lane.provider else []
    error = next((entry.error for entry in entries if entry.error), "")
    return f"the provider refused the request: {shown(error, 200)}" if error else ""


async def anew(case: Case, place: Place, over: Transport) -> dict[str, Any]:
    """How to ask in a new session; over Socket.IO also on one socket, where the place allows that."""
    how: dict[str, Any] = {"session": case.lane.new_session(), "source": case.lane.budget.addresses.fresh()}
    if over is not Transport.SSE and place.keeps_socket:
        how["socket"] = await case.connect(over, how["source"])
    return {**how, "over": over}


@over_all
@requirement("SES-15")
async def test_later_exchanges_of_a_session_are_answered_as_the_first(case: Case, transport: Transport) -> None:
    """Each place has its own session, and each exchange over Socket.IO its own socket."""
    first = await case.ask(over=transport)
    places = reachable(case)
    if case.lane.api.names_conversations and AFTER_STOPPED in places:
        places.append(AFTER_STOPPED_FIRST)  # the server may know the id that it gave from the end of a reply on
    for place in places:
        session, source = case.lane.new_session(), case.lane.budget.addresses.fresh()
        which = f"{place.words} of a session"
        try:
            before = await place.reach(case, session=session, over=transport, source=source)
        except NotTestable as reason:
            case.cannot_judge("SES-15", f"{which}: {reason}")
            continue
        reply = await case.ask("And what do you say now?", session=session, over=transport, source=source)
        await judge_later(case, "SES-15", which, reply, first, before)


@requirement("SES-15", of_document=True)
async def test_a_signed_in_users_session_goes_on(case: Case) -> None:
    """Their second exchange, compared with their first one."""
    if not (tokens := await tokens_for(case, 1)):
        raise NotApplicable(NO_USERS)
    how: dict[str, Any] = {"session": case.lane.new_session(), "credential": tokens[0]}
    first = await case.ask("It is me.", script="three-tokens", **how)
    if not case.lane.succeeded(first):
        raise without(first, f"an ordinary exchange of a signed-in user failed: {first.outcome()}")
    reply = await case.ask("It is still me.", **how)
    await judge_later(case, "SES-15", "the second exchange of a signed-in user's session", reply, first, [first])


@over_each_socket
@requirement("SIO-14")
async def test_later_requests_of_a_socket_are_answered_as_the_first(case: Case, transport: Transport) -> None:
    """All in one session, and each in another one."""
    first = await case.ask(over=transport)
    for place, is_one_session in product(reachable(case, on_one_socket=True), (True, False)):
        client = await case.connect(transport, case.lane.budget.addresses.fresh())
        session = case.lane.new_session() if is_one_session else FRESH
        which = f"{place.words} of a socket, in {'the same' if is_one_session else 'another'} session"
        try:
            before = await place.reach(case, socket=client, session=session)
        except NotTestable as reason:
            case.cannot_judge("SIO-14", f"{which}: {reason}")
            continue
        reply = await case.ask("And what do you say now?", socket=client, session=session)
        await judge_later(case, "SIO-14", which, reply, first, before)
        await client.disconnect()


@requirement("SSE-12", when=When.QUIET)
async def test_later_exchanges_are_passed_on_as_they_come(case: Case) -> None:
    """Each token of a later exchange arrives before the provider writes the next one."""
    script = await case.provider.register("few-slow-tokens", FEW_SLOW_TOKENS)
    await together(*(judge_later_pace(case, "SSE-12", place, script, Transport.SSE) for place in reachable(case)))


@over_sockets
@requirement("SIO-14", when=When.QUIET)
async def test_later_requests_of_a_socket_are_passed_on_as_they_come(case: Case, transport: Transport) -> None:
    """The same for the second request of a socket."""
    script = await case.provider.register("few-slow-tokens", FEW_SLOW_TOKENS)
    await judge_later_pace(case, "SIO-14", SECOND, script, transport)


async def judge_later_pace(case: Case, requirement_id: str, place: Place, script: str, over: Transport) -> None:
    """Compare the arrivals of a later reply with the provider's journal."""
    which = f"{place.words} of a {'session' if over is Transport.SSE else 'socket'}"

    async def pace_of(**how: Any) -> tuple[Transcript, Check]:
        reply = await case.ask("Now speak slowly.", script=script, **how)
        if (entry := await case.provider.asked(reply)) is None:
            raise TooLate(f"the provider was never asked: {reply.outcome()}")
        return reply, passed_on(case.provider.said(entry), requirement_id)

    async def attempt() -> Attempt:
        how = await anew(case, place, over)
        await place.reach(case, **how)
        reply, check = await pace_of(**how)
        if violations(check(reply)):
            first, same = await pace_of(over=over)
            if violations(same(first)):
                check = unjudged(requirement_id, "the tokens of a first exchange are held back as well")
        return reply, (of_place(which, check),)

    try:
        await steadily(case, attempt)
    except NotTestable as reason:
        case.cannot_judge(requirement_id, f"{which}: {reason}")


@requirement("INT-10")
async def test_leaving_a_later_exchange_cancels_the_provider(case: Case) -> None:
    """Clients leave by FIN and by RST, in each place of a session, of a socket, and of a connection that is kept."""
    within = case.lane.settings.allowed(CANCELLED_WITHIN)
    places = [AFTER_STOPPED_FIRST if place is AFTER_STOPPED else place for place in LATER]
    for over in (Transport.SSE, Transport.WEBSOCKET):
        if over is not Transport.SSE and Profile.SOCKETIO not in case.lane.settings.profiles:
            continue
        first = await leave_all(case, [partial(interrupt, case, how, MOMENT, within, over=over) for how in BOTH])
        if any(one.took is None for one in first.came):
            case.cannot_judge("INT-10", f"a first exchange over {over} is not cancelled either (INT-01, INT-03)")
            continue
        plan = [partial(leave_later, case, how, place, within, over) for how, place in product(BOTH, places)]
        if over is Transport.SSE:
            plan += [partial(leave_kept, case, how, within) for how in BOTH]
        await judge_cancelled(case, "INT-10", within, plan)


async def leave_later(case: Case, hang_up: HangUp, place: Place, within: float, over: Transport) -> Interruption:
    """Leave a later exchange."""
    how = await anew(case, place, over)
    await place.reach(case, **how)
    left = await interrupt(case, hang_up, MOMENT, within, **how)
    return replace(left, what=f"{place.words} of a {'socket' if 'socket' in how else 'session'}: {left.what}")


async def leave_kept(case: Case, hang_up: HangUp, within: float) -> Interruption:
    """Leave the second exchange on a connection that the first one left open; on a new one if it did not."""
    conversation = case.lane.conversation("Tell me about trains.", "hello", case.lane.new_case())
    _, connection = await case.on_kept(None, HttpRequest.of(case.lane.api.ask(conversation)))
    left = await interrupt(case, hang_up, MOMENT, within, source=case.source, kept=connection)
    where = "the second exchange on a kept connection" if connection else "an exchange"
    return replace(left, what=f"{where}: {left.what}")
