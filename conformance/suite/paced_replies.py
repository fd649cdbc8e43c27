"""Judge whether a server passes tokens on as they come, for every row that asks for it."""

from __future__ import annotations

from functools import partial

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import TooLate
from chatproof.conformance.suite.timed_checks import Attempt, steadily
from chatproof.conformance.suite.together import together
from chatproof.harness.protocol.checks.pass_through import passed_on
from chatproof.harness.protocol.transcript import Transport

SINGLES, PAIRS = "slow", "pairs"


async def judge_pace(
    case: Case, requirement_id: str, transport: Transport, headers: tuple[tuple[str, str], ...] = ()
) -> None:
    """Let the provider write tokens one by one and in pairs, and compare the client's arrivals with its journal."""

    async def attempt(script: str) -> Attempt:
        reply = await case.ask(script=script, over=transport, headers=headers)
        if (entry := await case.provider.asked(reply)) is None:
            raise TooLate(f"the provider was never asked: {reply.outcome()}")
        return reply, (passed_on(case.provider.said(entry), requirement_id),)

    await together(*(steadily(case, partial(attempt, script)) for script in (SINGLES, PAIRS)))
