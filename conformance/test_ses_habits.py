"""SES: what people do with sessions: look before they ask, say the same again, and go on after a deletion."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, without
from chatproof.conformance.suite.marks import When, over_both, requirement
from chatproof.conformance.suite.provider import upstream_text
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.conformance.suite.session_requests import (
    exchange,
    is_refusal,
    judge_forgotten,
    look_up,
    object_of,
    of_others,
    said_by,
    sent_upstream,
)
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import MESSAGES, STREAM_PATH, body_of
from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.messages import is_integer
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

SAME = "Please go on."
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
    if (await look_up(case, session, "DELETE")).status != 200:
        raise NotApplicable("the session of a socket cannot be deleted over HTTP, which SES-04 and SES-11 judge")
    reply = await case.ask("What was the word?", session=session, over=Transport.WEBSOCKET, socket=socket)
    where = "on a socket that was open when its session was deleted over HTTP: "
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
    said = [
        await exchange(case, f"My name is {name}.", session, over=transport)
        for name, session in (("Ann", one), ("Ben", two))
    ]
    for at_once in (False, True):
        source = case.lane.budget.addresses.fresh()
        stream = await case.start(SAME, script=BRIEF, session=one, over=transport, source=source)
        await stream.until((lambda reply: bool(reply.tokens)) if at_once else (lambda _: False), 5)
        other = await exchange(case, SAME, two, over=transport, script=BRIEF, again=stream.transcript.case)
        await stream.finish()
        way = "while the reply to the other one ran" if at_once else "after the other one"
        if not await judge_own_reply(case, other, said, f"two sessions asked {SAME!r}, one {way}"):
            return


async def judge_own_reply(case: Case, reply: Transcript, said: list[Transcript], what: str) -> bool:
    """Judge that the provider was asked for the second session, with what was said there, and that its reply is whole.

    `said`: the exchange that each session had before."""
    texts = [upstream_text(entry) for entry in await case.provider.entries(reply)]
    is_asked = any(said[1].case in text and said[0].case not in text for text in texts)
    seen = f"{what}: the provider was asked {counted(len(texts), 'time')}, never with the second one's history alone"
    if not case.holds("SES-08", is_asked, seen, "each session gets a reply of its own", reply):
        return False
    text = case.provider.text(BRIEF)
    seen = f"{what}: its tokens are {shown(reply.text)}"
    return case.holds("SES-08", same_words(reply.text, text), seen, shown(text), reply)


@requirement("SES-09", when=When.FIRST, of_document=True)
async def test_who_sends_null_for_an_id_shares_nothing(case: Case) -> None:
    """Pages send `session_id: null` before they have one. A server may refuse it."""
    needs_a_later_revision(case)
    for text in ("Nobody else may read this.", "What did I say?"):
        name, source = case.lane.new_case(), case.lane.budget.addresses.fresh()
        body = body_of(case.lane.message(text, "hello", name), None)
        reply = await case.request(HttpRequest.json("POST", STREAM_PATH, body), source)
        reply.case = name
        others = await of_others(case, reply)
        seen = f"with `session_id: null` the provider also got what another client had said: {shown(others, 200)}"
        case.holds("SES-09", not others, seen, "nothing of another request", reply)
