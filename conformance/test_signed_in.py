"""What rows about everybody hold for signed-in users."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.conformance.suite.session_requests import count_of, exchange, judge_deletion
from chatproof.conformance.suite.signed_in import NO_USERS, as_user, tokens_for
from chatproof.harness.client.socketio import NotConnected
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ASK_EVENT, body_of
from chatproof.harness.protocol.checks.sio import CHAT_KINDS
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.transcript import Transport

LINGER = 0.3  # seconds to look for events that must not come
ANSWER = 5.0  # seconds in which a refusal must come


@requirement("SES-04", "SES-05", of_document=True)
async def test_a_user_deletes_their_own_session(case: Case) -> None:
    """The owner's DELETE and GET, and what the owner's next message takes to the provider."""
    needs_a_later_revision(case)
    if not (tokens := await tokens_for(case, 1)):
        raise NotApplicable(NO_USERS)
    session = case.lane.new_session()
    first = await exchange(case, "Remember the word marzipan.", session, credential=tokens[0])
    await judge_deletion(case, session, first, await count_of(case, session, tokens[0]), tokens[0])


@requirement("SIO-06", of_document=True)
async def test_another_tab_of_a_user_receives_nothing(case: Case) -> None:
    """Each of two tabs of a signed-in user has a socket and a session of its own. One gets a reply, a failure and a
    refusal; the other one has asked before, and listens."""
    needs_a_later_revision(case)
    if not (tokens := await tokens_for(case, 1, Transport.WEBSOCKET)):
        raise NotApplicable(NO_USERS)
    over = (Transport.WEBSOCKET, Transport.POLLING)
    asker, tab = [(await as_user(case, one, tokens[0]))["socket"] for one in over]
    stream = await case.start(socket=tab)
    # late events of the tab's own reply are judged by SIO-03
    earlier = await tab.terminal(stream.transcript, case.lane.budget.deadlines, LINGER)
    before = len(earlier.of(*CHAT_KINDS))
    strays = asker.strays.of(*CHAT_KINDS)
    for script in ("hello", "cut-mid") if case.lane.provider else ("hello",):
        reply = await case.ask(script=script, socket=asker)
    with suppress(NotConnected):  # whether a socket outlives a failure is SIO-10's
        refusal = await asker.emit(ASK_EVENT, body_of(5, case.lane.new_session()))
        await asker.until(lambda: bool(refusal.of(*CHAT_KINDS)), case.lane.settings.allowed(ANSWER))
    await asyncio.sleep(LINGER)
    heard = [*strays, *earlier.of(*CHAT_KINDS)[before:]]
    seen = f"a signed-in user's other tab received {heard[0].name} {shown(dict(heard[0].body))}" if heard else "nothing"
    case.holds("SIO-06", not heard, seen, "events at the asking client only", reply)
