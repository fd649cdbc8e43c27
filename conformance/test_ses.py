"""SES: sessions."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotTestable
from chatproof.conformance.suite.marks import When, over_both, requirement
from chatproof.conformance.suite.odd_replies import ODD_GREETING, ODD_LETTERS, says
from chatproof.conformance.suite.odd_session_ids import (
    ALIKE,
    INBORN_IDS,
    NO_NAMES,
    NUMBERS_ALIKE,
    ODD_IDS,
    UNROUTABLE_IDS,
)
from chatproof.conformance.suite.provider import messages_of
from chatproof.conformance.suite.revisions import is_first_revision
from chatproof.conformance.suite.session_requests import (
    count_of,
    exchange,
    exchange_behind_odd_letters,
    judge_deletion,
    judge_letters,
    look_up,
    object_of,
    of_others,
    said_by,
    sent_upstream,
)
from chatproof.conformance.suite.settled import settled
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import MESSAGES, SESSION_ID, SESSIONS_PATH, TIMESTAMP
from chatproof.harness.protocol.apis.chat_stream.completion_checks import is_timestamp
from chatproof.harness.protocol.checks.history import told_as_the_users
from chatproof.harness.protocol.checks.tok import same_words, words
from chatproof.harness.protocol.excerpts import counted, shown
from chatproof.harness.protocol.messages import is_integer
from chatproof.harness.protocol.transcript import Transport


@requirement("SES-01")
async def test_a_session_can_be_looked_up(case: Case) -> None:
    """GET shows its id, the number of its messages and a timestamp."""
    session = case.lane.new_session()
    await exchange(case, "Please say hello.", session)
    answer = await look_up(case, session)
    body = object_of(answer)
    seen = said_by(answer)
    if not case.holds("SES-01", not answer.is_unanswered, seen, "status 200", answer):
        return
    case.holds("SES-01", answer.status == 200, seen, "status 200", answer)
    case.holds("SES-01", body.get(SESSION_ID) == session, seen, f"session_id {session}", answer)
    case.holds("SES-01", is_integer(body.get(MESSAGES)), seen, "messages: an integer", answer)
    case.holds("SES-01", is_timestamp(body.get(TIMESTAMP)), seen, "timestamp: an ISO 8601 date and time", answer)


@requirement("SES-02", "SES-03")
async def test_every_exchange_is_counted(case: Case) -> None:
    """`messages` rises by two from the first exchange to the second."""
    session = case.lane.new_session()
    counts = []
    for text in ("Please say hello.", "And once more."):
        await exchange(case, text, session)
        counts.append(await count_of(case, session))
    first, second = counts
    if first is None or second is None:
        raise NotTestable(f"`messages` is not an integer: {counts}")
    seen = f"`messages` is {first} after one exchange and {second} after two"
    case.holds("SES-02", second > first, seen, "a larger number after two")
    case.holds("SES-03", second == first + 2, seen, "two more after the second exchange")


@requirement("SES-04", "SES-05")
async def test_a_deleted_session_is_gone(case: Case) -> None:
    """The answers to DELETE and then GET, and what the next message takes to the provider."""
    session = case.lane.new_session()
    first = await exchange(case, "Remember the word marzipan.", session)
    after_one = await count_of(case, session)
    await exchange(case, "And the word paprika.", session)
    await judge_deletion(case, session, first, after_one)


@requirement("SES-06")
async def test_an_unknown_session_is_not_found(case: Case) -> None:
    """GET and DELETE of a session that never was."""
    for method in ("GET", "DELETE"):
        answer = await look_up(case, case.lane.new_session(), method)
        kept = answer.status == 404 and answer.error_text is not None
        case.holds("SES-06", kept, f"{method}: {said_by(answer)}", "404 and JSON with a string `error`", answer)


@over_both
@requirement("SES-07")
async def test_a_session_remembers(case: Case, transport: Transport) -> None:
    """The provider gets the first message, its reply and the second message, in this order."""
    session = case.lane.new_session()
    script, text = "hello", "My name is Ferdinand."
    if is_later := not is_first_revision(case):
        script = await case.provider.register("odd-hello", says("A greeting in odd letters.", ODD_GREETING))
        text += ODD_LETTERS
    first = await exchange(case, text, session, over=transport, script=script)
    how: dict[str, Any] = {"over": transport, "script": "three-tokens"}
    if is_later:
        second = await exchange_behind_odd_letters(case, "SES-07", "What is my name?", session, text, **how)
    else:
        second = await exchange(case, "What is my name?", session, **how)
    upstream = await sent_upstream(case, second)
    answer = ODD_GREETING[0] if is_later else case.provider.text(script).strip()
    wanted = ("My name is Ferdinand.", answer, "What is my name?")
    places = [words(upstream).find(words(text)) for text in wanted]
    kept = -1 not in places and places == sorted(places)
    seen = f"sent to the provider: {shown(upstream, 400)}"
    if case.holds("SES-07", kept, seen, f"in this order: {', '.join(map(shown, wanted))}", second) and is_later:
        await judge_letters(case, "SES-07", first, second, ODD_LETTERS, case.provider.text(script), first.text)
        history = messages_of(await case.provider.asked(second))
        case.keep("SES-07", list(told_as_the_users(history, [case.provider.text(script)])), second)


@over_both
@requirement("SES-08")
async def test_sessions_are_apart(case: Case, transport: Transport) -> None:
    """Two sessions whose ids differ only in case, asked one after the other and at the same time."""
    name = case.lane.new_session()
    scripts = {name: "unicode", name.upper(): "three-tokens"}
    said = {session: [f"Secret of {index}: {case.lane.new_case()}."] for index, session in enumerate(scripts)}
    for session, texts in said.items():
        await exchange(case, texts[0], session, over=transport, script=scripts[session])
    replies = await together(
        *(exchange(case, "And again.", one, over=transport, script=script) for one, script in scripts.items())
    )
    for (session, script), reply in zip(scripts.items(), replies, strict=True):
        other = next(one for one in scripts if one != session)
        upstream = await sent_upstream(case, reply)
        strange = [
            text for text in (*said[other], case.provider.text(scripts[other])) if words(text) in words(upstream)
        ]
        seen = f"sent to the provider for {session}: {shown(strange or upstream)}"
        case.holds("SES-08", not strange, seen, f"nothing of {other}", reply)
        own = same_words(reply.text, case.provider.text(script))
        case.holds("SES-08", own, f"tokens {shown(reply.text)}", shown(case.provider.text(script)), reply)


@over_both
@requirement("SES-09", when=When.FIRST)
async def test_without_an_id_nothing_is_shared(case: Case, transport: Transport) -> None:
    """Asks without an id share no history, one after the other or at the same time. Each socket is a new one.

    A reply need not succeed to be judged: what the provider got tells, also where it refused it.
    """
    asks = ["Nobody else may read this.", "What did I say?", *(f"Question {number}." for number in range(6))]
    replies = [await case.ask(text, session=None, over=transport) for text in asks[:2]]
    replies += await together(*(case.ask(text, session=None, over=transport, script="paced") for text in asks[2:]))
    found = [await of_others(case, reply) for reply in replies]
    failed = next((reply for reply in replies if not case.lane.succeeded(reply)), None)
    if failed and not any(found):
        raise NotTestable(f"an ordinary exchange failed: {failed.outcome()}")
    for text, reply, others in zip(asks, replies, found, strict=True):
        refused = "" if case.lane.succeeded(reply) else f"; the reply: {reply.outcome()}"
        told = f"{counted(len(others), 'text')} of other asks, such as {shown(others[0], 120)}" if others else "nothing"
        seen = f"with {text!r} the provider also got {told}{refused}"
        case.holds("SES-09", not others, seen, "nothing of another request", reply)


@requirement("SES-10")
async def test_odd_ids_do_no_harm(case: Case) -> None:
    """No 5xx, and nothing of another session is shown or used."""
    victim = case.lane.new_session()
    asked = [((await exchange(case, "I am the victim.", victim)).case, victim)]
    before = await settled(partial(count_of, case, victim))
    odd = [pattern.format(case.lane.new_case()) for pattern in (*ODD_IDS, *UNROUTABLE_IDS)]
    near = [pattern.format(victim) for pattern in ("../sessions/{}", "{}/", "{}%00", " {}", "{} ", "{}*", "./{}")]
    if not is_first_revision(case):  # the beginning of its id, also as databases write one
        near += [victim[:-1] + rest for rest in ("", "%", "*", "_", "?")]
    name = case.lane.new_case()
    alike = [pattern.format(name) for pattern in ALIKE]
    alike += [pattern.format(number_of(name)) for pattern in NUMBERS_ALIKE]
    not_ours = (*NO_NAMES, *INBORN_IDS)  # an earlier run may have used them
    for session in (*odd, *near, *alike, *not_ours):
        for method in ("GET", "DELETE"):
            answer = await look_up(case, session, method)
            kept = answer.status is not None and answer.status < 500
            case.holds("SES-10", kept, f"{method} {session!r}: {answer.outcome()}", "no 5xx, and an answer", answer)
            if session not in not_ours:
                body = object_of(answer)
                count = body.get(MESSAGES)
                shows = body.get(SESSION_ID) == victim or (is_integer(count) and count > 1)
                if not is_first_revision(case):
                    shows |= victim not in session and victim.encode() in answer.body
                seen = f"{method} {session!r}: {shown(body)}"
                case.holds("SES-10", not shows, seen, f"nothing of {victim!r}", answer)
        reply = await case.ask(session=session, source=case.lane.budget.addresses.fresh())
        kept = reply.status is not None and reply.status < 500
        case.holds("SES-10", kept, f"session_id {session!r}: {reply.outcome()}", "no 5xx, and an answer", reply)
        if case.lane.succeeded(reply) and case.lane.provider:
            upstream = await sent_upstream(case, reply)
            strange = [other for name, other in asked if name in upstream.split()]
            seen = f"with session_id {session!r} the provider got what was said in {strange}"
            case.holds("SES-10", not strange, seen, "nothing of another session", reply)
        asked.append((reply.case, session))
    after = await count_of(case, victim)
    seen = f"`messages` of another session was {before} before all asks with odd ids, and {after} after them"
    case.holds("SES-10", after == before, seen, "the same number")


def number_of(name: str) -> int:
    """A number of nine digits for a name, which no other name has."""
    return 100_000_000 + int(sha256(name.encode()).hexdigest(), 16) % 900_000_000


@requirement("SES-11")
async def test_both_transports_share_sessions(case: Case) -> None:
    """An exchange over SSE, then one over Socket.IO."""
    session = case.lane.new_session()
    first = await exchange(case, "My name is Ferdinand.", session)
    before = await settled(partial(count_of, case, session))
    second = await exchange(case, "What is my name?", session, over=Transport.WEBSOCKET)
    after = await settled(partial(count_of, case, session))
    kept = before is not None and after is not None and after > before
    seen = f"`messages` is {before} after an exchange over SSE, and {after} after one more over Socket.IO"
    case.holds("SES-11", kept, seen, "a larger number after the second", second)
    if case.lane.provider:
        upstream = await sent_upstream(case, second)
        kept = first.case in upstream
        case.holds("SES-11", kept, f"sent to the provider: {shown(upstream)}", "what was said over SSE", second)


@requirement("SES-14")
async def test_both_routes_agree_on_odd_ids(case: Case) -> None:
    """A session that the stream keeps under an id is found by GET under the same id."""
    sessions = [pattern.format(case.lane.new_case()) for pattern in ODD_IDS]
    if not is_first_revision(case):
        sessions.append(str(number_of(case.lane.new_case())))
    for session in sessions:
        reply = await case.ask(session=session)
        if not case.lane.succeeded(reply):
            refused = reply.status is not None and 400 <= reply.status < 500
            seen = f"an ask with session_id {session!r}: {reply.outcome()}"
            case.holds("SES-14", refused, seen, "a reply or a 4xx", reply)
            continue
        answer = await look_up(case, session)
        body = object_of(answer)
        refused = answer.status in (400, 414, 422)
        found = answer.status == 200 and body.get(SESSION_ID) == session and is_integer(body.get(MESSAGES))
        seen = f"GET {session!r}: status {answer.status} {shown(body)}"
        case.holds("SES-14", refused or (found and body[MESSAGES] > 0), seen, "the session just used", answer)
        if "+" in session and found and not is_first_revision(case):
            answer = await case.request(HttpRequest("GET", SESSIONS_PATH + quote(session, safe="+")))
            seen = f"GET {session!r}, with its plus sign as it is: {said_by(answer)}"
            kept = object_of(answer).get(SESSION_ID) == session or answer.status in (400, 414, 422)
            case.holds("SES-14", kept, seen, "the session just used: in a path a plus sign is no blank", answer)
