"""ERR: errors."""

from __future__ import annotations

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable
from chatproof.conformance.suite.lane import FRESH
from chatproof.conformance.suite.marks import When, over_both, requirement
from chatproof.conformance.suite.odd_replies import CUT_LATE
from chatproof.conformance.suite.odd_requests import JSON
from chatproof.conformance.suite.provider import CUTS, RETRIES, messages_of
from chatproof.conformance.suite.revisions import NOT_LOOKED_AT, is_first_revision, needs_a_later_revision
from chatproof.conformance.suite.silence import judge_silence
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, SESSIONS_PATH, body_of
from chatproof.harness.protocol.checks import err, sse
from chatproof.harness.protocol.checks.history import empty_messages
from chatproof.harness.protocol.checks.later import of_place
from chatproof.harness.protocol.checks.tok import same_words, words_are, words_begin
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import End, Transcript, Transport

REFUSED_FOR = 25.0  # seconds, longer than such a client tries

RESET_AT_ONCE = 'about = "A reset instead of an answer."\n[[steps]]\nfault = "reset"\n'

ENDED_AFTER_ALL = """
about = "{about}, then an error object in the stream, and the usual end mark."
[timing]
inter_token_ms = 5
{steps}
[[steps]]
fault = "error"
end_mark = true
"""
ALTHOUGH_200 = 'about = "Status 200, and a JSON error as the body."\n[[steps]]\nfault = "status"\nstatus = 200\n'
AS_IF_ALL_WERE_WELL = {
    "error-with-200": ALTHOUGH_200,
    "error-at-once-then-end": ENDED_AFTER_ALL.format(about="No token", steps=""),
    "error-then-end": ENDED_AFTER_ALL.format(about="Two tokens", steps='[[steps]]\ntokens = ["All", " is"]'),
}

OF_LAST_BYTES = (sse.nothing_between_events, sse.ends_after_terminal, sse.framing_is_sound)

BEFORE_THE_FIRST_TOKEN = (
    "bad-key",
    "rate-limited",
    "server-error",
    "overloaded",
    "drop-start",
    "reset-start",
    "garbage",
)
IN_MID_REPLY = ("drop-mid", "cut-mid", "reset-mid", "malformed-mid", "error-mid")


def judge_error(case: Case, requirement_id: str, reply: Transcript, where: str = "") -> None:
    """Judge that a failed reply reports an error, and that the error shows no internals. `where`: what it was."""
    case.conforms(reply, err.fails_as_error(requirement_id, where))
    if reply.of(Kind.ERROR):
        case.conforms(reply, err.error_ends_the_reply)
    else:
        case.cannot_judge("ERR-01", f"no error event came: {reply.outcome()}")
    if reply.of(Kind.ERROR) or err.is_http_error(reply):
        case.conforms(reply, err.no_internals(case.lane.scene.key))


def judge_last_bytes(case: Case, reply: Transcript) -> None:
    """Judge that the stream of a failed reply ends as any other one, once its error event has come."""
    why = f"no error event came: {reply.outcome()}"
    if is_first_revision(case):
        why = NOT_LOOKED_AT
    elif reply.of(Kind.ERROR) and reply.end is End.RESET:
        seen = "a reply that failed: the connection was reset behind the error event"
        case.holds("SSE-09", False, seen, "a body that ends as its framing says", reply)
    elif reply.of(Kind.ERROR):
        case.conforms(reply, *(of_place("a reply that failed", one) for one in OF_LAST_BYTES))
    judged = {record.id for record in case.records}
    for row in {one.id for one in OF_LAST_BYTES} - judged:
        case.cannot_judge(row, why)


async def failing_reply(case: Case, script: str, session: str | None = "") -> Transcript:
    """Ask for a script that fails."""
    case.needs_provider()
    if script == "reset-start":
        await case.provider.register(script, RESET_AT_ONCE)
    return await case.ask_once("Please fail.", script=script, session=session, deadlines=RETRIES)


@pytest.mark.parametrize("script", BEFORE_THE_FIRST_TOKEN)
@requirement("ERR-02", "ERR-01", *(one.id for one in OF_LAST_BYTES))
async def test_a_failure_before_the_first_token_is_an_error(case: Case, script: str) -> None:
    """The server reports it as an error event or by status; never as a token or a completion."""
    reply = await failing_reply(case, script)
    case.conforms(reply, err.fails_as_error("ERR-02"), err.no_tokens("ERR-02"))
    if reply.of(Kind.ERROR) and not is_first_revision(case):
        case.conforms(reply, err.error_ends_the_reply)
    else:
        case.cannot_judge("ERR-01", f"there is no error event to look at: {reply.outcome()}")
    judge_last_bytes(case, reply)


@requirement("ERR-02", when=When.ALONE)
async def test_a_provider_that_refuses_connections_is_an_error(case: Case) -> None:
    """Nobody listens at the provider's address."""
    async with case.provider.refusing(REFUSED_FOR):
        reply = await failing_reply(case, "hello")
    case.conforms(reply, err.fails_as_error("ERR-02"), err.no_tokens("ERR-02"))


@pytest.mark.parametrize("script", IN_MID_REPLY)
@requirement("ERR-01", "ERR-03", "ERR-04", *(one.id for one in OF_LAST_BYTES))
async def test_a_failure_in_mid_reply_is_an_error(case: Case, script: str) -> None:
    """The error follows the tokens that came; there is no completion."""
    reply = await failing_reply(case, script)
    judge_error(case, "ERR-03", reply)
    judge_last_bytes(case, reply)
    if not any(record.id == "ERR-04" for record in case.records):
        case.cannot_judge("ERR-04", f"no error came: {reply.outcome()}")
    said = case.provider.text(script)
    # what was written just before a reset may be lost on its way to the server
    whole = words_are(said, "ERR-03", CUTS.get(script))
    case.conforms(reply, words_begin(said, "ERR-03") if script == "reset-mid" else whole)


