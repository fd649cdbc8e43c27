"""SES: what people do with sessions: look before they ask, say the same again, and go on after a deletion."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import product

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable, TooLate, without
from chatproof.conformance.suite.marks import When, over_both, requirement
from chatproof.conformance.suite.provider import RETRIES, upstream_text
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.conformance.suite.session_requests import (
    count_of,
    exchange,
    is_answered,
    is_refusal,
    judge_forgotten,
    look_up,
    object_of,
    of_others,
    said_by,
    sent_upstream,
)
from chatproof.conformance.suite.settled import settled
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ASK_EVENT, CHAT_PATH, MESSAGES, STREAM_PATH, body_of
from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.messages import is_integer
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

SAME = "Please go on."
PERSON = 3.0  # seconds; who says the same sooner may be a browser that tries again, which gets the same reply
TWO_TEXTS = ("Nobody else may read this.", "What did I say?")
BRIEF = "brief-talk"  # long enough that another client can ask meanwhile
_WORDS = ", ".join(f'"part{number} "' for number in range(10))
BRIEF_TOML = f'about = "Half a second of talk."\n[timing]\ninter_token_ms = 50\n[[steps]]\ntokens = [{_WORDS}]\n'


@requirement("SES-01")
async def test_a_session_is_found_that_was_looked_up_too_early(case: Case) -> None:
    """A page looks up its new id, asks, and looks once more. A cache on the way may have kept the 404."""
    needs_a_later_revision(case)
    session = case.lane.new_session()
    early = await look_up(case, session)
    await exchange(case, "Please say hello.", session)
    answer = await look_up(case, session)
    kept = answer.status == 200 and is_integer(object_of(answer).get(MESSAGES))
    seen = f"GET before its first exchange: status {early.status}; as soon as that is over: {said_by(answer)}"
    case.holds("SES-01", kept, seen, "status 200 with the session", answer)


@requirement("SES-05")
async def test_an_open_socket_forgets_a_deleted_session(case: Case) -> None:
    """A socket asks in a session, which is deleted over HTTP; then it asks again."""
    needs_a_later_revision(case)
    case.needs_provider()
    if not case.lane.shows(Profile.SOCKETIO):
        raise NotApplicable("profile socketio is not declared")
    session, socket = case.lane.new_session(), await case.connect(Transport.WEBSOCKET)
    before = await exchange(case, "Remember the word marzipan.", session, over=Transport.WEBSOCKET, socket=socket)
    known = [await count_of(case, one) or 0 for one in (session, case.lane.new_session())]
    if known[0] <= known[1] or (await look_up(case, session, "DELETE")).status != 200:
        raise NotApplicable("the session of a socket cannot be deleted over HTTP, which SES-04 and SES-11 judge")
    try:
        reply = await case.ask("What was the word?", session=session, over=Transport.WEBSOCKET, socket=socket)
    except TooLate:
        if socket.is_open:
            raise
        raise NotApplicable("the server closes the sockets of a session that is deleted") from None
    if not socket.is_open and not reply.terminal:
        raise NotApplicable("the server closes the sockets of a session that is deleted")
    where = "on a socket that was open when its session was deleted over HTTP: "
    await judge_forgotten(case, "SES-05", reply, before, where)


@requirement("SES-05", "SES-02")
async def test_chat_knows_of_its_session_what_others_know(case: Case) -> None:
    """A session is used over the stream and at /api/chat. GET counts both where they share what was said, and a
    deletion ends both. A server may keep the two histories apart."""
    needs_a_later_revision(case)
    case.needs_provider()
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable("profile chat is not declared, or not shown")
    session = case.lane.new_session()
    first = await exchange(case, "My name is Ferdinand.", session)
    if (count := await count_of(case, session)) is None:
        raise NotTestable("`messages` is not an integer after an exchange over the stream (SES-01)")
    before = await case.ask_plain("Remember the word marzipan.", session=session, deadlines=RETRIES)
    if not is_answered(case, before):
        raise without(before, f"an ordinary exchange failed: {before.outcome()}")
    is_shared, after = first.case in await sent_upstream(case, before), await count_of(case, session)
    if is_shared and (after or 0) <= count:  # it may be stored when the answer is out
        after = await settled(partial(count_of, case, session))
    seen = f"`messages` is {count} after an exchange over the stream, and {after} after one more at /api/chat"
    case.holds("SES-02", not is_shared or (after or 0) > count, seen, "a larger number after two", before)
    if (await look_up(case, session, "DELETE")).status != 200:
        raise NotApplicable("the session cannot be deleted, which SES-04 judges")
    reply = await case.ask_plain("What was the word?", session=session, deadlines=RETRIES)
    where = "at /api/chat, in a session that was deleted: "
    await judge_forgotten(case, "SES-05", reply, before, where)


@requirement("SES-07")
async def test_a_session_that_begins_anew_remembers(case: Case) -> None:
    """A deleted id is used again. A server may refuse that."""
    needs_a_later_revision(case)
    session = case.lane.new_session()
    await exchange(case, "Please say hello.", session)
    if (await look_up(case, session, "DELETE")).status != 200:
        raise NotApplicable("the session cannot be deleted, which SES-04 judges")
    first = await case.ask("My name is Ferdinand.", session=session)
    if await is_refusal(case, first):
        raise NotApplicable("the server refuses every later use of a deleted id")
    if not case.lane.succeeded(first):
        raise without(first, f"an ask in the deleted session failed: {first.outcome()}")
    second = await exchange(case, "What is my name?", session)
    upstream = await sent_upstream(case, second)
    seen = f"in a session that was deleted and begun anew, sent to the provider: {shown(upstream, 300)}"
    case.holds("SES-07", first.case in upstream, seen, "what was said since the deletion", second)


@requirement("SES-07")
async def test_who_says_the_same_again_is_heard_again(case: Case) -> None:
    """The second request to the provider holds the message twice. A server may refuse it, as a double click."""
    needs_a_later_revision(case)
    session = case.lane.new_session()
    first = await exchange(case, SAME, session)
    await asyncio.sleep(PERSON)
    second = await case.ask(SAME, session=session, again=first.case)
    if await is_refusal(case, second):
        raise NotApplicable(f"the server refuses the same message again: {second.outcome()}")
    if not case.lane.succeeded(second):
        raise without(second, f"the second exchange failed: {second.outcome()}")
    texts = [upstream_text(entry) for entry in await case.provider.entries(second)]
    fullest = max(texts, key=lambda text: text.count(first.case), default="")
    what = f"the second time that {SAME!r} was said in a session"
    seen = f"{what}, sent to the provider: {shown(fullest, 300)}"
    if len(texts) < 2:
        seen = f"{what}, the provider was not asked"
    case.holds("SES-07", fullest.count(first.case) > 1, seen, "both messages, and the reply between them", second)


@over_both
@requirement("SES-08", of_document=True)
async def test_who_says_the_same_as_another_gets_their_own_reply(case: Case, transport: Transport) -> None:
    """Two sessions with a history each ask the same, one after the other and at once. A reply to the one, from a cache
    or joined under way, is none to the other."""
    needs_a_later_revision(case)
    await case.provider.register(BRIEF, BRIEF_TOML)
    one, two = case.lane.new_session(), case.lane.new_session()
    first = await exchange(case, "My name is Ann.", one, over=transport)
    await exchange(case, "My name is Ben.", two, over=transport)
    for at_once in (False, True):
        stream = await case.start(SAME, script=BRIEF, session=one, over=transport, source=_fresh(case))
        await stream.until((lambda reply: bool(reply.tokens)) if at_once else (lambda _: False), 5)
        other = await exchange(case, SAME, two, over=transport, script=BRIEF, again=stream.transcript.case)
        await stream.finish()
        what = f"two sessions asked {SAME!r}, one {'while the other was answered' if at_once else 'after the other'}"
        if not await judge_asked_for(case, "SES-08", other, first, what):
            return
        text = case.provider.text(BRIEF)
        seen = f"{what}: the tokens of the second one are {shown(other.text)}"
        case.holds("SES-08", same_words(other.text, text), seen, shown(text), other)


@requirement("SES-08", of_document=True)
async def test_a_browser_with_cookies_has_more_than_one_chat(case: Case) -> None:
    """Two chats of one page, which sends back the cookies that the first answer sets."""
    needs_a_later_revision(case)
    first = await exchange(case, "My name is Ann.", case.lane.new_session())
    cookies = "; ".join(value.partition(";")[0] for name, value in first.headers if name == "set-cookie")
    if not cookies:
        raise NotApplicable("the server sets no cookies")
    second = await exchange(case, "What is my name?", case.lane.new_session(), headers=(("Cookie", cookies),))
    others = await of_others(case, second)
    seen = f"another chat, with the cookies of the first one: the provider also got {shown(others, 200)}"
    case.holds("SES-08", not others, seen, "nothing of another chat", second)


async def judge_asked_for(case: Case, row: str, reply: Transcript, first: Transcript, what: str) -> bool:
    """Judge that the provider was asked for the second session, without what was said in the `first` one."""
    texts = [upstream_text(entry) for entry in await case.provider.entries(reply)]
    is_asked = any(first.case not in text for text in texts)
    seen = f"{what}: the provider was asked {counted(len(texts), 'time')}, only with what the first one had said before"
    return case.holds(row, is_asked, seen, "a reply to each session, with its own history", reply)


@requirement("CHAT-06")
async def test_who_says_the_same_over_chat_gets_their_own_reply(case: Case) -> None:
    """As over the stream, one after the other and at once."""
    needs_a_later_revision(case)
    case.needs_provider()
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable("profile chat is not declared, or not shown")
    await case.provider.register(BRIEF, BRIEF_TOML)
    one, two = case.lane.new_session(), case.lane.new_session()
    first = await plain_ask(case, "My name is Ann.", one, case.lane.new_case())
    for at_once in (False, True):
        name = case.lane.new_case()
        asks = (
            plain_ask(case, SAME, session, name) for session in (one, two)
        )  # the second one begins when it is awaited
        *_, reply = await together(*asks) if at_once else [await ask for ask in asks]
        what = f"two sessions asked {SAME!r} over /api/chat, {'at once' if at_once else 'one after the other'}"
        if not await judge_asked_for(case, "CHAT-06", reply, first, what):
            return


async def plain_ask(case: Case, text: str, session: str, name: str) -> Transcript:
    """An ask of `/api/chat` under a case id. Raises NotTestable where it is not answered well."""
    conversation = case.lane.conversation(text, BRIEF, name, session)
    reply = await case.request(case.lane.request(conversation, CHAT_PATH), _fresh(case), deadlines=RETRIES)
    reply.case = name
    if reply.status != 200:
        raise without(reply, f"an ordinary exchange failed: {reply.outcome()}")
    return reply


def _fresh(case: Case) -> str | None:
    return case.lane.budget.addresses.fresh()


@requirement("SES-09", when=When.FIRST, of_document=True)
async def test_who_sends_null_for_an_id_shares_nothing(case: Case) -> None:
    """Pages send `session_id: null` before they have one. A server may refuse it. Each socket is a new one."""
    needs_a_later_revision(case)
    overs = [Transport.SSE, Transport.WEBSOCKET] if case.lane.shows(Profile.SOCKETIO) else [Transport.SSE]
    for over, text in product(overs, TWO_TEXTS):
        await judge_null(case, "SES-09", over, STREAM_PATH, text)


@requirement("CHAT-06", when=When.FIRST)
async def test_who_sends_null_to_chat_shares_nothing(case: Case) -> None:
    """As over the stream."""
    needs_a_later_revision(case)
    case.needs_provider()
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable("profile chat is not declared, or not shown")
    for text in TWO_TEXTS:
        await judge_null(case, "CHAT-06", Transport.SSE, CHAT_PATH, text)


async def judge_null(case: Case, row: str, over: Transport, path: str, text: str) -> None:
    """Judge that an ask with `session_id: null` takes nothing of other asks to the provider. `path`: of one by HTTP."""
    name = case.lane.new_case()
    body = body_of(case.lane.message(text, "hello", name), None)
    if over is Transport.SSE:
        deadlines = RETRIES if path == CHAT_PATH else None  # there nothing comes before the whole answer
        reply = await case.request(HttpRequest.json("POST", path, body), _fresh(case), deadlines=deadlines)
    else:
        client = await case.connect(over)
        await case.lane.budget.pace(STREAM_PATH)  # a server may count all transports together
        reply = await client.emit(ASK_EVENT, body)
        await client.terminal(reply, case.lane.budget.deadlines)
    reply.case = name
    others = await of_others(case, reply)
    seen = f"with `session_id: null` the provider also got what another client had said: {shown(others, 200)}"
    case.holds(row, not others, seen, "nothing of another request", reply)
