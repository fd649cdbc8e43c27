"""INT-11 and INT-12: clients of Socket.IO that leave in silence or while they wait, and clients that stop reading."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from itertools import cycle, islice, product

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import TooLate
from chatproof.conformance.suite.interruption import (
    BEHIND,
    BY_FIN,
    BY_RST,
    CANCELLED_IN_SILENCE_WITHIN,
    MID_REPLY,
    WATCHED_LONGER,
    HangUp,
    in_silence,
    interrupt,
    judge_cancelled,
    offers_upgrades,
    reply_under_way,
    seconds_until_over,
)
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import Deadlines
from chatproof.harness.protocol.findings import Late
from chatproof.harness.protocol.transcript import Transcript, Transport

WAYS = (  # over which transport, and how; who vanishes while polling can be noticed by pings alone (INT-09)
    (Transport.WEBSOCKET, HangUp("a WebSocket client that said goodbye", BY_FIN.leave)),
    (Transport.WEBSOCKET, HangUp("a WebSocket client that vanished (RST)", BY_RST.leave)),
    (Transport.UPGRADED, HangUp("an upgraded client that said goodbye", BY_FIN.leave)),
    (Transport.UPGRADED, HangUp("an upgraded client that vanished (RST)", BY_RST.leave)),
    (Transport.POLLING, HangUp("a polling client that said goodbye", BY_FIN.leave)),
)
LEAVING = 24  # clients, as many as leave at once
SMALL_BUFFER = 4096  # bytes
# With `partial`, a hundred events of 2 to 200 KB: 10 MB.
MORE_THAN_BUFFERS_HOLD = f"""about = "A hundred tokens of 2 KB: more than a socket's buffers hold."
[[steps]]
tokens = ["{"more " * 410}"]
repeat = 100
"""
ROUNDS, BETWEEN_ROUNDS = 4, 0.3  # of asks beside the sockets that do not read; seconds


@requirement("INT-11")
async def test_a_socket_that_goes_cancels_a_silent_provider(case: Case) -> None:
    """Clients leave before the first token, and while the provider is silent after the last one; also before it has
    sent HTTP headers."""
    within = case.lane.settings.allowed(CANCELLED_IN_SILENCE_WITHIN)
    can_move = await offers_upgrades(case)
    ways = [(over, how) for over, how in WAYS if can_move or over is not Transport.UPGRADED]
    leaving = islice(cycle(product(await in_silence(case), ways)), LEAVING)
    plan = [partial(interrupt, case, how, moment, within, over=over) for moment, (over, how) in leaving]
    await judge_cancelled(case, "INT-11", within, plan)


@requirement("INT-11")
async def test_an_ask_behind_another_goes_with_its_socket(case: Case) -> None:
    """A client asks twice on one socket, and leaves in the first reply: the second one need not be generated."""
    source = case.lane.budget.addresses.fresh()
    client = await case.connect(Transport.WEBSOCKET, source)
    await reply_under_way(case, MID_REPLY[0], socket=client, source=source)
    behind = Transcript(Transport.WEBSOCKET, case=case.lane.new_case())
    conversation = case.lane.conversation("And tell me more.", MID_REPLY[0].script, behind.case)
    ask = case.lane.api.emit(conversation)
    await client.emit_more(ask.event, ask.payload)
    await case.provider.asked(behind, BEHIND)  # where it waits, this is in vain
    await client.disconnect()
    await judge_gone(case, behind, time.monotonic(), "asked twice on one socket", case.lane.new_session())


@requirement("INT-11")
async def test_an_ask_behind_another_clients_goes_with_its_socket(case: Case) -> None:
    """A client asks in a session in which a reply runs, where it may have to wait, and leaves."""
    session = case.lane.new_session()
    first = await case.start("Talk for a while.", script="paced", session=session, over=Transport.WEBSOCKET)
    await case.provider.has_said(first.transcript, 1)
    stream = await case.start("Tell me a lot.", script=MID_REPLY[0].script, session=session, over=Transport.WEBSOCKET)
    await case.provider.asked(stream.transcript, BEHIND)
    await stream.leave()
    left = time.monotonic()
    await first.finish()
    await judge_gone(case, stream.transcript, left, "asked in a session in which a reply ran", session)


async def judge_gone(case: Case, reply: Transcript, left: float, who: str, session: str) -> None:
    """Judge that what a client had asked before it left, at `left`, does not cost anything for long."""
    within = case.lane.settings.allowed(CANCELLED_IN_SILENCE_WITHIN)
    # whoever asks now comes behind it: once this is answered, or had time to be, it has had its turn
    await case.ask_once("Is it my turn?", session=session, over=Transport.WEBSOCKET, deadlines=Deadlines(silence=2))
    if not await case.provider.entries(reply):
        case.holds("INT-11", True, "", "not asked in vain")
        return
    watched = within + WATCHED_LONGER
    entries = await case.provider.ended(reply, max(0.0, left + watched - time.monotonic()))
    took = seconds_until_over(case, entries, left)
    began = max(case.provider.local(entry.received) for entry in entries) - left
    asked = f"asked {began:.1f} s after that, and" if began > 0 else "asked before, and"
    went_on = "went on" if took is None else f"went on for {took:.1f} s"
    seen = f"a client {who}, and left: the provider was {asked} {went_on}"
    late = Late((watched if took is None else took) - within)
    lateness = case.lane.heartbeat.since(left, entries)
    expected = f"not asked any more, or closed within {within:g} s"
    case.holds("INT-11", late.seconds <= 0, seen, expected, reply, late=late, lateness=lateness)


@requirement("INT-12")
async def test_a_socket_that_stops_reading_holds_up_nobody(case: Case) -> None:
    """Backpressure: sockets that read nothing of a large reply do not block the server for others.

    Whoever asks at once may come before all buffers on the way are full, so several ask, one after the other.
    """
    script = await case.provider.register("more-than-buffers-hold", MORE_THAN_BUFFERS_HOLD)
    for over in (Transport.WEBSOCKET, Transport.WEBSOCKET, Transport.POLLING):
        source = case.lane.budget.addresses.fresh()
        client = await case.connect(over, source, receive_buffer=SMALL_BUFFER)
        stream = await case.start("Tell me a lot.", script=script, socket=client)
        await stream.until(lambda reply: bool(reply.tokens), case.lane.budget.deadlines.silence)
        await client.stop_reading()
    for _ in range(ROUNDS):
        kept = await together(*map(partial(judge_beside_stuck, case), Transport))
        if not all(kept):
            break
        await asyncio.sleep(BETWEEN_ROUNDS)


async def judge_beside_stuck(case: Case, over: Transport) -> bool:
    """Judge that one more client is served while others do not read, and say whether it was."""
    began, expected = time.monotonic(), "a whole reply"
    try:
        reply = await case.ask(over=over, source=case.lane.budget.addresses.fresh())
    except TooLate as error:
        seen = f"while three sockets did not read, over {over}: {error}"
        return case.holds("INT-12", False, seen, expected, late=Late(float("inf")))
    seen = f"while three sockets did not read, over {over}: {reply.outcome()} after {time.monotonic() - began:.1f} s"
    return case.holds("INT-12", case.lane.succeeded(reply), seen, expected, reply)
