"""RES: replies that go on when their client leaves, and are stopped, or abandoned."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from itertools import cycle, islice, product

from chatproof.conformance.suite.carried_turns import turn_of
from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import without
from chatproof.conformance.suite.interruption import (
    BOTH,
    BY_FIN,
    CANCELLED_IN_SILENCE_WITHIN,
    CANCELLED_WITHIN,
    IN_SILENCE,
    MID_REPLY,
    WATCHED_LONGER,
    HangUp,
    Interruption,
    Moment,
    judge_cancelled,
    seconds_until_over,
)
from chatproof.conformance.suite.kept_reply import EVENT_IN, RELOAD, KeptReply, says_that_nothing_runs
from chatproof.conformance.suite.marks import When, requirement
from chatproof.conformance.suite.provider import talk
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import Deadlines
from chatproof.harness.protocol.apis.api import Role, Turn
from chatproof.harness.protocol.checks.tok import same_words, words
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Late
from chatproof.harness.protocol.transcript import Transcript

STOPS, STOPS_IN_SILENCE = 24, 12
ANSWER_IN = Deadlines(silence=3, whole=5)  # of a reply that is stopped: a server that waits for more does so for ever
LONGEST, MORE = 20.0, 5.0  # seconds of an abandoned reply; by how much it outlasts a short time to wait for clients


@requirement("RES-04", when=When.ALONE)
async def test_a_stop_cancels_the_provider(case: Case) -> None:
    """Replies are stopped while they are read, and after their client has left."""
    await judge_stops(case, "RES-04", CANCELLED_WITHIN, MID_REPLY, STOPS)


@requirement("RES-05", when=When.ALONE)
async def test_a_stop_cancels_a_silent_provider(case: Case) -> None:
    """The same before the first token, and while the provider is silent after the last one."""
    await judge_stops(case, "RES-05", CANCELLED_IN_SILENCE_WITHIN, IN_SILENCE, STOPS_IN_SILENCE)


async def judge_stops(case: Case, requirement_id: str, seconds: float, moments: Sequence[Moment], times: int) -> None:
    """Stop replies at several moments, and judge the slowest cancellation and all answers."""
    within = case.lane.settings.allowed(seconds)
    answers: list[Transcript] = []
    ways = list(islice(cycle(product(moments, (None, *BOTH))), times))
    plan = [
        partial(stop_one, case, moment, how, within, answers, number % 2 == 1)
        for number, (moment, how) in enumerate(ways)
    ]
    await judge_cancelled(case, requirement_id, within, plan)
    refused = next((one for one in answers if one.status is None or not 200 <= one.status < 300), None)
    if refused:
        late = Late(float("inf")) if refused.did_not_come else None
        seen = f"a stop was answered with {refused.outcome()}"
        case.holds(requirement_id, False, seen, "a 2xx", refused, late=late)


async def stop_one(
    case: Case, moment: Moment, how: HangUp | None, within: float, answers: list[Transcript], comes_back: bool
) -> Interruption:
    """Stop a reply, with `how` after its client has left, and with `comes_back` after it has resumed it then."""
    reply = await KeptReply.under_way(case, moment)
    left = ""
    if how:
        await reply.leave(how)
        left = ", whose client had left"
        if comes_back:
            await reply.resume_soon()
            left += " and resumed it"
    told = f"a reply{left}, stopped {moment.told(case.provider)}"
    interruption, answer = await reply.stop_in_time(within, told)
    answers.append(answer)
    return interruption


@requirement("RES-06", when=When.ALONE)
async def test_a_stop_ends_the_clients_stream(case: Case) -> None:
    """The client's stream ends, and resuming it brings nothing more."""
    within = case.lane.settings.allowed(CANCELLED_WITHIN)
    for reply, took, began in await together(*(stop_and_watch(case, within) for _ in range(4))):
        last = reply.transcript
        after = "never ended" if took is None else f"ended {took:.1f} s after the stop"
        seen = f"the client's stream {after}: {last.outcome()}"
        late = Late(EVENT_IN if took is None else took - within)
        lateness = case.lane.heartbeat.since(began)
        kept = took is not None and took <= within
        case.holds("RES-06", kept, seen, f"an end within {within:g} s", last, late=late, lateness=lateness)
        if kept:
            await judge_resumed_after_stop(case, reply)


async def stop_and_watch(case: Case, within: float) -> tuple[KeptReply, float | None, float]:
    """Stop a reply while it is read. Gives the seconds until its stream ended, and when it was stopped."""
    reply = await KeptReply.under_way(case, MID_REPLY[2])
    stream, began = reply.streams[0], time.monotonic()
    await reply.stop()
    left = began + within + max(EVENT_IN, case.watched_longer) - time.monotonic()
    is_over = await stream.until(lambda seen: bool(seen.terminal or seen.end), max(0.0, left))
    last = stream.transcript
    ends = [at for at in (last.terminal and last.terminal.at, last.ended_at) if at]
    took = max(0.0, min(ends) - began) if is_over else None
    await reply.ended(within)
    return reply, took, began


