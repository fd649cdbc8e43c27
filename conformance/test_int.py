"""INT: interruption. The fakes' journal tells when the server hung up on its provider."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, TooLate
from chatproof.conformance.suite.interruption import (
    BOTH,
    BY_FIN,
    BY_RST,
    CANCELLED_IN_SILENCE_WITHIN,
    CANCELLED_WITHIN,
    FAR,
    IN_SILENCE,
    LARGE_EVENTS,
    LONG_BEGUN,
    MID_REPLY,
    HangUp,
    Interruption,
    Moment,
    early,
    in_silence,
    interrupt,
    judge_cancelled,
    leave_all,
    offers_upgrades,
    plan_of,
    report_cancelled,
)
from chatproof.conformance.suite.marks import When, over_both, requirement
from chatproof.conformance.suite.provider import messages_of, talk
from chatproof.conformance.suite.replies import SseStream
from chatproof.conformance.suite.revisions import is_first_revision, needs_a_later_revision
from chatproof.conformance.suite.signed_in import tokens_for, with_users
from chatproof.conformance.suite.socket_tokens import HANDSHAKE, NOWHERE, enter
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import Deadlines
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ASK_EVENT, body_of
from chatproof.harness.protocol.checks.history import doubled, empty_messages, orphans
from chatproof.harness.protocol.checks.sio import CHAT_KINDS
from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import OWN_API
from chatproof.harness.protocol.transcript import Transport

LONGEST_UNASKED = 50.0  # seconds that INT-09 waits at most without --slow
MANY = 50
MOVES_FROM_POLLING = (
    5  # a client leaves after five tokens; since there are five moments, each way to leave has its turn
)
VANISHING = 8  # polling clients that vanish side by side


@requirement("INT-01")
async def test_leaving_cancels_the_provider(case: Case) -> None:
    """Clients leave by FIN and by RST, at different moments and inside an event, many of them at once. Some are
    signed in."""
    large = await case.provider.register("large-events", LARGE_EVENTS)
    moments = (*await moments_of(case), Moment(large, 1, inside=True))
    await judge_leaving(case, "INT-01", moments, case.lane.settings.allowed(CANCELLED_WITHIN))


async def judge_leaving(case: Case, row: str, moments: tuple[Moment, ...], within: float) -> None:
    """Leave replies over SSE at some moments, and judge the cancellations."""
    plan = plan_of(case, moments)
    tokens = await tokens_for(case, len(plan))
    leaving = [
        partial(interrupt, case, how, moment, within, credential=token)
        for how, moment, token in with_users(plan, tokens)
    ]
    await judge_cancelled(case, row, within, leaving)


async def moments_of(case: Case) -> tuple[Moment, ...]:
    """Moments in mid-reply: early ones, and one at which much has come."""
    if is_first_revision(case):
        return MID_REPLY
    return (*MID_REPLY, Moment(await case.provider.register("long-begun", LONG_BEGUN), FAR))


@requirement("INT-02")
async def test_leaving_cancels_a_silent_provider(case: Case) -> None:
    """Clients leave before the first token, and while the provider is silent after the last one; also before it has
    sent HTTP headers. Some are signed in."""
    moments = await in_silence(case)
    await judge_leaving(case, "INT-02", moments, case.lane.settings.allowed(CANCELLED_IN_SILENCE_WITHIN))


@requirement("INT-03")
async def test_a_socket_that_goes_cancels_the_provider(case: Case) -> None:
    """Sockets leave with and without a disconnect packet, in their first reply and in a later one. Some have moved
    from polling to a WebSocket, and some are signed in."""
    within = case.lane.settings.allowed(CANCELLED_WITHIN)
    can_move = not is_first_revision(case) and await offers_upgrades(case)
    moments = await moments_of(case)
    plan = plan_of(case, moments)
    tokens = await tokens_for(case, len(plan), Transport.WEBSOCKET)
    leaving = [
        partial(leave_socket, case, how, moment, within, number // len(moments) % 4 in (0, 3), can_move, token)
        for number, (how, moment, token) in enumerate(with_users(plan, tokens))
    ]
    await judge_cancelled(case, "INT-03", within, leaving)


async def leave_socket(
    case: Case, how: HangUp, moment: Moment, within: float, is_first: bool, can_move: bool, token: str | None
) -> Interruption:
    """Leave in the first reply of a socket, or in one that follows a whole reply and a refusal. `token`: a user's."""
    over = Transport.WEBSOCKET
    if moment.tokens == MOVES_FROM_POLLING and can_move:
        over, how = Transport.UPGRADED, HangUp(f"{how.name}, whose socket had moved from polling,", how.leave)
    client = await enter(case, HANDSHAKE, token, over) if token else await enter(case, NOWHERE, "", over)
    if not is_first:
        await (await case.start(socket=client)).finish()
        if case.lane.api.name == OWN_API:
            refusal = await client.emit(ASK_EVENT, body_of("", case.lane.new_session()))
            await client.terminal(refusal, Deadlines(silence=CANCELLED_WITHIN))
    return await interrupt(case, how, moment, within, socket=client)


