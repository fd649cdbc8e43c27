"""Judge whether a server passes tokens on as they come, for every row that asks for it."""

from __future__ import annotations

from functools import partial
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import TooLate
from chatproof.conformance.suite.lane import FRESH
from chatproof.conformance.suite.odd_replies import MARKED_UP, says
from chatproof.conformance.suite.ordinary_texts import prose
from chatproof.conformance.suite.revisions import is_first_revision
from chatproof.conformance.suite.signed_in import as_user, tokens_for
from chatproof.conformance.suite.timed_checks import Attempt, steadily
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.checks.later import of_place
from chatproof.harness.protocol.checks.pass_through import passed_on
from chatproof.harness.protocol.findings import violations
from chatproof.harness.protocol.requirements import OWN_API
from chatproof.harness.protocol.transcript import Transport

SINGLES, PAIRS, MARKS = "slow", "pairs", "slow-marks"
KEPT = "the second exchange of a connection, in Chinese"
NO_BLANKS = "slow-chinese"
LONG = 1_500  # characters of the message for MARKS; REQ-07 sends longer ones
APART = 300  # ms between the tokens of MARKS, as in SINGLES
CHINESE = ("昨天", "我们", "坐船", "过河", "看见", "白鹭")
WHICH = {MARKS: "a reply with code to a long message", NO_BLANKS: "a reply in Chinese"}


async def judge_pace(
    case: Case, requirement_id: str, transport: Transport, headers: tuple[tuple[str, str], ...] = ()
) -> None:
    """Let the provider write tokens one by one and in pairs, and compare the client's arrivals with its journal.

    Later revisions also ask without a session id, on a kept connection for Chinese, whose words no blanks part, and
    with a long message for code and a table, which some servers hold until they can render them. The latter comes from
    a signed-in user, where there are users.
    """
    is_later = not is_first_revision(case)

    async def on_kept() -> Attempt | None:
        first = HttpRequest.of(case.lane.api.ask(case.lane.conversation("Hello.", "hello", case.lane.new_case())))
        head, connection = await case.on_kept(None, first)
        if connection is None or head.status != 200:  # then this exchange is like any other
            return None
        name = case.lane.new_case()
        second = HttpRequest.of(case.lane.api.ask(case.lane.conversation("Please say hello.", NO_BLANKS, name)))
        reply, _ = await case.on_kept(connection, second)
        if reply.status == 429:
            return None
        reply.case = name
        if (entry := await case.provider.asked(reply)) is None:
            raise TooLate(f"the provider was never asked: {reply.outcome()}")
        return reply, (of_place(KEPT, passed_on(case.provider.said(entry), requirement_id)),)

    async def attempt(script: str, token: str = "") -> Attempt:
        if script == KEPT:
            if kept := await on_kept():
                return kept
            script = NO_BLANKS
        how: dict[str, Any] = {"script": script, "over": transport, "headers": headers}
        if token:
            how |= await as_user(case, transport, token)
        if script == MARKS:
            how["text"] = prose(LONG)
        is_nameless = script == PAIRS and is_later and case.lane.api.name == OWN_API
        reply = await case.ask(session=None if is_nameless else FRESH, **how)
        if is_nameless and not reply.tokens:  # whether a session id may be left out is REQ-02's
            is_nameless, reply = False, await case.ask(**how)
        if (entry := await case.provider.asked(reply)) is None:
            raise TooLate(f"the provider was never asked: {reply.outcome()}")
        look = passed_on(case.provider.said(entry), requirement_id)
        if token and violations(look(reply)):
            plain, checks = await attempt(script)
            is_users = not any(violations(one(plain)) for one in checks)
            return (reply, (of_place("a reply to a signed-in user", look),)) if is_users else (plain, checks)
        which = "an ask without a session_id" if is_nameless else WHICH.get(script, "")
        return reply, (of_place(which, look) if which else look,)

    plans: list[tuple[str, ...]] = [(SINGLES,), (PAIRS,)]
    if is_later and not headers:
        await case.provider.register(MARKS, says("Code and a table.", MARKED_UP, pause=APART))
        plans.append((MARKS, *await tokens_for(case, 1, transport)))
        if transport is Transport.SSE:
            await case.provider.register(NO_BLANKS, says("Chinese.", CHINESE, pause=APART))
            plans.append((KEPT,))
    await together(*(steadily(case, partial(attempt, *plan)) for plan in plans))
