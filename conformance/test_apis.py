"""API, OAI, AIS and AGU: what servers of other apis keep, and what each protocol's specification demands."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, without
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.odd_requests import JSON, refused
from chatproof.conformance.suite.provider import cases_in, upstream_texts
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.apis import ag_ui_checks, ai_sdk_checks, openai_chat_checks
from chatproof.harness.protocol.apis.api import History, Role, Turn
from chatproof.harness.protocol.checks.strict_events import events_are_strict
from chatproof.harness.protocol.excerpts import shown

NO_OBJECT = (b"", b"hello", b'{"messages": [', b"[]", b'"hello"', b"null")
OTHERS = 3  # conversations beside the one that is judged
FAILING = ("server-error", "error-mid")
GREETS = """about = "A greeting that no other script has."
[[steps]]
text = "Good morning Ferdinand, what a fine name."
"""


@requirement("API-01")
async def test_all_turns_reach_the_provider_once_in_order(case: Case) -> None:
    """A conversation of three turns, after others and while others run."""
    earlier = await together(*(case.ask(f"Question {number}.") for number in range(OTHERS)))
    session = case.lane.new_session()
    before = await turns_before(case, session)
    said = [turn.text for turn in before]
    reply, *others = await together(
        case.ask("What is my name?", session=session, before=before),
        *(case.ask(f"Another question {number}.", script="paced") for number in range(OTHERS)),
    )
    others += earlier
    if (entry := await case.provider.asked(reply)) is None:
        raise without(reply, f"the provider was never asked: {reply.outcome()}")
    texts = upstream_texts(entry.body)
    places = [[number for number, text in enumerate(texts) if one in text] for one in (*said, reply.case)]
    seen = f"the provider's request holds {shown(texts, 400)}"
    kept = all(len(found) == 1 for found in places) and sorted(places) == places
    case.holds("API-01", kept, seen, f"in this order, once each: {', '.join(map(shown, said))}, the new message", reply)
    strange = [text for text in texts if cases_in(text) & {one.case for one in others}]
    case.holds(
        "API-01", not strange, f"{seen}, of other conversations: {shown(strange, 200)}", "nothing of others", reply
    )


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


@requirement("API-02", "AIS-02")
async def test_reasoning_is_not_the_reply(case: Case) -> None:
    """The model thinks, then answers."""
    reply = await case.ask("When does the ferry arrive?", script="reasoning")
    if not case.lane.succeeded(reply):
        raise without(reply, f"a reply with reasoning failed: {reply.outcome()}")
    said = case.provider.text("reasoning")
    thoughts = reply.text.replace(said, "").strip()
    case.holds(
        "API-02", not thoughts, f"the reply's text also has {shown(thoughts, 200)}", f"only {shown(said)}", reply
    )
    case.conforms(reply, ai_sdk_checks.parts_lie_in_their_blocks)


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


@requirement("OAI-01", "OAI-02", "OAI-03")
async def test_chunks_are_those_of_openai(case: Case) -> None:
    """An ordinary reply."""
    case.conforms(await case.ask(), openai_chat_checks.STREAM_CHECKS)


@requirement("OAI-04")
async def test_failures_are_told_as_openai_does(case: Case) -> None:
    """The provider fails before and during a reply."""
    for script in FAILING:
        case.conforms(
            await case.ask("Please fail.", script=script), openai_chat_checks.error_is_an_object_with_a_message
        )


@requirement("AIS-01", "AIS-02", "AIS-03", "AIS-04")
async def test_parts_are_those_of_the_ai_sdk(case: Case) -> None:
    """An ordinary reply."""
    case.conforms(await case.ask(), ai_sdk_checks.STREAM_CHECKS)


@requirement("AGU-01", "AGU-02", "AGU-03")
async def test_events_are_those_of_ag_ui(case: Case) -> None:
    """An ordinary reply."""
    thread = case.lane.new_session()
    reply = await case.ask(session=thread)
    asked = {"threadId": thread, "runId": reply.case}
    case.conforms(reply, ag_ui_checks.STREAM_CHECKS, ag_ui_checks.ids_are_those_asked_for(asked))


@requirement("AGU-01")
async def test_a_failed_run_has_an_end_as_well(case: Case) -> None:
    """The provider fails during the reply."""
    if case.lane.provider:
        case.conforms(await case.ask("Please fail.", script="error-mid"), ag_ui_checks.run_begins_and_ends)