async def judge_resumed_after_stop(case: Case, reply: KeptReply) -> None:
    """Judge that whoever resumes a stopped reply gets no more than was said, and an end."""
    said = max((entry.text for entry in await reply.requests()), key=len, default="")
    kept = False
    for pause in (0.0, 2 * RELOAD):  # a server may take a moment to note that a reply was stopped
        if not kept:
            await asyncio.sleep(pause)
            await reply.resume(ANSWER_IN)
            answer = await reply.finish()
            is_part = words(said).startswith(words(answer.text))
            is_over = answer.status == 200 and is_part and not answer.did_not_come
            kept = says_that_nothing_runs(answer) or is_over
    seen = f"a stopped reply was resumed: {answer.outcome()}; its text: {shown(answer.text, 80)}"
    case.holds("RES-06", kept, seen, "no more than was said, and an end; 204, or a 4xx", answer)


@requirement("RES-09")
async def test_a_conversation_goes_on_after_a_stop(case: Case) -> None:
    """The next ask in the conversation of a stopped reply, and of one that was over when it was stopped."""
    await together(judge_after_stop(case), judge_after_late_stop(case))


async def judge_after_stop(case: Case) -> None:
    """Stop a reply in its middle, and judge the next one."""
    within = case.lane.settings.allowed(CANCELLED_WITHIN)
    reply = await KeptReply.under_way(case, MID_REPLY[2])
    await reply.stop()
    await reply.ended(within)
    part = reply.streams[0].transcript
    before = (Turn(Role.USER, reply.message, reply.run), turn_of(part))
    await judge_next_ask(case, reply, before, "a stop")


async def judge_after_late_stop(case: Case) -> None:
    """Stop a reply when it is over, as a user does who presses the button a moment late, and judge the next one.

    What the stop itself is answered is free."""
    reply = await KeptReply.under_way(case, Moment("hello", 1))
    whole = await reply.finish()
    if not case.lane.succeeded(whole):
        raise without(whole, f"an ordinary ask failed: {whole.outcome()}")
    await reply.stop()
    before = (Turn(Role.USER, reply.message, reply.run), turn_of(whole))
    await judge_next_ask(case, reply, before, "a stop that came when the reply was over")


async def judge_next_ask(case: Case, reply: KeptReply, before: tuple[Turn, ...], what: str) -> None:
    """Judge the next reply of a conversation. `what`: what went before."""
    wanted = case.provider.text("paced")
    again = await case.ask("Where were we?", session=reply.session, source=reply.source, before=before, script="paced")
    kept = case.lane.succeeded(again) and same_words(again.text, wanted)
    seen = f"the ask after {what}: {again.outcome()}; its text: {shown(again.text, 80)}"
    case.holds("RES-09", kept, seen, f"the whole reply: {shown(wanted, 80)}", again)


@requirement("RES-08", when=When.FROM_THE_START)
async def test_an_abandoned_reply_comes_to_an_end(case: Case) -> None:
    """Nobody comes back for a reply that lasts a while, and for replies whose provider falls silent."""
    settings = case.lane.settings
    within = settings.allowed(settings.abandoned_after)
    long = await case.provider.register("abandoned-talk", talk(lasting := min(LONGEST, within + MORE)))
    silent = max(within, case.lane.provider_timeout or 0.0)
    await together(
        abandon(case, Moment(long, 2), within, max(within, lasting), "finished, or cancelled"),
        *(abandon(case, moment, silent, silent, "cancelled") for moment in IN_SILENCE),
    )


async def abandon(case: Case, moment: Moment, within: float, longest: float, expected: str) -> None:
    """Leave a reply for ever. It must be closed `within` seconds, or be whole within `longest`."""
    reply = await KeptReply.under_way(case, moment)
    await reply.leave(BY_FIN)
    left = time.monotonic()
    slack = case.lane.settings.allowed(CANCELLED_WITHIN)
    entries = await reply.ended(longest + slack + WATCHED_LONGER)
    took = seconds_until_over(case, entries, left)
    kept = await reply.was_whole() or (took is not None and took <= within + slack)
    went_on = "still went on" if took is None else "was closed by the server"
    after = time.monotonic() - left if took is None else took
    seen = f"a reply that its client left {moment.told(case.provider)} {went_on} after {after:.1f} s"
    late = Late(after - within - slack)
    lateness = case.lane.heartbeat.since(left, entries)
    ends = f"{expected} within {within:g} s (--abandoned-after)"
    case.holds("RES-08", kept, seen, ends, reply.transcript, measured=True, late=late, lateness=lateness)
