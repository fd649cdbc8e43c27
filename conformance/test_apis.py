"""API, OAI, AIS and AGU: what servers of other apis keep, and what each protocol's specification demands."""

from __future__ import annotations

from collections.abc import Sequence

from chatproof.conformance.suite.carried_turns import turn_of
from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, without
from chatproof.conformance.suite.lane import FRESH
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.odd_requests import JSON, refused
from chatproof.conformance.suite.provider import RETRIES, cases_in, messages_of, upstream_texts
from chatproof.conformance.suite.revisions import is_first_revision
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.apis import ag_ui_checks, ai_sdk_checks, openai_chat_checks
from chatproof.harness.protocol.apis.api import History, Role, Turn
from chatproof.harness.protocol.checks.end import ends_once
from chatproof.harness.protocol.checks.later import of_place
from chatproof.harness.protocol.checks.strict_events import end_is_dispatched, events_are_strict
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.transcript import Transcript

NO_OBJECT = (b"", b"hello", b'{"messages": [', b"[]", b'"hello"', b"null")
OTHERS = 3  # conversations beside the one that is judged
TOGETHER = 3  # replies at the same time
FAILING = ("server-error", "error-mid")
GREETS = """about = "A greeting that no other script has."
[[steps]]
text = "Good morning Ferdinand, what a fine name."
"""
OF_TOOLS = (
    openai_chat_checks.one_known_reason_at_the_end,
    ai_sdk_checks.parts_lie_in_their_blocks,
    ai_sdk_checks.parts_are_known,
    ag_ui_checks.all_is_closed_that_is_opened,
    ag_ui_checks.events_are_known,
)
OF_THE_CALL = ("get_weather", "celsius", '"city"')  # words of the tool's call that stand nowhere else


@requirement("API-01")
async def test_all_turns_reach_the_provider_once_in_order(case: Case) -> None:
    """A conversation, and one more exchange of it, after others and while others run."""
    earlier = await together(*(case.ask(f"Question {number}.") for number in range(OTHERS)))
    session = case.lane.new_session()
    before = await turns_before(case, session)
    said = [turn.text for turn in before]
    first = await case.ask("Who am I?", session=session, before=before)
    await judge_turns(case, first, [*said, first.case], earlier)
    if not case.lane.succeeded(first):
        raise without(first, f"an ordinary ask failed: {first.outcome()}")
    asked = Turn(Role.USER, case.lane.message("Who am I?", "hello", first.case), first.case)
    before = (*before, asked, turn_of(first))
    reply, *others = await together(
        case.ask("What is my name?", session=session, before=before),
        *(case.ask(f"Another question {number}.", script="paced") for number in range(OTHERS)),
    )
    await judge_turns(case, reply, [*said, first.case, first.text, reply.case], [*earlier, *others])
    await judge_same_beginning(case)
    if case.lane.api.history is History.CLIENT:
        await judge_odd_turns(case)


async def judge_turns(case: Case, reply: Transcript, said: Sequence[str], others: Sequence[Transcript]) -> None:
    """Judge the provider's request for a reply. `said`: what stands in each turn, and only there; the user begins."""
    if (entry := await case.provider.asked(reply)) is None:
        if case.lane.succeeded(reply):
            seen = f"the provider never got the message, and yet: {reply.outcome()}"
            case.holds("API-01", False, seen, "the message at the provider", reply)
            return
        raise without(reply, f"the provider was never asked: {reply.outcome()}")
    texts = upstream_texts(entry.body)
    places = [[number for number, text in enumerate(texts) if one in text] for one in said]
    kept = all(len(found) == 1 for found in places) and sorted(places) == places
    seen, expected = f"the provider's request holds {shown(texts, 400)}", f"in this order, once each: {shown(said)}"
    if not case.holds("API-01", kept, seen, expected, reply):
        return
    roles = [[role for role, text in messages_of(entry) if one in text] for one in said]
    theirs = [
        number for number in range(1, len(said), 2) if roles[number] == ["user"] and len(set(map(str, places))) > 1
    ]
    seen = f"the provider gets what the model said as the user's: {shown(messages_of(entry), 400)}"
    case.holds("API-01", not theirs, seen, "each turn with its role", reply)
    strange = [text for text in texts if cases_in(text) & {one.case for one in others}]
    seen = f"the provider's request holds of other conversations {shown(strange, 200)}"
    case.holds("API-01", not strange, seen, "nothing of others", reply)


