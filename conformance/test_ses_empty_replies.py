"""SES: what is kept of replies in which the model says nothing, or less than it would."""

from __future__ import annotations

from dataclasses import replace

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, without
from chatproof.conformance.suite.marks import over_both, requirement
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.conformance.suite.session_requests import object_of, said_by
from chatproof.conformance.suite.session_talk import SessionTalk
from chatproof.harness.protocol.apis.chat_stream.chat_stream import RESPONSE
from chatproof.harness.protocol.checks.err import is_http_error
from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

CUT = "length"
SHORT = ("empty", "refusal", CUT)
TROUBLE = "an empty reply, a refusal and a reply that ended for its length"


@over_both
@requirement("SES-18", "SES-15", of_document=True)
async def test_an_empty_reply_leaves_the_session_in_order(case: Case, transport: Transport) -> None:
    """The model says nothing, refuses, and is cut off; then one more message."""
    talk = SessionTalk(case, transport)
    await talk.open()
    for script in SHORT:
        reply = await ask_for(talk, script)
        if reply.terminal is None and not is_http_error(reply):
            raise without(reply, f"{case.provider.does(script)} has no end (END-09, END-10): {reply.outcome()}")
    await judge_next(talk)


@requirement("SES-18", "SES-15", "CHAT-01", "CHAT-02", "CHAT-03", of_document=True)
async def test_an_empty_plain_answer_leaves_the_session_in_order(case: Case) -> None:
    """The same over /api/chat, whose answers hold a text or tell an error."""
    needs_a_later_revision(case)
    case.needs_provider()
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable("profile chat is not declared, or not shown")
    talk = SessionTalk(case, None)
    await talk.say("Please say hello.")
    for script in SHORT:
        judge_answer(case, script, await ask_for(talk, script))
    await judge_next(talk)
    for row in {"CHAT-02", "CHAT-03"} - {record.id for record in case.records}:
        case.keep(row, [], None)


async def ask_for(talk: SessionTalk, script: str) -> Transcript:
    """Ask in a session for a short reply. A server may keep an exchange in which the model said nothing, or not."""
    reply = await talk.ask("Please go on.", script, talk.case.lane.budget.deadlines)
    if script != CUT:
        talk.exchanges[-1] = replace(talk.exchanges[-1], is_whole=False)
    return reply


def judge_answer(case: Case, script: str, answer: Transcript) -> None:
    """Judge an answer of /api/chat: 200 with a text, or an error in JSON."""
    seen = f"after {case.provider.does(script)}: {said_by(answer)}"
    if not case.holds("CHAT-01", not answer.is_unanswered, seen, "an answer", answer):
        return
    if answer.status == 200:
        response = object_of(answer).get(RESPONSE)
        kept = isinstance(response, str) and not same_words(response, case.provider.text("hello"))
        expected = "`response` as a string, if only an empty one, but not the reply before; or an error"
        case.holds("CHAT-02", kept, seen, expected, answer)
    else:
        told = is_http_error(answer) and answer.error_text is not None
        case.holds("CHAT-03", told, seen, "4xx or 5xx and JSON with a string `error`", answer)


async def judge_next(talk: SessionTalk) -> None:
    """Send one more message: it must be answered, and what the provider gets with it must be in order."""
    case = talk.case
    reply = await talk.ask("Where were we?")
    if not (kept := talk.exchanges[-1].is_whole):
        plain = SessionTalk(case, talk.over)
        await plain.open()
        for _ in range(2):
            await plain.say("Please say hello.")
    case.holds("SES-15", kept, f"the exchange after {TROUBLE}: {reply.outcome()}", "a whole reply", reply)
    if await case.provider.entries(reply):
        await talk.judge("SES-18", TROUBLE, reply, may_fill_in=True)
    else:
        case.cannot_judge("SES-18", f"the provider was not asked after {TROUBLE}: {reply.outcome()}")