@requirement("INT-09")
async def test_a_polling_client_that_says_goodbye_cancels_the_provider(case: Case) -> None:
    """A disconnect packet over polling cancels as fast as over WebSocket."""
    within = case.lane.settings.allowed(CANCELLED_WITHIN)
    plan = [
        partial(interrupt, case, BY_FIN, moment, within, over=Transport.POLLING)
        for _, moment in plan_of(case, MID_REPLY)
    ]
    await judge_cancelled(case, "INT-09", within, plan)


@requirement("INT-09", when=When.AFTER_SOCKETS)
async def test_a_polling_client_that_vanishes_cancels_the_provider(case: Case) -> None:
    """The server can notice it only when its pings fail."""
    client = await case.connect(Transport.POLLING)
    assert client.opened is not None
    patience = client.opened.ping_interval + client.opened.ping_timeout
    if patience > LONGEST_UNASKED and not case.lane.settings.slow:
        raise NotApplicable(f"takes {patience:.0f} s, the server's ping interval plus its timeout; use --slow")
    within = case.lane.settings.allowed(patience + max(2.0, patience * 0.2))
    script = await case.provider.register("beyond-patience", talk(within + 15))
    plan = [partial(interrupt, case, BY_RST, Moment(script, 3), within, over=Transport.POLLING)] * VANISHING
    began = time.monotonic()
    crowd = await leave_all(case, plan, VANISHING)
    report_cancelled(case, "INT-09", within, crowd, case.lane.heartbeat.since(began))


@over_both
@requirement("INT-04")
async def test_many_interruptions_do_no_harm(case: Case, transport: Transport) -> None:
    """After fifty interruptions the server serves as before."""
    if transport is not Transport.SSE:
        needs_a_later_revision(case)
    ask = partial(case.ask, over=transport)
    await ask(source=case.lane.budget.addresses.fresh())
    plan = [partial(interrupt, case, BOTH[n % 2], early(case), CANCELLED_WITHIN, over=transport) for n in range(MANY)]
    try:
        await case.lane.crowds.run(case.provider, plan, MANY)
    except TooLate:
        reply = await ask(source=case.lane.budget.addresses.fresh())
        if case.lane.succeeded(reply) or transport not in case.lane.served:
            raise
        seen = f"an ask over {transport}, of the kind that was answered before clients left: {reply.outcome()}"
        case.holds("INT-04", False, seen, "the whole reply", reply)
        return
    replies = await together(*(ask(source=case.lane.budget.addresses.fresh()) for _ in range(5)))
    for reply in replies:
        kept = case.lane.succeeded(reply) and same_words(reply.text, case.provider.text("hello"))
        seen = f"after {MANY} interruptions over {transport}: {reply.outcome()}"
        case.holds("INT-04", kept, seen, "the whole reply", reply)


@over_both
@requirement("INT-05")
async def test_other_streams_are_untouched(case: Case, transport: Transport) -> None:
    """Ten clients leave while another one gets its whole reply."""
    listening = asyncio.create_task(case.ask(script="paced", over=transport))
    plan = [partial(interrupt, case, BOTH[n % 2], early(case), CANCELLED_WITHIN, over=transport) for n in range(10)]
    await case.lane.crowds.run(case.provider, plan, len(plan))
    reply = await listening
    kept = case.lane.succeeded(reply) and same_words(reply.text, case.provider.text("paced"))
    case.holds("INT-05", kept, f"{reply.outcome()}; its text: {shown(reply.text)}", "the whole reply", reply)


