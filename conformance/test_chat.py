"""CHAT: `POST /api/chat`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import Any

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, TooLate, without
from chatproof.conformance.suite.interruption import (
    BOTH,
    CANCELLED_IN_SILENCE_WITHIN,
    Moment,
    in_silence,
    interrupt,
    judge_cancelled,
)
from chatproof.conformance.suite.marks import When, requirement
from chatproof.conformance.suite.odd_replies import CUT_LATE, ODD_GREETING, ODD_LETTERS, says
from chatproof.conformance.suite.odd_requests import JSON, no_objects, odd_bodies, refused, without_message
from chatproof.conformance.suite.ordinary_texts import judge_texts
from chatproof.conformance.suite.provider import cases_in, messages_of, upstream_text, upstream_texts
from chatproof.conformance.suite.revisions import is_first_revision
from chatproof.conformance.suite.session_requests import judge_letters
from chatproof.conformance.suite.silence import judge_error_in_time
from chatproof.conformance.suite.steady import steady
from chatproof.conformance.suite.together import together
from chatproof.fake_providers.journal.entry import Entry
from chatproof.harness.client.http import Deadlines, HttpRequest, json_of
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, RESPONSE
from chatproof.harness.protocol.checks.err import is_http_error, no_internals
from chatproof.harness.protocol.checks.history import told_as_the_users, told_twice
from chatproof.harness.protocol.checks.tok import words
from chatproof.harness.protocol.excerpts import difference, shown
from chatproof.harness.protocol.messages import is_text
from chatproof.harness.protocol.transcript import Transcript

WHOLE = Deadlines(silence=30)  # nothing comes before the whole answer
EXACT = ("hundred-tokens", "long", "nasty", "unicode", "split-bytes")  # the scripts of TOK-04 and TOK-05
STREAMED = (Moment("minute", 0), Moment("minute", 3))
IN_ONE_PIECE = (Moment("minute", 0), Moment("silent", 0))  # where the provider is asked for the whole reply at once
AT_ONCE = 4
SLOW, PAUSE = ("lemons ", "and ", "melons ", "or ", "solemn ", "songs "), 50  # ms between the tokens of a reply


async def chat(case: Case, script: str) -> Transcript:
    """Ask at /api/chat and give the answer."""
    return await case.ask_plain(script=script, once=True, deadlines=WHOLE)


def object_of(answer: Transcript) -> dict[str, Any] | None:
    """The answer's JSON object, or None where there is none."""
    value = json_of(answer)
    return value if isinstance(value, dict) else None


@requirement("CHAT-01", "CHAT-02")
async def test_a_message_is_answered_with_an_object(case: Case) -> None:
    """Status 200 and a JSON object with the reply."""
    answer = await chat(case, "hello")
    body = object_of(answer)
    seen = answer.outcome() if answer.is_unanswered else f"status {answer.status} with {shown(answer.body, 400)}"
    case.holds("CHAT-01", answer.status == 200 and body is not None, seen, "200 and a JSON object", answer)
    response = (body or {}).get(RESPONSE)
    kept = is_text(response)
    if case.lane.provider:
        kept = isinstance(response, str) and response.strip() == case.provider.text("hello").strip()
    case.holds("CHAT-02", kept, f"response {shown(response)}", "the reply as a string", answer)


@requirement("CHAT-03", "ERR-04")
async def test_a_provider_failure_is_no_answer(case: Case) -> None:
    """The server answers with a 4xx or 5xx and JSON with an error."""
    case.needs_provider()
    late = () if is_first_revision(case) else (await case.provider.register("cut-late", CUT_LATE),)
    for script in ("server-error", "bad-key", "drop-start", "cut-mid", *late):
        answer = await chat(case, script)
        if script in late and ((entry := await case.provider.asked(answer)) is None or not entry.stream):
            continue  # an answer in one piece comes or does not come
        kept = answer.status is not None and 400 <= answer.status <= 599
        kept = kept and answer.error_text is not None
        seen = f"status {answer.status} with {shown(answer.body, 400)}" if answer.status == 200 else answer.outcome()
        seen = f"after {case.provider.does(script)}: {seen}"
        case.holds("CHAT-03", kept, seen, "4xx or 5xx and JSON with a string `error`", answer)
        if is_http_error(answer):
            case.conforms(answer, no_internals(case.lane.scene.key))
    if not any(record.id == "ERR-04" for record in case.records):
        case.cannot_judge("ERR-04", "no failure was answered with an error")


@requirement("CHAT-04")
async def test_what_is_no_message_is_refused(case: Case) -> None:
    """The bodies of REQ-03 and REQ-04, each refused with a 4xx. Stops where the server does not answer at all."""
    for body in (*(json.dumps(one).encode() for one in without_message(case.lane)), *no_objects(case.lane)):
        answer = await case.request(HttpRequest("POST", CHAT_PATH, body, JSON), case.lane.budget.addresses.fresh())
        seen = f"body {body!r}: {told(answer)}" if body else f"an empty body: {told(answer)}"
        case.holds("CHAT-04", refused(answer), seen, "a 4xx status", answer)
        if answer.is_unanswered:
            break


