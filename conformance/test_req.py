"""REQ: the request, `POST /api/chat/stream`."""

from __future__ import annotations

import json

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, TooLate
from chatproof.conformance.suite.lane import STREAM
from chatproof.conformance.suite.marks import When, over_all, requirement
from chatproof.conformance.suite.odd_requests import JSON, no_objects, odd_bodies, refused, without_message
from chatproof.conformance.suite.ordinary_texts import is_refusal, judge_short, judge_texts, named_twice, prose, trouble
from chatproof.conformance.suite.revisions import is_first_revision
from chatproof.harness.client.http import Deadlines, HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, STREAM_PATH, body_of
from chatproof.harness.protocol.checks.err import is_http_error
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import OWN_API, Profile
from chatproof.harness.protocol.transcript import End, Transcript, Transport

MEGABYTES = 10
LARGE_BODY_TIME = 10.0

BLANK = ("", "   ", "\n\t ")
LARGE = (4, 16, 64)  # KB of a message
LARGEST_FRAME = 64  # KB that a socket must take at most: less is the limit of some WebSocket servers


def answered(answer: Transcript) -> bool:
    """Whether the answer is a stream that ended."""
    return answer.status == 200 and (answer.end is End.COMPLETE or answer.terminal is not None)


def judge_refusal(case: Case, requirement_id: str, what: str, answer: Transcript) -> None:
    """Judge that an answer is a 4xx and holds JSON with an error."""
    case.holds(requirement_id, refused(answer), f"{what}: {answer.outcome()}", "a 4xx status", answer)
    if refused(answer):
        seen = f"{what}: status {answer.status} with {shown(answer.body, 400)}"
        case.holds("REQ-05", answer.error_text is not None, seen, "JSON with a non-empty string `error`", answer)


@requirement("REQ-01")
async def test_a_message_is_answered_with_a_stream(case: Case) -> None:
    """Status 200, and something in the body."""
    reply = await case.ask()
    kept = reply.status == 200 and bool(reply.reads)
    case.holds("REQ-01", kept, reply.outcome(), "status 200 and a stream", reply)


@requirement("REQ-02", when=When.FIRST)
async def test_the_session_id_may_be_left_out(case: Case) -> None:
    """A request without `session_id` is answered with a stream, too."""
    reply = await case.ask(session=None)
    kept = reply.status == 200 and bool(reply.reads)
    case.holds("REQ-02", kept, reply.outcome(), "status 200 and a stream", reply)


@requirement("REQ-03", "REQ-05")
async def test_a_request_without_a_text_is_refused(case: Case) -> None:
    """`message` is missing, or has another type."""
    for body in without_message(case.lane):
        judge_refusal(case, "REQ-03", f"body {json.dumps(body)}", await case.post(body))
    judge_nothing_refused(case)


@requirement("REQ-04", "REQ-05")
async def test_a_body_that_is_no_object_is_refused(case: Case) -> None:
    """The body is empty, not JSON, not UTF-8, or not an object."""
    for body in no_objects(case.lane):
        answer = await case.request(HttpRequest("POST", STREAM_PATH, body, JSON))
        judge_refusal(case, "REQ-04", f"body {body!r}" if body else "an empty body", answer)
    judge_nothing_refused(case)


@requirement("REQ-06", "REQ-05")
async def test_a_blank_message_is_refused(case: Case) -> None:
    """`message` is empty or white space."""
    for text in BLANK:
        judge_refusal(case, "REQ-06", json.dumps(text), await case.post(body_of(text, case.lane.new_session())))
    judge_nothing_refused(case)


def judge_nothing_refused(case: Case) -> None:
    """Leave REQ-05 unjudged where no request was refused."""
    if not any(record.id == "REQ-05" for record in case.records):
        case.cannot_judge("REQ-05", "nothing was refused")


@requirement("REQ-07")
async def test_text_reaches_the_provider_unchanged(case: Case) -> None:
    """The provider's request holds the text letter for letter. Without the fakes: the text is at least not refused."""
    await judge_texts(case, "REQ-07", lambda text: case.ask(text, source=case.lane.budget.addresses.fresh()))
    if case.lane.api.name == OWN_API and not is_first_revision(case):
        await judge_short(case, "REQ-07")


