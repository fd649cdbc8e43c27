"""What rows about everybody hold for signed-in users."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable
from chatproof.conformance.suite.jwt import REFUSALS, claims, renewed, signed
from chatproof.conformance.suite.marks import When, requirement
from chatproof.conformance.suite.provider import RETRIES
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.conformance.suite.session_requests import (
    count_of,
    exchange,
    judge_deletion,
    look_up,
    of_others,
    sent_upstream,
)
from chatproof.conformance.suite.signed_in import NO_USERS, as_user, tokens_for
from chatproof.harness.client.socketio import NotConnected
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ASK_EVENT, body_of
from chatproof.harness.protocol.checks.sio import CHAT_KINDS
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

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


@requirement("SES-07", of_document=True)
async def test_a_users_other_chat_is_remembered(case: Case) -> None:
    """A user deletes one of two chats and goes on in the other one: with the same token, and with a renewed one."""
    needs_a_later_revision(case)
    token = await token_of_a_user(case)
    deleted, kept = case.lane.new_session(), case.lane.new_session()
    await exchange(case, "Please say hello.", deleted, credential=token)
    first = await exchange(case, "My name is Ferdinand.", kept, credential=token)
    is_deleted = (await look_up(case, deleted, "DELETE", token)).status == 200
    what = "a chat of a signed-in user, who had deleted another one" if is_deleted else "a chat of a signed-in user"
    if await judge_remembered(case, kept, first, token, what):
        await judge_remembered(case, kept, first, renewed(token, case.lane.settings), f"{what}, with a renewed token")


async def judge_remembered(case: Case, session: str, first: Transcript, token: str, what: str) -> bool:
    """Judge that a user's chat goes on. Raises NotApplicable where no other one is answered with the token either."""
    reply = await case.ask("What is my name?", session=session, credential=token)
    seen = f"{what}: {reply.outcome()}"
    if case.lane.succeeded(reply):
        upstream = await sent_upstream(case, reply)
        seen = f"{what}, sent to the provider: {shown(upstream, 300)}"
        return case.holds("SES-07", first.case in upstream, seen, "what was said in it before", reply)
    if not case.lane.succeeded(await case.ask(credential=token)):
        raise NotApplicable(seen)
    return case.holds("SES-07", False, seen, "a reply, as in a new chat", reply)


@requirement("SES-09", when=When.FIRST, of_document=True)
async def test_a_users_asks_without_an_id_share_nothing(case: Case) -> None:
    """A page that begins a new chat sends no id, also that of a signed-in user."""
    needs_a_later_revision(case)
    token = await token_of_a_user(case)
    for text in ("Nobody else may read this.", "What did I say?"):
        reply = await case.ask(text, session=None, credential=token)
        others = await of_others(case, reply)
        seen = f"with a signed-in user's {text!r}, without an id, the provider also got {shown(others, 200)}"
        case.holds("SES-09", not others, seen, "nothing of another request", reply)


@requirement("ERR-05", of_document=True)
async def test_a_users_session_outlives_failures(case: Case) -> None:
    """After a provider's failure a signed-in user asks again in the same session."""
    needs_a_later_revision(case)
    token, session = await token_of_a_user(case), case.lane.new_session()
    for script in ("server-error", "cut-mid"):
        await case.ask_once("Please fail.", script=script, session=session, credential=token, deadlines=RETRIES)
        reply = await case.ask(session=session, credential=token)
        seen = f"a signed-in user, after {case.provider.does(script)}: {reply.outcome()}"
        case.holds("ERR-05", case.lane.succeeded(reply), seen, "the whole reply", reply)


@requirement("REQ-05", of_document=True)
async def test_a_refused_token_is_told(case: Case) -> None:
    """What is no token, and one that is signed with another key: where they are refused, as everything else."""
    needs_a_later_revision(case)
    if not case.lane.shows(Profile.AUTH):
        raise NotApplicable(NO_USERS)
    for what, token in (("no token", "a.b.c"), ("signed with another key", signed(claims("nobody"), "another key"))):
        answer = await case.ask_once("It is me.", credential=token)
        if answer.status in REFUSALS:
            seen = f"a Bearer token that is {what}: status {answer.status} with {shown(answer.body, 300)}"
            told = answer.error_text is not None
            case.holds("REQ-05", told, seen, "JSON with a non-empty string `error`", answer)
    if not case.records:
        raise NotApplicable("the server refuses no token")


async def token_of_a_user(case: Case) -> str:
    """A token of a user whom no other test uses. Raises NotApplicable where the server knows none."""
    case.needs_provider()
    if not (tokens := await tokens_for(case, 1)):
        raise NotApplicable(NO_USERS)
    return tokens[0]


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