@requirement("CHAT-04")
async def test_odd_values_are_refused_or_answered(case: Case) -> None:
    """The odd values of REQ-10. A server may give them to its provider, and pass on that the provider refuses them."""
    for body in odd_bodies(case.lane):
        request, source = HttpRequest("POST", CHAT_PATH, str(body).encode(), JSON), case.lane.budget.addresses.fresh()
        answer = await case.request(request, source, deadlines=WHOLE)
        answer.case = body.case
        kept = refused(answer) or (answer.status == 200 and object_of(answer) is not None)
        kept = kept or (answer.error_text is not None and await was_refused_upstream(case, answer))
        case.holds("CHAT-04", kept, f"body {body}: {told(answer)}", "a 4xx, or 200 and a JSON object", answer)
        if answer.is_unanswered:
            break


def told(answer: Transcript) -> str:
    """An answer's status and body, or why there is none."""
    return answer.outcome() if answer.status != 200 else f"status 200 with {shown(answer.body, 400)}"


async def was_refused_upstream(case: Case, answer: Transcript) -> bool:
    """Whether the provider was asked, and answered with an error."""
    entries = await case.provider.entries(answer) if case.lane.provider else []
    return any(entry.status is not None and entry.status >= 400 for entry in entries)


@requirement("CHAT-05")
async def test_text_reaches_the_provider_unchanged(case: Case) -> None:
    """The texts of REQ-07."""

    async def ask(text: str) -> Transcript:
        return await case.ask_plain(text, deadlines=WHOLE, source=case.lane.budget.addresses.fresh())

    await judge_texts(case, "CHAT-05", ask)


@requirement("CHAT-05")
async def test_a_reply_comes_back_whole(case: Case) -> None:
    """The scripts of TOK-04 and TOK-05; white space around a reply may be gone."""
    one = await case.provider.register("one-token", says("A reply of one token.", ["Yes."]))
    for script in (*EXACT, one):
        answer = await case.ask_plain(script=script, deadlines=WHOLE)
        said = (await case.provider.said_for(answer, script)).strip()
        got = reply_in(answer, said)
        failed = answer.status != 200 or object_of(answer) is None
        seen = told(answer) if failed else f"the reply {difference(got, said)}"
        kept = not failed and got == said
        case.holds("CHAT-05", kept, f"{case.provider.does(script)}: {seen}", f"exactly {shown(said, 80)}", answer)


def reply_in(answer: Transcript, said: str = "") -> str:
    """The reply in an answer: its `response`, or else the text that was `said`, or the longest one. CHAT-02 judges the
    name, and a short reply is not the longest text."""
    body = object_of(answer) or {}
    response = body.get(RESPONSE)
    texts = [text.strip() for text in ([response] if isinstance(response, str) else upstream_texts(body))]
    return said if said in texts else max(texts, key=len, default="")


async def exchange(case: Case, text: str, session: str | None, script: str = "hello") -> tuple[Transcript, Entry]:
    """An exchange that must succeed for the test to go on, and the provider's request for it. Raises NotTestable."""
    answer = await case.ask_plain(text, script=script, session=session, deadlines=WHOLE)
    if answer.status != 200:
        raise without(answer, f"an ordinary exchange failed: {told(answer)}")
    if (entry := await case.provider.asked(answer)) is None:
        raise TooLate(f"the provider was never asked: {told(answer)}")
    return answer, entry


@requirement("CHAT-06")
async def test_a_session_remembers(case: Case) -> None:
    """The provider gets the first message, its reply and the second message, in this order."""
    session = case.lane.new_session()
    script = await case.provider.register("odd-hello", says("A greeting in odd letters.", ODD_GREETING))
    first, _ = await exchange(case, f"My name is Ferdinand.{ODD_LETTERS}", session, script)
    second, entry = await exchange(case, "What is my name?", session, "three-tokens")
    upstream = upstream_text(entry)
    wanted = ("My name is Ferdinand.", ODD_GREETING[0], "What is my name?")
    places = [words(upstream).find(words(text)) for text in wanted]
    lost = [shown(text) for text, place in zip(wanted, places, strict=True) if place < 0]
    told = f"lacks {' and '.join(lost)}" if lost else "has another order"
    told += " and holds what was said in another session" if cases_in(upstream) - {first.case, second.case} else ""
    kept = not lost and places == sorted(places)
    seen = f"the provider's second request of a session {told}: {shown(upstream, 400)}"
    if case.holds("CHAT-06", kept, seen, f"in this order: {', '.join(map(shown, wanted))}", second):
        got = reply_in(first)
        await judge_letters(case, "CHAT-06", first, second, ODD_LETTERS, case.provider.text(script), got)
        history = messages_of(entry)
        asked = case.lane.message("What is my name?", "three-tokens", second.case)
        found = [*told_twice(history, [asked]), *told_as_the_users(history, [case.provider.text(script)])]
        case.keep("CHAT-06", found, second)