async def judge_same_beginning(case: Case) -> None:
    """Judge two conversations that begin with the same message: a server may not take one for the other."""
    session = case.lane.new_session()
    first = await case.ask("Good morning.", session=session)
    if not case.lane.succeeded(first):
        raise without(first, f"an ordinary ask failed: {first.outcome()}")
    before = (Turn(Role.USER, case.lane.message("Good morning.", "hello", first.case), first.case), turn_of(first))
    second = await case.ask("My name is Ferdinand.", session=session, before=before)
    other = await case.ask("Good morning.", again=first.case)
    entries = await case.provider.entries(other)
    new = [one for one in entries if case.provider.local(one.received) >= other.asked_at]
    strange = [text for one in new for text in upstream_texts(one.body) if second.case in cases_in(text)]
    seen = f"another conversation began with the same message, and the provider got {shown(strange, 200)}"
    case.holds("API-01", not strange, seen, "nothing of others", other)


async def judge_odd_turns(case: Case) -> None:
    """Judge turns that a server may take for doubles, or tidy up: the user says the same thing twice, and the model has
    said something whose line breaks and indentation matter."""
    again = f"Go on, please ({case.lane.new_case()})."
    code = "def walk(road):\n    for step in road:\n        yield step"
    said = (Turn(Role.USER, again), Turn(Role.ASSISTANT, code), Turn(Role.USER, again), Turn(Role.ASSISTANT, "Done."))
    reply = await case.ask("Thank you.", before=said)
    if (entry := await case.provider.asked(reply)) is None:
        raise without(reply, f"the provider was never asked: {reply.outcome()}")
    texts = [text.replace("\r\n", "\n") for text in upstream_texts(entry.body)]
    found = sum(text.count(again) for text in texts)
    seen = f"of two turns that say {shown(again)}, the provider's request holds {found}: {shown(texts, 400)}"
    case.holds("API-01", found == 2, seen, "each turn, also where two say the same", reply)
    alike = [text for text in texts if "".join(code.split()) in "".join(text.split())]
    seen = f"a turn's line breaks and indentation: the provider gets {shown(alike, 200)}"
    kept = not alike or any(code in text for text in alike)
    case.holds("API-01", kept, seen, f"the turn as it was sent: {shown(code)}", reply)


async def turns_before(case: Case, session: str) -> tuple[Turn, ...]:
    """What was said before in a conversation: made up where the client carries the turns, else in a first exchange."""
    if case.lane.api.history is History.CLIENT:
        texts = (f"{text} {case.lane.new_case()}" for text in ("My name is Ferdinand.", "Hello Ferdinand."))
        return tuple(Turn(role, text) for role, text in zip(Role, texts, strict=True))
    script = await case.provider.register("greets", GREETS)
    first = await case.ask("My name is Ferdinand.", script=script, session=session)
    if not case.lane.succeeded(first):
        raise without(first, f"the first exchange of a conversation failed: {first.outcome()}")
    asked = case.lane.message("My name is Ferdinand.", script, first.case)
    return Turn(Role.USER, asked), Turn(Role.ASSISTANT, case.provider.text(script))


@requirement("API-02", "OAI-03", "AIS-02", "AIS-05", "AGU-02", "AGU-04")
async def test_a_call_of_a_tool_is_not_the_reply(case: Case) -> None:
    """The model says a few words, and then calls a tool; or it calls tools without a word. A server that has no such
    tool may fail; a reply that ends well has its api's form."""
    for script in ("tool-call",) if is_first_revision(case) else ("tool-call", "parallel-tools"):
        reply = await case.ask_once("What is the weather like?", script=script, deadlines=RETRIES)
        told = [word for word in OF_THE_CALL if word in reply.text]
        seen = f"the reply's text shows the call of a tool: {shown(reply.text, 200)}"
        case.holds("API-02", not told, seen, "only what the model says to the user", reply)
        if case.lane.succeeded(reply):
            case.conforms(reply, *(of_place("a reply with the call of a tool", one) for one in OF_TOOLS))


