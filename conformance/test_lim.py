"""LIM: rate limits. A limit of N is kept if requests 1..N pass and one of N+1..2N+1, sent at once, is refused:
fixed and sliding windows both do that."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.clients import (
    TRIES,
    Client,
    client_of,
    exhausted,
    limit_of,
    refused,
    served,
    unanswered,
)
from chatproof.conformance.suite.marks import When, requirement
from chatproof.conformance.suite.rate_budget import WINDOW
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, STREAM_PATH
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.retry_after import is_number_of_seconds, seconds_of


async def judge_limit(case: Case, path: str, limit: int, accepted: str, refuses: str) -> None:
    """Send requests one after the other, and all at once: N must pass, and past N one must be refused."""
    for at_once in (1, 2 * limit + 1):
        way = "one after the other" if at_once == 1 else "all at once"
        for attempt in range(TRIES):
            client = await client_of(case, path)
            if at_once == 1:
                within = await client.send(limit, at_once=1)
                over = refused(within) or refused(await client.send(limit + 1, at_once=limit + 1))
            else:
                within = await client.send(2 * limit + 1, at_once=at_once)
                over = refused(within)
            if over or attempt == TRIES - 1:
                break
        passed, lost = len(served(within)), unanswered(within)
        seen = f"{passed} of {len(within)} requests {way} were accepted"
        case.holds(
            accepted, passed >= limit, seen, f"{limit} accepted", lost if passed < limit else next(iter(over), None)
        )
        seen = f"{len(over)} of {2 * limit + 1} requests {way} were refused"
        case.holds(refuses, bool(over), seen, "429 past the limit", None if over else lost)


@requirement("LIM-01", "LIM-02")
async def test_the_stream_is_limited(case: Case) -> None:
    """30 requests a minute (default)."""
    await judge_limit(case, STREAM_PATH, limit_of(case, STREAM_PATH), "LIM-01", "LIM-02")


@requirement("LIM-03", "LIM-04")
async def test_chat_is_limited(case: Case) -> None:
    """60 requests a minute (default)."""
    await judge_limit(case, CHAT_PATH, limit_of(case, CHAT_PATH), "LIM-03", "LIM-04")


@requirement("LIM-05", "LIM-06", "LIM-07", "LIM-10", "LIM-12")
async def test_a_refusal_is_fair_and_says_why(case: Case) -> None:
    """It concerns one address, whatever X-Forwarded-For says, carries an error and a Retry-After, and the provider is
    not asked."""
    client, over = await exhausted(case, STREAM_PATH, limit_of(case, STREAM_PATH))
    forged = await client.send(3, headers=(("X-Forwarded-For", "203.0.113.77"),))
    case.holds(
        "LIM-10",
        not served(forged),
        "a request with a forged X-Forwarded-For was served",
        "429",
        unanswered(forged) or forged[0],
    )
    for answer in over[:3]:
        seen = f"429 with {shown(answer.body, 400)}"
        case.holds("LIM-06", answer.error_text is not None, seen, "JSON with a non-empty string `error`", answer)
        header = answer.header("retry-after")
        case.holds(
            "LIM-07", is_wait(header), f"Retry-After: {shown(header)}", "0 to 60 seconds, or an HTTP date", answer
        )
    if case.lane.budget.addresses.available:
        other = await Client(case, STREAM_PATH, case.lane.budget.addresses.fresh()).send(1)
        case.holds(
            "LIM-05", not refused(other), "another address was refused too", "another address is served", other[0]
        )
    else:
        case.cannot_judge("LIM-05", "there is no second source address towards this server")
    if case.lane.provider:
        await case.ask(
            source=case.lane.budget.addresses.fresh()
        )  # once it is answered, what came before would be there
        reached = [answer.case for answer in over if await case.provider.entries(answer)]
        case.holds("LIM-12", not reached, f"{len(reached)} refused requests reached the provider", "none", over[0])


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
    seen = "/api/chat refused a client that is past the stream's limit"
    case.holds("LIM-08", not refused(answers), seen, "separate limits", unanswered(answers) or answers[0])
    chatty = await client_of(case, CHAT_PATH)
    count = min(limit_of(case, STREAM_PATH) + 5, limit_of(case, CHAT_PATH))
    await chatty.send(count)
    answers = await Client(case, STREAM_PATH, chatty.source).send(1)
    seen = f"the stream refused a client that had sent {count} requests to /api/chat"
    case.holds("LIM-08", not refused(answers), seen, "separate limits", unanswered(answers) or answers[0])


@requirement("LIM-09")
async def test_preflights_are_not_counted(case: Case) -> None:
    """After more preflights than the limit, a request is still served."""
    client = await client_of(case, STREAM_PATH)
    headers = (
        ("Origin", case.lane.settings.allowed_origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    )
    for _ in range(limit_of(case, STREAM_PATH) + 2):
        await case.request_once(HttpRequest("OPTIONS", STREAM_PATH, headers=headers), client.source)
    answers = await client.send(1)
    seen = f"refused after {limit_of(case, STREAM_PATH) + 2} preflights"
    case.holds("LIM-09", not refused(answers), seen, "a request is served", answers[0])


@requirement("LIM-11", when=When.FROM_THE_START)
async def test_a_minute_later_requests_are_accepted_again(case: Case) -> None:
    """After 61 s without requests a refused client is served."""
    client, _ = await exhausted(case, STREAM_PATH, limit_of(case, STREAM_PATH))
    last = time.monotonic()
    await asyncio.sleep(WINDOW)
    answers = await client.send(1)
    seen = f"refused {time.monotonic() - last:.0f} s after the last request"
    case.holds("LIM-11", not refused(answers), seen, "a request is served", answers[0])