@over_all
@requirement("REQ-11")
async def test_a_large_message_arrives_whole(case: Case, transport: Transport) -> None:
    """It reaches the provider whole and is answered, or the server refuses it."""
    for size in LARGE:
        text, front = named_twice(case, prose(size << 10))
        what = f"a message of {size} KB over {transport}"
        try:
            reply = await case.ask(text, over=transport, source=case.lane.budget.addresses.fresh())
        except TooLate as lost:  # the socket, while the message was sent
            judge_closed_socket(case, size, f"{what}: {lost}")
            continue
        if transport is not Transport.SSE and not reply.messages and reply.end is End.TRUNCATED:
            judge_closed_socket(case, size, f"{what}: {reply.outcome()}", reply)
            continue
        await judge_large(case, what, text, front, reply)


@requirement("REQ-11")
async def test_a_large_message_to_chat_arrives_whole(case: Case) -> None:
    """The same where the answer comes in one piece."""
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable(f"the server shows no {CHAT_PATH}")
    for size in LARGE:
        text, front = named_twice(case, prose(size << 10))
        answer = await case.ask_plain(text, source=case.lane.budget.addresses.fresh())
        await judge_large(case, f"a message of {size} KB to {CHAT_PATH}", text, front, answer)


def judge_closed_socket(case: Case, size: int, seen: str, reply: Transcript | None = None) -> None:
    """Judge that the server closed the socket to a message: WebSocket servers have a limit of their own."""
    expected = (
        f"a reply, or `chat_stream_error`; only messages of {LARGEST_FRAME} KB and more may be too long for a socket"
    )
    case.holds("REQ-11", size >= LARGEST_FRAME, seen, expected, reply)


async def judge_large(case: Case, what: str, text: str, front: str, reply: Transcript) -> None:
    """Judge that a message was refused, or reached the provider whole and was answered."""
    is_refused = refused(reply) if reply.status else is_refusal(reply)
    seen = "" if is_refused else await trouble(case, text, reply, front)
    is_whole = case.lane.succeeded(reply) or (answered(reply) and not reply.messages)  # the latter from `CHAT_PATH`
    if not is_refused and not seen and not is_whole:
        seen = f"the provider got it whole, and then: {reply.outcome()}"
    case.holds("REQ-11", not seen, f"{what}: {seen}", "the whole message at the provider, or a 4xx", reply)


@requirement("REQ-08")
async def test_a_body_of_ten_megabytes_does_no_harm(case: Case) -> None:
    """It is refused or answered within 10 s, and the server goes on serving."""
    large = case.lane.conversation("a" * (MEGABYTES << 20), "hello", case.lane.new_case())
    request = case.lane.request(large, STREAM)
    allowed = case.lane.settings.allowed(LARGE_BODY_TIME)
    deadlines = Deadlines(silence=allowed, whole=allowed)
    answer = await case.request(request, deadlines=deadlines)
    for _ in range(2):  # closing right after the refusal can destroy it on its way: try again
        if answer.status is None:
            answer = await case.request(request, deadlines=deadlines)
    kept = refused(answer) or answered(answer) or is_long(answer)
    case.holds("REQ-08", kept, answer.outcome(), f"a 4xx or a reply within {allowed:g} s", answer)
    after = await case.ask()
    case.holds("REQ-08", case.lane.succeeded(after), f"afterwards: {after.outcome()}", "a reply", after)


def is_long(answer: Transcript) -> bool:
    """Whether it is a reply that is longer than what we read: a server may repeat the message in it, as AG-UI's
    `RUN_STARTED` may repeat the whole request."""
    return answer.status == 200 and answer.end is End.TOO_LARGE


@requirement("REQ-10")
async def test_odd_values_are_refused_or_answered(case: Case) -> None:
    """A `session_id` of another type, and lone surrogates."""
    for body in odd_bodies(case.lane):
        answer = await case.request(HttpRequest("POST", STREAM_PATH, str(body).encode(), JSON))
        kept = refused(answer) or answered(answer)
        case.holds("REQ-10", kept, f"{body}: {answer.outcome()}", "a 4xx or a reply", answer)


@requirement("REQ-09")
async def test_get_starts_nothing(case: Case) -> None:
    """Status 403, 404 or 405, and the provider is not asked."""
    name = case.lane.new_case()
    query = f"?message=Please+say+hello.+scenario+hello+case+{name}&session_id={case.lane.new_session()}"
    answer = await case.request(HttpRequest("GET", STREAM_PATH + query), deadlines=Deadlines(silence=3, whole=5))
    case.holds("REQ-09", answer.status in (403, 404, 405), answer.outcome(), "status 403, 404 or 405", answer)
    if case.lane.provider and not is_http_error(answer):
        await case.ask()  # by the time this is answered, a generation for the GET would have begun
        begun = await case.provider.fakes.entries(name)
        case.holds("REQ-09", not begun, "the provider was asked", "no generation", answer)
