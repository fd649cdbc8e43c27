"""SES: what is kept of a session in which something went wrong."""

from __future__ import annotations

import asyncio

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable
from chatproof.conformance.suite.marks import When, over_both, requirement
from chatproof.conformance.suite.provider import RETRIES
from chatproof.conformance.suite.session_talk import SessionTalk
from chatproof.conformance.suite.steady import steady
from chatproof.harness.client.http import Deadlines
from chatproof.harness.protocol.checks.err import is_http_error
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transport

FAILURES = ("server-error", "drop-mid", "error-mid")
LATE = 1.3  # seconds, in which a server has stored what it stores with a delay
STOPS = {"slow-start": 0, "paced": 3}  # the tokens after which the client leaves


@over_both
@pytest.mark.parametrize("script", FAILURES)
@requirement("SES-18")
async def test_a_failure_leaves_the_session_in_order(case: Case, transport: Transport, script: str) -> None:
    """The provider fails before its first token or in mid-reply; then two further messages."""
    talk = SessionTalk(case, transport)
    await talk.open()
    await talk.say("Please say hello.")
    await judge_failure(talk, script)


@pytest.mark.parametrize("script", FAILURES[:2])
@requirement("SES-18")
async def test_a_failure_of_a_plain_answer_leaves_the_session_in_order(case: Case, script: str) -> None:
    """The same over /api/chat, where the server has it."""
    await judge_failure(await plain_talk(case), script)


@requirement("SES-18")
async def test_a_stop_of_a_plain_answer_leaves_the_session_in_order(case: Case) -> None:
    """The client of /api/chat leaves while the server waits for its provider."""
    talk = await plain_talk(case)
    await talk.stop("Never mind.", "slow-start", 0)
    await judge_next_two(talk, "a client that left /api/chat before its answer")


async def plain_talk(case: Case) -> SessionTalk:
    """A session over /api/chat with one exchange. Raises NotApplicable where the server has no such route."""
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable("profile chat is not declared")
    talk = SessionTalk(case, None)
    first = await talk.ask("Please say hello.")
    if first.status != 200:
        raise NotApplicable(f"/api/chat does not answer (CHAT-01): {first.outcome()}")
    return talk


@over_both
@pytest.mark.parametrize("script", STOPS)
@requirement("SES-18")
async def test_a_stop_leaves_the_session_in_order(case: Case, transport: Transport, script: str) -> None:
    """The client leaves before the first token or in mid-reply; then two further messages."""
    talk = SessionTalk(case, transport)
    await talk.open()
    await talk.say("Please say hello.")
    tokens = STOPS[script]
    await talk.stop("Never mind.", script, tokens)
    when = f"after {tokens} tokens" if tokens else "before the first token"
    await judge_next_two(talk, f"a stop {when}", LATE if tokens else 0.0)


async def judge_failure(talk: SessionTalk, script: str) -> None:
    """Let the provider fail, and judge the next two requests."""
    await talk.ask("Please fail.", script, RETRIES)
    await judge_next_two(talk, talk.case.provider.does(script))


async def judge_next_two(talk: SessionTalk, trouble: str, pause: float = 0.0, is_over: bool = False) -> None:
    """Send two more messages, and judge what the provider gets with each: the second one shows what came late.

    `pause`: seconds between them. `is_over`: the client was told that the trouble is over, so the first must succeed.
    """
    reply = await talk.ask("Where were we?", "three-tokens")
    if is_over:
        seen = f"over {talk.route}, after {trouble}, the next request of the session: {reply.outcome()}"
        if not talk.case.holds("SES-18", talk.exchanges[-1].is_whole, seen, "a reply", reply):
            return
    if not await talk.judge("SES-18", trouble, reply):
        return
    await asyncio.sleep(pause)
    await talk.judge("SES-18", trouble, await talk.ask("And what did you say?"))


@over_both
@requirement("SES-18", when=When.AFTER_SOCKETS)
async def test_a_timeout_leaves_the_session_in_order(case: Case, transport: Transport) -> None:
    """The provider falls silent in mid-reply, until the server gives it up. A socket goes on with the same session."""
    talk = SessionTalk(case, transport)
    await talk.open()
    await judge_timeout(talk, "stall")


@requirement("SES-18", when=When.AFTER_SOCKETS)
async def test_a_timeout_of_a_plain_answer_leaves_the_session_in_order(case: Case) -> None:
    """The same over /api/chat, before the first token."""
    await judge_timeout(await plain_talk(case), "silent")


async def judge_timeout(talk: SessionTalk, script: str) -> None:
    """Let the provider fall silent until the server gives it up, and judge the next two requests."""
    if (timeout := talk.case.lane.provider_timeout) is None:
        raise NotApplicable("the server's provider timeout is not declared (--provider-timeout)")
    await talk.say("Please say hello.")
    silence = Deadlines(silence=timeout + talk.case.lane.settings.allowed(10))
    reply = await talk.ask("Please fail.", script, silence)
    is_over = reply.terminal is not None or is_http_error(reply)
    if not is_over and talk.over is not Transport.SSE:
        raise NotApplicable("a silent provider does not end in an error, which SIO-17 and CHAT-07 judge")
    async with steady(talk.case):
        await judge_next_two(talk, talk.case.provider.does(script), is_over=is_over)
