"""LIM: rate limits. A limit of N is kept if requests 1..N pass and one of N+1..2N+1, sent at once, is refused:
fixed and sliding windows both do that."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.clients import (
    AT_ONCE,
    TRIES,
    Client,
    accepted,
    client_of,
    exhausted,
    limit_of,
    not_accepted,
    refused,
    unanswered,
)
from chatproof.conformance.suite.disguises import FORWARDED_FOR, OTHERS, bought
from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable
from chatproof.conformance.suite.marks import When, requirement
from chatproof.conformance.suite.rate_budget import WINDOW
from chatproof.conformance.suite.revisions import is_first_revision, needs_a_later_revision
from chatproof.conformance.suite.steady import steady
from chatproof.conformance.suite.together import together
from chatproof.harness.client.connection import addresses_beside_loopback
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, SESSIONS_PATH, STREAM_PATH
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.retry_after import is_number_of_seconds, seconds_of
from chatproof.harness.protocol.transcript import Transcript

SOME = 5  # requests at once: a bucket that refills may let one or two of them through
GRACE = 1.1  # seconds past the time that a Retry-After names: one, and a moment for rounding


async def judge_limit(case: Case, path: str, limit: int, accepts: str, refuses: str) -> None:
    """Send requests one after the other, and all at once: N must pass, and past N one must be refused."""
    for at_once in (1, 2 * limit + 1):
        way = "one after the other" if at_once == 1 else "all at once"
        for attempt in range(TRIES):
            client = await client_of(case, path)
            if at_once == 1:
                within = await client.send(limit, at_once=1)
                over = refused(within) or refused(await client.send(limit + 1, at_once=limit + 1))
                again = await sent_again(case, client, over)
            else:
                within = await client.send(2 * limit + 1, at_once=at_once)
                over = refused(within)
            if (over and not (at_once == 1 and again and not refused(again))) or attempt == TRIES - 1:
                break
        passed, lost = len(accepted(case, path, within)), unanswered(within)
        seen = f"{passed} of {len(within)} requests {way} were accepted"
        if spoilt := not_accepted(case, path, within):
            seen += f"; {len(spoilt)} were neither answered in full nor refused with 429, the first: {told(spoilt[0])}"
        proof = next(iter(spoilt), lost) if passed < limit else next(iter(over), None)
        case.holds(accepts, passed >= limit, seen, f"{limit} accepted, each with a whole reply", proof)
        seen = f"{len(over)} of {2 * limit + 1} requests {way} were refused"
        case.holds(refuses, bool(over), seen, "429 past the limit", None if over else lost)
        if over and at_once == 1 and again:
            seen = f"right after a refusal {len(again)} more requests were served: only {len(over)} were refused"
            case.holds(refuses, bool(refused(again)), seen, "429 as long as the client is past the limit", again[0])


async def sent_again(case: Case, client: Client, over: list[Transcript]) -> list[Transcript]:
    """Answers to some more requests at once of a client that was refused: more than a bucket has let in since. None
    where that may be as many as the limit, or nothing was refused."""
    if not over or is_first_revision(case):
        return []
    limit, since = limit_of(case, client.path), time.monotonic() - min(answer.asked_at for answer in over)
    more = SOME + math.ceil((since + 1) * limit / WINDOW)
    return await client.send(more, at_once=more) if more <= limit else []


def told(answer: Transcript) -> str:
    """What came, in a few words."""
    if answer.status == 200 and not answer.messages and answer.body:
        return f"status 200 with {shown(answer.body, 200)}"
    return answer.outcome() if answer.status != 200 else f"status 200, {answer.outcome()}"


def judge_accepted(
    case: Case, requirement_id: str, answers: list[Transcript], path: str, where: str, usual: Client
) -> None:
    """Judge that all answers of a route are whole replies. `where`: when they were asked for, for messages; `usual`:
    whoever got ordinary answers of the route."""
    if over := refused(answers):
        seen, proof = f"refused {where}", over[0]
    elif bad := not_accepted(case, path, answers, usual.answers):
        seen, proof = f"not answered in full {where}: {told(bad[0])}", bad[0]
    else:
        seen, proof = "", unanswered(answers) or answers[0]
    case.holds(requirement_id, not seen, seen, "status 200 and a whole reply", proof)


@requirement("LIM-01", "LIM-02")
async def test_the_stream_is_limited(case: Case) -> None:
    """30 requests a minute (default)."""
    await judge_limit(case, STREAM_PATH, limit_of(case, STREAM_PATH), "LIM-01", "LIM-02")


@requirement("LIM-03", "LIM-04")
async def test_chat_is_limited(case: Case) -> None:
    """60 requests a minute (default)."""
    await judge_limit(case, CHAT_PATH, limit_of(case, CHAT_PATH), "LIM-03", "LIM-04")


@requirement("LIM-05", "LIM-06", "LIM-07", "LIM-12")
async def test_a_refusal_is_fair_and_says_why(case: Case) -> None:
    """It concerns one address, carries an error and a Retry-After, and the provider is not asked."""
    client, over = await exhausted(case, STREAM_PATH, limit_of(case, STREAM_PATH))
    judge_refusals(case, over)
    addresses = case.lane.budget.addresses
    if second := addresses.fresh() or next(addresses_beside_loopback(case.lane.target), None):
        other = await Client(case, STREAM_PATH, second).send(1)
        where = "at another address, while the first one is refused"
        judge_accepted(case, "LIM-05", other, STREAM_PATH, where, client)
    else:
        case.cannot_judge("LIM-05", "there is no second source address towards this server")
    await judge_unasked(case, over)
    is_first = case.lane.state.name == case.lane.settings.providers[0]  # the limits are the same with each provider
    if is_first and addresses.available and case.lane.shows(Profile.CHAT) and not is_first_revision(case):
        _, over = await exhausted(case, CHAT_PATH, limit_of(case, CHAT_PATH), SOME)
        judge_refusals(case, over, "/api/chat: ")
        await judge_unasked(case, over, "/api/chat: ")


def judge_refusals(case: Case, over: list[Transcript], where: str = "") -> None:
    """Judge what three refusals say. `where`: the route, for messages."""
    for answer in over[:3]:
        seen = f"{where}429 with {shown(answer.body, 400)}"
        case.holds("LIM-06", answer.error_text is not None, seen, "JSON with a non-empty string `error`", answer)
        header = answer.header("retry-after")
        seen = f"{where}Retry-After: {shown(header)}"
        case.holds("LIM-07", is_wait(header), seen, "0 to 60 seconds, or an HTTP date", answer)


async def judge_unasked(case: Case, over: list[Transcript], where: str = "") -> None:
    """Judge that refused requests did not reach the provider, where it can be seen. `where`: as in `judge_refusals`."""
    if not case.lane.provider:
        return
    await case.ask(source=case.lane.budget.addresses.fresh())  # once answered, what came before would be there
    reached = [answer.case for answer in over if await case.provider.entries(answer)]
    case.holds("LIM-12", not reached, f"{where}{len(reached)} refused requests reached the provider", "none", over[0])


@requirement("LIM-10", "LIM-13")
async def test_no_header_buys_a_fresh_budget(case: Case) -> None:
    """A refused client stays refused, whatever else it sends."""
    judged = {"LIM-10": FORWARDED_FOR, "LIM-13": OTHERS}
    wanted = {name: disguises for name, disguises in judged.items() if case.lane.applies(name)}
    seen = await bought(case, [one for disguises in wanted.values() for one in disguises])
    for name, disguises in wanted.items():
        found = [seen[one.what] for one in disguises if one.what in seen]
        for text in found:
            case.holds(name, False, text, "429")
        if not found:
            case.holds(name, True, "", "")


def is_wait(value: str | None) -> bool:
    """Whether a Retry-After is usable: 0 to 60 seconds, or a date within that time."""
    seconds = seconds_of(value, datetime.now(UTC))
    if value is None or seconds is None:
        return False
    return seconds <= WINDOW if is_number_of_seconds(value) else -2 <= seconds <= WINDOW + 1


@requirement("LIM-08")
async def test_the_two_limits_are_separate(case: Case) -> None:
    """A client past the limit of one route is served by the other route."""
    client, _ = await exhausted(case, STREAM_PATH, limit_of(case, STREAM_PATH))
    answers = await Client(case, CHAT_PATH, client.source).send(3)
    chatty = await client_of(case, CHAT_PATH)
    count = min(limit_of(case, STREAM_PATH) + 5, limit_of(case, CHAT_PATH))
    await chatty.send(count)
    where = "at /api/chat, as a client that is past the stream's limit"
    judge_accepted(case, "LIM-08", answers, CHAT_PATH, where, chatty)
    answers = await Client(case, STREAM_PATH, chatty.source).send(1)
    where = f"at the stream, as a client that has sent {count} requests to /api/chat"
    judge_accepted(case, "LIM-08", answers, STREAM_PATH, where, client)


@requirement("LIM-09")
async def test_preflights_are_not_counted(case: Case) -> None:
    """After more preflights than the limit, a request is still served."""
    client = await client_of(case, STREAM_PATH)
    if limit_of(case, STREAM_PATH) > 1:
        await client.send(1)
    headers = (
        ("Origin", case.lane.settings.allowed_origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    )
    for _ in range(limit_of(case, STREAM_PATH) + 2):
        await case.request_once(HttpRequest("OPTIONS", STREAM_PATH, headers=headers), client.source)
    answers = await client.send(1)
    judge_accepted(case, "LIM-09", answers, STREAM_PATH, f"after {limit_of(case, STREAM_PATH) + 2} preflights", client)


@requirement("LIM-01")
async def test_looks_at_a_session_are_not_counted(case: Case) -> None:
    """Pages look up their session again and again; the limit is that of the stream."""
    needs_a_later_revision(case)
    if not case.lane.budget.addresses.available:
        raise NotApplicable("needs a source address of its own")
    client, looks = await client_of(case, STREAM_PATH), limit_of(case, STREAM_PATH) + 2
    session = case.lane.new_session()
    if limit_of(case, STREAM_PATH) > 1:
        await client.send(1, session=session)
    for _ in range(looks):  # of one that is there: many that are not look like an attack
        await case.request_once(HttpRequest("GET", SESSIONS_PATH + session), client.source)
    answers = await client.send(1)
    judge_accepted(case, "LIM-01", answers, STREAM_PATH, f"after {looks} times GET of a session", client)


@requirement("LIM-13")
async def test_leaving_gives_nothing_back(case: Case) -> None:
    """A client asks as often as it may and leaves each reply after its first token: the limit counts what was asked."""
    limit = limit_of(case, STREAM_PATH)
    if not case.lane.budget.addresses.available:
        raise NotApplicable("needs a source address of its own")
    for _ in range(TRIES):
        client, began = await client_of(case, STREAM_PATH), time.monotonic()
        at_once = AT_ONCE if case.lane.side_by_side else 1
        for first in range(0, limit, at_once):
            count = min(at_once, limit - first)
            streams = [await case.start(script="minute", source=client.source) for _ in range(count)]
            patience = case.lane.budget.deadlines.silence
            await together(*(stream.until(lambda reply: bool(reply.tokens), patience) for stream in streams))
            if late := [one.transcript for one in streams if not one.transcript.tokens]:
                raise NotApplicable(f"of {count} replies to leave, {len(late)} did not begin: {late[0].outcome()}")
            await together(*(stream.leave() for stream in streams))
            if case.lane.provider:
                await together(*(case.provider.ended(one.transcript, case.provider.due) for one in streams))
        # a bucket has refilled meanwhile
        more = SOME + math.ceil((time.monotonic() - began) * limit / WINDOW)
        if more >= limit:
            raise NotApplicable("the replies took so long to leave that a bucket may have refilled")
        if refused(answers := await client.send(more, at_once=more)):
            break
    seen = f"after {limit} replies that the client left, {more} more requests at once were served"
    case.holds("LIM-13", bool(refused(answers)), seen, "429", answers[0])


@requirement("LIM-11", when=When.FROM_THE_START)
async def test_a_minute_later_requests_are_accepted_again(case: Case) -> None:
    """After 61 s without requests a refused client is served."""
    client, _ = await exhausted(case, STREAM_PATH, limit_of(case, STREAM_PATH))
    await judge_a_minute_later(case, client)


@requirement("LIM-11", when=When.FROM_THE_START)
async def test_a_minute_later_chat_accepts_requests_again(case: Case) -> None:
    """The same at /api/chat, which may have a limiter of its own."""
    needs_a_later_revision(case)
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable("profile chat is not declared, or not shown")
    if not case.lane.budget.addresses.available:
        raise NotApplicable("needs a source address of its own")
    client, _ = await exhausted(case, CHAT_PATH, limit_of(case, CHAT_PATH), SOME)
    await judge_a_minute_later(case, client, "at /api/chat, ")


async def judge_a_minute_later(case: Case, client: Client, where: str = "") -> None:
    """Judge that a client that was just refused is served after 61 s. `where`: the route, for messages."""
    last = time.monotonic()
    await asyncio.sleep(WINDOW)
    async with steady(case):
        answers = await client.send(1)
    when = f"{where}{time.monotonic() - last:.0f} s after the last request"
    judge_accepted(case, "LIM-11", answers, client.path, when, client)


@requirement("LIM-14", when=When.FROM_THE_START)
async def test_retry_after_is_true(case: Case) -> None:
    """One second after the time that the last refusal names, a request is served."""
    client, over = await exhausted(case, STREAM_PATH, limit_of(case, STREAM_PATH))
    last = max(over, key=lambda answer: answer.ended_at or 0.0)
    header = last.header("retry-after")
    seconds = seconds_of(header, datetime.now(UTC))
    if seconds is None or not is_wait(header):
        raise NotTestable(f"a 429 names no time to wait (LIM-07): Retry-After: {shown(header)}")
    await asyncio.sleep(max(0.0, seconds) + GRACE)
    async with steady(case):
        answers = await client.send(1)
    waited = time.monotonic() - (last.ended_at or last.asked_at)
    where = f"{waited:.1f} s after a 429 with `Retry-After: {header}`"
    judge_accepted(case, "LIM-14", answers, STREAM_PATH, where, client)