@requirement("ERR-03", "ERR-02")
async def test_a_failure_is_an_error_wherever_it_comes(case: Case) -> None:
    """Behind a long text that looks finished, and in later exchanges of a session, in mid-reply and before that."""
    needs_a_later_revision(case)
    await case.provider.register("cut-late", CUT_LATE)
    session = case.lane.new_session()
    first = await case.ask(session=session)
    cuts = {"cut-late": ("behind a long text", FRESH)}
    if case.lane.succeeded(first):  # else another row says so
        cuts["drop-mid"] = ("in the second exchange of a session", session)
    for script, (where, place) in cuts.items():
        reply = await failing_reply(case, script, place)
        said = words_are(case.provider.text(script), "ERR-03")
        case.conforms(reply, err.fails_as_error("ERR-03", f"{where}: "), of_place(where, said))
    reply, where = await failing_reply(case, "bad-key", session), "in a later exchange of a session"
    case.conforms(reply, err.fails_as_error("ERR-02", f"{where}: "), of_place(where, err.no_tokens("ERR-02")))


@over_both
@requirement("ERR-08")
async def test_an_error_is_one_although_all_else_looks_well(case: Case, transport: Transport) -> None:
    """The provider puts an error object into the stream and then ends it as it ends every reply, or answers 200."""
    case.needs_provider()
    await case.provider.add(AS_IF_ALL_WERE_WELL)
    for script in AS_IF_ALL_WERE_WELL:
        reply = await case.ask_once("Please fail.", script=script, over=transport, deadlines=RETRIES)
        case.conforms(reply, err.fails_as_error("ERR-08", f"after {case.provider.does(script)}: "))


@requirement("ERR-08")
async def test_an_error_is_no_answer_although_all_else_looks_well(case: Case) -> None:
    """The same where the answer comes in one piece, for a server that asks its provider for a stream."""
    case.needs_provider()
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable(f"the server shows no {CHAT_PATH}")
    await case.provider.add(AS_IF_ALL_WERE_WELL)
    for script in AS_IF_ALL_WERE_WELL:
        answer = await case.ask_plain("Please fail.", script=script, deadlines=RETRIES)
        if (entry := await case.provider.asked(answer)) is None or not entry.stream:
            continue
        got = f"status 200 with {shown(answer.body, 200)}" if answer.status == 200 else answer.outcome()
        kept = err.is_http_error(answer) or answer.error_text is not None
        case.holds("ERR-08", kept, f"{CHAT_PATH} after {case.provider.does(script)}: {got}", "an error", answer)
    if not case.records:
        raise NotApplicable(f"{CHAT_PATH} does not ask its provider for a stream")


@requirement("ERR-04")
async def test_refusals_show_no_internals(case: Case) -> None:
    """The answer to a bad request shows no traceback, path or key."""
    session, odd = case.lane.new_session(), {"$gt": ""}
    for body in (body_of(session_id=session), body_of(5, session), body_of(odd, session), body_of(odd, odd)):
        answer = await case.post(body)
        if err.is_http_error(answer) or answer.of(Kind.ERROR):
            case.conforms(answer, err.no_internals(case.lane.scene.key))
    asks = [HttpRequest(method, SESSIONS_PATH + case.lane.new_session()) for method in ("GET", "DELETE")]
    asks += [
        HttpRequest("POST", case.lane.api.path, body, JSON) for body in (b"", b"{not json", b'{"message": "caf\xe9"}')
    ]
    for request in asks:
        answer = await case.request(request)
        if err.is_http_error(answer):
            case.conforms(answer, err.no_internals(case.lane.scene.key))
    if not case.records:
        case.cannot_judge("ERR-04", "no request was refused")


@pytest.mark.parametrize("script", ["bad-key", "server-error", "rate-limited", "drop-start", "garbage"])
@requirement("ERR-04")
async def test_provider_errors_show_no_internals(case: Case, script: str) -> None:
    """The answer to a provider's failure shows no traceback, path or key."""
    reply = await failing_reply(case, script)
    case.conforms(reply, err.no_internals(case.lane.scene.key))


@over_both
@pytest.mark.parametrize("script", ["server-error", "cut-mid", "malformed-mid"])
@requirement("ERR-05")
async def test_the_next_request_succeeds(case: Case, script: str, transport: Transport) -> None:
    """After a provider's failure, in the same session and in another."""
    session = case.lane.new_session()
    await case.ask_once("Please fail.", script=script, session=session, over=transport, deadlines=RETRIES)
    for where in (session, case.lane.new_session()):
        reply = await case.ask(session=where, over=transport)
        kept = case.lane.succeeded(reply) and same_words(reply.text, case.provider.text("hello"))
        after = f"after {case.provider.does(script)}"
        if case.holds("ERR-05", kept, f"{after}: {reply.outcome()}", "the whole reply", reply):
            history = messages_of(await case.provider.asked(reply))
            case.keep("ERR-05", [*empty_messages(history)], reply)


@pytest.mark.parametrize("script", ["stall", "silent"])
@requirement("ERR-06", when=When.AFTER_SOCKETS)
async def test_a_silent_provider_ends_in_an_error(case: Case, script: str) -> None:
    """The error comes within the provider timeout of the provider's last byte."""
    await judge_silence(case, "ERR-06", script, Transport.SSE)