@requirement("CHAT-06")
async def test_sessions_are_apart(case: Case) -> None:
    """Two sessions whose ids differ only in case: asked one after the other, at the same time, and once more each."""
    name = case.lane.new_session()
    scripts = {
        name: await case.provider.register("slow-first", says("A slow reply.", SLOW, pause=PAUSE)),
        name.upper(): await case.provider.register("slow-second", says("Another.", SLOW[::-1], pause=PAUSE)),
    }
    said = {one: [(await exchange(case, "My secret.", one))[0].case] for one in scripts}
    found = await together(*(exchange(case, "And again.", one, script) for one, script in scripts.items()))
    for (session, script), (answer, entry) in zip(scripts.items(), found, strict=True):
        judge_apart(case, session, said, "", answer, entry)
        own = words(reply_in(answer)) == words(case.provider.text(script))
        seen = f"the reply for {session}: {shown(reply_in(answer))}"
        case.holds("CHAT-06", own, seen, shown(case.provider.text(script)), answer)
        said[session].append(answer.case)
    for session in scripts:
        other = next(script for one, script in scripts.items() if one != session)
        judge_apart(case, session, said, case.provider.text(other), *await exchange(case, "What was it?", session))


def judge_apart(
    case: Case, session: str, said: Mapping[str, list[str]], reply: str, answer: Transcript, entry: Entry
) -> None:
    """Judge that the provider got nothing of the other session: no message (`said`, by cases) and not its `reply`."""
    upstream = upstream_text(entry)
    other, cases = next((one, cases) for one, cases in said.items() if one != session)
    is_strange = any(one in upstream for one in cases) or (reply != "" and words(reply) in words(upstream))
    seen = f"what was said in {other} went to the provider for {session}: {shown(upstream, 400)}"
    case.holds("CHAT-06", not is_strange, seen, f"nothing of {other}", answer)


@requirement("CHAT-06", when=When.FIRST)
async def test_without_an_id_nothing_is_shared(case: Case) -> None:
    """Asks without an id share no history, one after the other or at the same time. Whether they are answered does not
    matter: what the provider got tells."""
    texts = ["Nobody else may read this.", "What did I say?", *(f"Question {number}." for number in range(AT_ONCE))]
    ask = partial(case.ask_plain, session=None, deadlines=WHOLE)
    answers = [await ask(text) for text in texts[:2]]
    answers += await together(*(ask(text, script="paced") for text in texts[2:]))
    for answer in answers:
        entries = await case.provider.entries(answer)
        got = dict.fromkeys(text for entry in entries for text in upstream_texts(entry.body))
        strange = [(text, cases_in(text) - {answer.case}) for text in got]
        others = [(text, cases) for text, cases in strange if cases]
        is_named = any(
            cases - {one.case for one in answers} and not any(map(text.count, texts)) for text, cases in others
        )
        whose = "a session with an id" if is_named else "other asks without one"
        seen = f"what was said in {whose} went to the provider for an ask without a session_id: "
        case.holds("CHAT-06", not others, seen + shown([text for text, _ in others], 300), "nothing of others", answer)


@pytest.mark.parametrize("script", ["stall", "silent"])
@requirement("CHAT-07", when=When.AFTER_SOCKETS)
async def test_a_silent_provider_ends_in_an_error(case: Case, script: str) -> None:
    """An HTTP error within the provider timeout of the provider's last byte; then the session goes on."""
    if (timeout := case.lane.provider_timeout) is None:
        raise NotApplicable("the server's provider timeout is not declared (--provider-timeout)")
    allowed = case.lane.settings.allowed
    deadlines = Deadlines(silence=timeout + allowed(10), whole=timeout * 2 + allowed(20))
    began, session = time.monotonic(), case.lane.new_session()
    answer = await case.ask_plain(script=script, session=session, deadlines=deadlines)
    does = case.provider.does(script)
    case.holds("CHAT-07", is_http_error(answer), f"{does}: {told(answer)}", "a 4xx or 5xx status", answer)
    await judge_error_in_time(case, "CHAT-07", answer, timeout, began)
    if is_http_error(answer):
        async with steady(case):
            again = await case.ask_plain("Where were we?", session=session, deadlines=WHOLE)
        seen = f"after {does}, the next ask in its session: {told(again)}"
        case.holds("CHAT-07", again.status == 200, seen, "200 and a reply", again)


@requirement("CHAT-08", when=When.ALONE)
async def test_leaving_cancels_the_provider(case: Case) -> None:
    """Clients leave by FIN and by RST: at once, in mid-reply, and while the provider is silent."""
    _, entry = await exchange(case, "Please say hello.", case.lane.new_session())
    within = case.lane.settings.allowed(CANCELLED_IN_SILENCE_WITHIN)
    ways = product(BOTH, (*STREAMED, *await in_silence(case)) if entry.stream else IN_ONE_PIECE)
    plan = [partial(interrupt, case, how, moment, within, path=CHAT_PATH) for how, moment in ways]
    await judge_cancelled(case, "CHAT-08", within, plan)