@requirement("AIS-02", "AIS-05", "AGU-02", "AGU-04")
async def test_thoughts_have_their_own_parts(case: Case) -> None:
    """The model thinks, then answers."""
    if case.lane.provider:
        reply = await case.ask("When does the ferry arrive?", script="reasoning")
        case.conforms(reply, ai_sdk_checks.parts_lie_in_their_blocks, ai_sdk_checks.parts_are_known)
        case.conforms(reply, ag_ui_checks.all_is_closed_that_is_opened, ag_ui_checks.events_are_known)


@requirement("API-03")
async def test_what_is_no_object_is_refused(case: Case) -> None:
    """Stops where the server does not answer at all."""
    ask = case.lane.api.ask(case.lane.conversation("Please say hello.", "hello", case.lane.new_case()))
    if ask.body is None:
        raise NotApplicable(f"a {ask.method} of this api has no body")
    for body in NO_OBJECT:
        answer = await case.request(HttpRequest(ask.method, ask.path, body, (*JSON, *ask.headers)))
        seen = f"body {body!r}: {answer.outcome()}" if body else f"an empty body: {answer.outcome()}"
        case.holds("API-03", refused(answer), seen, "a 4xx status", answer)
        if answer.is_unanswered:
            break


@requirement("API-04")
async def test_each_event_is_strict(case: Case) -> None:
    """An ordinary reply, and one whose text is full of quotes, line ends and characters beyond ASCII."""
    for script in ("hello", "unicode") if case.lane.provider else ("hello",):
        case.conforms(await case.ask(script=script), events_are_strict)


@requirement("API-05")
async def test_an_ordinary_message_is_answered(case: Case) -> None:
    """Status 200, text, and one good end behind it."""
    reply = await case.ask()
    kept = reply.status == 200 and bool(reply.text.strip())
    if case.holds("API-05", kept, f"no text: {reply.outcome()}", "status 200 and a stream with text", reply):
        case.conforms(reply, ends_once("API-05"), end_is_dispatched)


async def side_by_side(case: Case, sessions: Sequence[str | None] = (FRESH,) * (TOGETHER + 1)) -> list[Transcript]:
    """A reply alone, then some that run together: what one reply knows of itself must not come from another one."""
    alone, *others = sessions
    first = await case.ask(session=alone)
    return [first, *await together(*(case.ask(script="paced", session=one) for one in others))]


@requirement("OAI-01", "OAI-02", "OAI-03")
async def test_chunks_are_those_of_openai(case: Case) -> None:
    """An ordinary reply, and others that run at the same time."""
    for reply in await side_by_side(case):
        case.conforms(reply, openai_chat_checks.STREAM_CHECKS)


@requirement("OAI-04")
async def test_failures_are_told_as_openai_does(case: Case) -> None:
    """The provider fails before and during a reply."""
    for script in FAILING:
        reply = await case.ask("Please fail.", script=script, deadlines=RETRIES)
        case.conforms(reply, openai_chat_checks.error_is_an_object_with_a_message)


@requirement("AIS-01", "AIS-02", "AIS-03", "AIS-04", "AIS-05", "AIS-06")
async def test_parts_are_those_of_the_ai_sdk(case: Case) -> None:
    """An ordinary reply, and others that run at the same time."""
    for reply in await side_by_side(case):
        case.conforms(reply, ai_sdk_checks.STREAM_CHECKS)


@requirement("AGU-01", "AGU-02", "AGU-03", "AGU-04")
async def test_events_are_those_of_ag_ui(case: Case) -> None:
    """An ordinary reply, and others that run at the same time."""
    threads = [case.lane.new_session() for _ in range(TOGETHER + 1)]
    for thread, reply in zip(threads, await side_by_side(case, threads), strict=True):
        asked = {"threadId": thread, "runId": reply.case}
        case.conforms(reply, ag_ui_checks.STREAM_CHECKS, ag_ui_checks.ids_are_those_asked_for(asked))


@requirement("AIS-05", "AGU-01", "AGU-04")
async def test_failures_have_their_own_parts(case: Case) -> None:
    """The provider fails before and during a reply. A failure before it may be an HTTP error."""
    for script in FAILING if case.lane.provider else ():
        reply = await case.ask("Please fail.", script=script, deadlines=RETRIES)
        if reply.status == 200:
            case.conforms(reply, ai_sdk_checks.parts_are_known)
            case.conforms(reply, ag_ui_checks.run_begins_and_ends, ag_ui_checks.events_are_known)
