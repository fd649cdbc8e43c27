"""END: the completion."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable
from chatproof.conformance.suite.marks import When, requirement
from chatproof.conformance.suite.timed_checks import Attempt, steadily
from chatproof.harness.protocol.apis.chat_stream.completion_checks import (
    AGREES_WITH_TOKENS,
    COMPLETION_CHECKS,
    duration_is_true,
    speed_is_tokens_over_duration,
)
from chatproof.harness.protocol.checks.end import one_completion_and_last

SHORT = 0.5  # seconds of reply; what happens between a server's two clock readings spoils the speed of a shorter one


@requirement("END-01", "END-02", "END-03", "END-04", "END-07", "END-08")
async def test_a_reply_ends_once_and_says_what_it_was(case: Case) -> None:
    """One completion, whose fields are typed and agree with the tokens before it."""
    case.conforms(await case.ask(), one_completion_and_last, COMPLETION_CHECKS)


@requirement("END-01", "END-03", "END-04", "END-05", "END-06", when=When.QUIET)
async def test_duration_and_speed_are_true(case: Case) -> None:
    """The figures of a reply of about a second, compared with the client's clock."""

    async def attempt() -> Attempt:
        reply = await case.ask("Please count from one to fifty, in words.", script="paced")
        case.conforms(reply, one_completion_and_last, AGREES_WITH_TOKENS)
        if case.lane.provider is None and (took := (reply.ended_at or 0.0) - reply.asked_at) < SHORT:
            raise NotApplicable(f"the reply took {took:.2f} s, which is too short to measure its speed")
        return reply, (speed_is_tokens_over_duration, duration_is_true)

    await steadily(case, attempt)


@requirement("END-03", "END-04", "END-06", when=When.QUIET)
async def test_the_wait_for_the_first_token_may_count_or_not(case: Case) -> None:
    """The provider is silent for two seconds first; `duration` may include that or not."""

    async def attempt() -> Attempt:
        reply = await case.ask(script="slow-start")
        case.conforms(reply, AGREES_WITH_TOKENS)
        return reply, (duration_is_true,)

    await steadily(case, attempt)
