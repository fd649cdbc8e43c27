"""INT-05, and INT-01 and INT-03 beside it: one of two replies that have something in common is left."""

from __future__ import annotations

import time
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable
from chatproof.conformance.suite.interruption import (
    BEHIND,
    CANCELLED_WITHIN,
    SOON_OVER,
    WATCHED_LONGER,
    Moment,
    early,
    reply_under_way,
    seconds_until_over,
)
from chatproof.conformance.suite.lane import FRESH
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.replies import Stream
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.conformance.suite.together import together
from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Late
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transport

MORE = 2  # tokens, by which a server has ended a reply that the next ask of its session ends


@requirement("INT-05", "INT-01")
async def test_a_tab_that_goes_ends_its_own_reply_alone(case: Case) -> None:
    """Two tabs of one page have an address in common, and often a session. One of them leaves."""
    await judge_tabs(case, Transport.SSE, "INT-01")


@requirement("INT-05", "INT-03")
async def test_a_socket_that_goes_ends_its_own_reply_alone(case: Case) -> None:
    """The same for two sockets."""
    if not case.lane.shows(Profile.SOCKETIO):
        raise NotApplicable("profile socketio is not declared")
    await judge_tabs(case, Transport.WEBSOCKET, "INT-03")


async def judge_tabs(case: Case, over: Transport, row: str) -> None:
    """Leave the second one of two replies from one address; in one session the second, and the first."""
    needs_a_later_revision(case)
    pairs = (("address", False), ("session", False), ("session", True))
    await together(*(judge_pair(case, over, row, what, first_leaves) for what, first_leaves in pairs))


async def judge_pair(case: Case, over: Transport, row: str, what: str, first_leaves: bool) -> None:
    """Leave one of two replies that have `what` in common. The other one must be whole, and the provider's request of
    the one that was left must end (`row`).

    A server may refuse the second one, let it wait, or end the first one for it.
    """
    session = FRESH if what == "address" else case.lane.new_session()
    how: dict[str, Any] = {"over": over, "source": case.lane.budget.addresses.fresh(), "session": session}
    scripts = (early(case).script, SOON_OVER.script)
    leaving, staying = scripts if first_leaves else scripts[::-1]
    first = await reply_under_way(case, Moment(leaving, 1), **how)
    second = await case.start("Tell me more.", script=staying, **how)
    await case.provider.asked(second.transcript, BEHIND)  # where it waits or is refused, this is in vain
    left, kept = (first, second) if first_leaves else (second, first)
    which = f"of two replies over {over} with the same {what}, the {'first' if first_leaves else 'second'} one was left"
    tokens = len(kept.transcript.tokens) + MORE
    await kept.until(lambda reply: len(reply.tokens) >= tokens or bool(reply.terminal), BEHIND)
    is_over = bool(kept.transcript.terminal or kept.transcript.end)
    began = time.monotonic()
    await left.leave()
    await judge_left(case, row, left, began, which)
    if is_over or kept.transcript.status not in (None, 200):  # ended for the other one, or refused beside it
        case.holds("INT-05", True, "", "not served side by side")
        return
    reply = await kept.finish()
    goes_on = any(entry.ended_at is None for entry in await case.provider.entries(left.transcript))
    whole = case.lane.succeeded(reply) and same_words(reply.text, case.provider.text(SOON_OVER.script))
    seen = f"{which}, and the other one ended so: {reply.outcome()}; its text: {shown(reply.text)}"
    waits = reply.did_not_come and not reply.tokens and goes_on  # for a reply that goes on although it was left
    if not whole and not waits and what == "session" and not first_leaves and await ends_the_older(case, over):
        case.holds("INT-05", True, "", "not served side by side")
        return
    case.holds("INT-05", whole or waits, seen, "the whole reply", reply)


async def ends_the_older(case: Case, over: Transport) -> bool:
    """Whether a server ends a reply, late as well, when its session asks again: nobody leaves."""
    how: dict[str, Any] = {
        "over": over,
        "source": case.lane.budget.addresses.fresh(),
        "session": case.lane.new_session(),
    }
    first = await reply_under_way(case, Moment(SOON_OVER.script, 1), **how)
    await case.start("Tell me more.", script=early(case).script, **how)
    reply = await first.finish()
    return not (case.lane.succeeded(reply) and same_words(reply.text, case.provider.text(SOON_OVER.script)))


async def judge_left(case: Case, row: str, left: Stream, began: float, which: str) -> None:
    """Judge that the provider's request of a reply that was left ends in time, where there is one."""
    within = case.lane.settings.allowed(CANCELLED_WITHIN)
    watched = within + max(WATCHED_LONGER, case.watched_longer)
    entries = (
        await case.provider.ended(left.transcript, watched) if await case.provider.entries(left.transcript) else []
    )
    took = seconds_until_over(case, entries, began) if entries else 0.0
    seen = f"{which}: the provider's connection "
    seen += "stayed open" if took is None else f"was closed {took * 1000:.0f} ms after the client left"
    late = Late((watched if took is None else took) - within)
    lateness = case.lane.heartbeat.since(began, entries)
    expected = f"closed within {within:g} s"
    case.holds(row, late.seconds <= 0, seen, expected, left.transcript, late=late, lateness=lateness)
