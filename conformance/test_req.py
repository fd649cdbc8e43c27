"""REQ: the request, `POST /api/chat/stream`."""

from __future__ import annotations

import json

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import When, requirement
from chatproof.conformance.suite.odd_requests import JSON, no_objects, odd_bodies, refused, without_message
from chatproof.conformance.suite.provider import upstream_texts
from chatproof.harness.client.http import Deadlines, HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import STREAM_PATH, body_of
from chatproof.harness.protocol.checks.err import is_http_error
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.transcript import End, Transcript

MEGABYTES = 10
LARGE_BODY_TIME = 10.0

BLANK = ("", "   ", "\n\t ")
TEXTS = (
    "\"double\" 'single' `back` (round) [square] {curly} <angle>",
    "$HOME; ls & cat | grep $x \\ %s %d {} {{name}} #tag @user ~ ^ * ? !",
    "first line\nsecond line\n\nfourth line\tafter a tab",
    "café naïve Ærø Straße ¿qué? Ελληνικά русский 你好世界 こんにちは 안녕하세요 مرحبا שלום",
    "emoji 🙂 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 and e\u0301 decomposed",
    ("word and more " * 143)[:1950],
    "नमस्ते! आप कैसे हैं? आज का मौसम बहुत अच्छा है।",
    "See https://example.org/a/b.html?q=1&lang=en#top, please.",
    "What is 3 * 4? And is 12 > 11?",
)


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
    for text in TEXTS:
        reply = await case.ask(text)
        if is_http_error(reply) or case.lane.provider is None:
            await judge_not_refused(case, text, reply)
            continue
        sent = case.lane.message(text, "hello", reply.case).strip()
        entry = await case.provider.asked(reply)
        got = upstream_texts(entry.body) if entry else []
        nearest = next((f"the provider got {one!r}" for one in got if reply.case in one), "")
        seen = nearest or f"the provider got no request with the case of this message: {reply.outcome()}"
        case.holds("REQ-07", any(sent in one for one in got), seen, repr(sent), reply)


async def judge_not_refused(case: Case, text: str, reply: Transcript) -> None:
    """Judge that an ordinary text is answered, where an ordinary sentence is: a real provider may fail at any time."""
    if is_http_error(reply):
        again, plain = await case.ask(text), await case.ask()
        if not is_http_error(again) or not case.lane.succeeded(plain):
            case.cannot_judge("REQ-07", f"{shown(text)}: {reply.outcome()}, and then: {again.outcome()}")
            return
    case.holds("REQ-07", not is_http_error(reply), f"{shown(text)}: {reply.outcome()}", "an answer to any text", reply)


@requirement("REQ-08")
async def test_a_body_of_ten_megabytes_does_no_harm(case: Case) -> None:
    """It is refused or answered within 10 s, and the server goes on serving."""
    text = case.lane.message("a" * (MEGABYTES << 20), "hello", case.lane.new_case())
    body = json.dumps(body_of(text, case.lane.new_session())).encode()
    request = HttpRequest("POST", STREAM_PATH, body, JSON)
    allowed = case.lane.settings.allowed(LARGE_BODY_TIME)
    deadlines = Deadlines(silence=allowed, whole=allowed)
    answer = await case.request(request, deadlines=deadlines)
    for _ in range(2):  # closing right after the refusal can destroy it on its way: try again
        if answer.status is None:
            answer = await case.request(request, deadlines=deadlines)
    kept = refused(answer) or answered(answer)
    case.holds("REQ-08", kept, answer.outcome(), f"a 4xx or a reply within {allowed:g} s", answer)
    after = await case.ask()
    case.holds("REQ-08", case.lane.succeeded(after), f"afterwards: {after.outcome()}", "a reply", after)


@requirement("REQ-10")
async def test_odd_values_are_refused_or_answered(case: Case) -> None:
    """A `session_id` of another type, and lone surrogates."""
    for body in odd_bodies(case.lane):
        answer = await case.request(HttpRequest("POST", STREAM_PATH, str(body).encode(), JSON))
        kept = refused(answer) or answered(answer)
        case.holds("REQ-10", kept, f"{body}: {answer.outcome()}", "a 4xx or a reply", answer)


@requirement("REQ-09")
async def test_get_starts_nothing(case: Case) -> None:
    """Status 404 or 405, and the provider is not asked."""
    name = case.lane.new_case()
    query = f"?message=Please+say+hello.+scenario+hello+case+{name}&session_id={case.lane.new_session()}"
    answer = await case.request(HttpRequest("GET", STREAM_PATH + query), deadlines=Deadlines(silence=3, whole=5))
    case.holds("REQ-09", answer.status in (404, 405), answer.outcome(), "status 404 or 405", answer)
    if case.lane.provider and not is_http_error(answer):
        await case.ask()  # by the time this is answered, a generation for the GET would have begun
        begun = await case.provider.fakes.entries(name)
        case.holds("REQ-09", not begun, "the provider was asked", "no generation", answer)