async def leave_one(case: Case, **how: Any) -> Interruption:
    """Leave one reply after a few tokens, from the test's own address. Raises NotTestable."""
    leave = partial(interrupt, case, BY_FIN, MID_REPLY[2], CANCELLED_WITHIN, source=case.source, **how)
    return (await case.lane.crowds.run(case.provider, [leave], 1)).came[0]


@over_both
@requirement("INT-06")
async def test_a_client_that_comes_back_starts_anew(case: Case, transport: Transport) -> None:
    """The new reply holds nothing of the one that was left."""
    session = case.lane.new_session()
    left = await leave_one(case, over=transport, session=session)
    socket = None if transport is Transport.SSE else await case.connect(transport)
    if socket:
        await socket.until(lambda: bool(socket.strays.of(*CHAT_KINDS)), 1.0)
        late = socket.strays.of(*CHAT_KINDS)
        seen = f"{late[0].name} {dict(late[0].body)}" if late else "nothing"
        case.holds(
            "INT-06", not late, f"came without an ask: {seen}", "nothing of the old reply", left.stream.transcript
        )
    reply = await case.ask("I am back.", session=session, over=transport, socket=socket, script="paced")
    wanted = case.provider.text("paced")
    kept = same_words(reply.text, wanted)
    case.holds("INT-06", kept, f"the new reply: {shown(reply.text)}; {reply.outcome()}", shown(wanted), reply)


@over_both
@requirement("INT-07")
async def test_the_session_stays_usable(case: Case, transport: Transport) -> None:
    """The next exchange succeeds, and the history that it sends to the provider is well-formed."""
    session = case.lane.new_session()
    await case.ask("The first question.", session=session, over=transport)
    if case.lane.provider is None:
        await judge_next_exchange(case, session, transport)
        return
    await judge_after(case, session, transport, await leave_one(case, over=transport, session=session))
    if is_first_revision(case) or case.lane.settings.resumes:
        return
    within, early_on = case.lane.settings.allowed(CANCELLED_IN_SILENCE_WITHIN), IN_SILENCE[0]
    left = await interrupt(case, BY_FIN, early_on, within, source=case.source, over=transport, session=session)
    if left.took is not None:  # else INT-02 and INT-11 say so, and the session may be busy
        await judge_after(case, session, transport, left)


async def judge_after(case: Case, session: str, over: Transport, left: Interruption) -> None:
    """Judge the exchange after an interruption, and the history that the provider gets with it."""
    reply = await case.ask("Where were we?", session=session, over=over)
    seen = f"after {left.what}, the next exchange: {reply.outcome()}"
    if not case.holds("INT-07", case.lane.succeeded(reply), seen, "a whole reply", reply):
        return
    history = messages_of(await case.provider.asked(reply))
    again = doubled(history, left.stream.transcript.case, "the interrupted message")
    case.keep("INT-07", [*empty_messages(history), *again, *orphans(history)], reply)


async def judge_next_exchange(case: Case, session: str, transport: Transport) -> None:
    """Leave a reply after its first token, and judge that one of two more asks succeeds: a real provider may fail."""
    stream = await case.start("Please count from one to fifty, in words.", session=session, over=transport)
    await stream.until(lambda reply: bool(reply.tokens), case.lane.budget.deadlines.silence)
    await stream.leave()
    reply = await case.ask("Where were we?", session=session, over=transport)
    if not case.lane.succeeded(reply):
        reply = await case.ask("And once more.", session=session, over=transport)
    case.holds("INT-07", case.lane.succeeded(reply), f"the next exchange: {reply.outcome()}", "a whole reply", reply)


@requirement("INT-08")
async def test_a_client_that_stops_reading_holds_up_nobody(case: Case) -> None:
    """Backpressure: clients that read nothing of a large reply do not block the server for others."""
    deadlines = Deadlines(whole=120)
    for _ in range(3):
        stream = await case.start("Tell me a lot.", script="long", receive_buffer=4096, deadlines=deadlines)
        assert isinstance(stream, SseStream)
        await stream.until(lambda transcript: bool(transcript.tokens), case.lane.budget.deadlines.silence)
        await stream.exchange.stop_reading()
    for _ in range(3):
        began = time.monotonic()
        reply = await case.ask(source=case.lane.budget.addresses.fresh())
        seen = f"{reply.outcome()} after {time.monotonic() - began:.1f} s"
        case.holds("INT-08", case.lane.succeeded(reply), seen, "a whole reply while others do not read", reply)
