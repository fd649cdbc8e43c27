"""REQ: the request as ordinary, older and odd clients write it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import product
from urllib.parse import quote

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.clients import accepted
from chatproof.conformance.suite.exceptions import NotApplicable, without
from chatproof.conformance.suite.lane import STREAM
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.provider import upstream_texts
from chatproof.conformance.suite.together import together
from chatproof.harness.client.connection import TcpConnection
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.client.manner import USUAL, Manner
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, SESSIONS_PATH
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import OWN_API, Profile
from chatproof.harness.protocol.transcript import End, Transcript

TEXT = "Please say hello to Zoë."
IN_A_LETTER = "ë".encode()  # a packet that ends behind its first byte
CONTENT_TYPE = "Content-Type"
# Lists in lists: more than a parser that recurses bears, in a body of less than 100 KB; and as many as a fast parser
# bears, but not whoever copies or prints what it gives.
DEPTH, LESS_DEEP = 20_000, 2_000


@dataclass(frozen=True, slots=True)
class Form:
    """How a client writes its request, with its name for messages. `refusals`: the status codes that refuse it
    properly."""

    what: str
    manner: Manner = USUAL
    content_type: str = "application/json"
    query: str = ""
    refusals: tuple[HTTPStatus, ...] = ()

    def of(self, request: HttpRequest) -> HttpRequest:
        """The request in this form."""
        headers = tuple((name, self.content_type if name == CONTENT_TYPE else text) for name, text in request.headers)
        return replace(request, path=request.path + self.query, headers=headers, manner=self.manner)


# Who sends this to `/api/chat` may get a stream, or 406.
OF_A_STREAM = Form("`Accept: text/event-stream`", Manner(accept="text/event-stream"))
ORDINARY = (
    Form("`Accept: */*`", Manner(accept="*/*")),
    OF_A_STREAM,
    Form("no Accept header", Manner(accept=None)),
    Form("`Content-Type: application/json; charset=utf-8`", content_type="application/json; charset=utf-8"),
    Form("`Content-Type: application/json;charset=UTF-8`", content_type="application/json;charset=UTF-8"),
    Form("the names of all headers in small letters", Manner(in_small_letters=True)),
    Form("a query string in the URL", query="?v=2&lang=en"),
)
HEADERS_ALONE = "a body that comes in two packets behind the headers"
BODY_CUT = "a body whose first part comes with the headers, and the rest in a second packet"
OLDER = (
    Form(
        "a chunked body (`Transfer-Encoding: chunked`)",
        Manner(is_chunked=True),
        refusals=(HTTPStatus.LENGTH_REQUIRED, HTTPStatus.NOT_IMPLEMENTED),
    ),
    Form(
        "HTTP/1.0",
        Manner(version="1.0"),
        refusals=(HTTPStatus.BAD_REQUEST, HTTPStatus.UPGRADE_REQUIRED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
    ),
    Form("`Expect: 100-continue`", Manner(holds_back=True), refusals=(HTTPStatus.EXPECTATION_FAILED,)),
)
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
BROKEN_PATHS = ("%", "%zz", "%E0%A4%A", "%ff%fe")  # a percent sign without two digits, and bytes that are no UTF-8
# What a client, or somebody between it and the server, may have got wrong in a header that most servers do not need.
ODD_HEADERS = (
    ("Cookie", "theme=%E0%A4%A; =; a b=c"),
    ("X-Forwarded-For", "unknown, 10.0.0.300:x, _hidden"),
    ("Forwarded", 'for="_mdn";;by'),
    ("Accept-Language", "x;q=high, *;q=, -"),
    ("Accept", "text;q=x, ;;"),
    ("Traceparent", "00-zz-1-"),
    ("If-Modified-Since", "yesterday"),
    ("Range", "bytes=b-a"),
)
LONG_NUMBER = b"7" * 5_000  # more digits than some languages read
CREDENTIALS = {  # by names that no redaction takes for secrets
    "a word that is no token": "Bearer abc",
    "a scheme alone": "Bearer",
    "a token of three letters": "Bearer a.b.c",
    "a token of three empty lists": "Bearer W10.W10.W10",
    "a name and a password": "Basic dXNlcjpwYXNzd29yZA==",
}


async def routes(case: Case) -> dict[str, Transcript]:
    """The routes that take a message, each with the reply to an ordinary request. One that serves none is left out.

    Raises NotTestable where the stream is not served: then no form of request can be judged.
    """
    if not ask_of(case)[1].body:
        raise NotApplicable("an ask of this api has no body")
    usual = {STREAM: await ask_in(case, Form("an ordinary request"), STREAM)}
    if not is_served(case, usual[STREAM], STREAM):
        reply = usual[STREAM]
        raise without(reply, f"an ordinary request is not served: {told(reply)}")
    if not case.lane.undeclared("CHAT-01"):
        usual[CHAT_PATH] = await ask_in(case, Form("an ordinary request"), CHAT_PATH)
    return {path: reply for path, reply in usual.items() if is_served(case, reply, path)}


def ask_of(case: Case, path: str = STREAM, text: str = TEXT) -> tuple[str, HttpRequest]:
    """A case id, and an ordinary request that carries it."""
    name = case.lane.new_case()
    return name, case.lane.request(case.lane.conversation(text, "hello", name), path)


async def ask_in(case: Case, form: Form, path: str) -> Transcript:
    """Ask in a form, as a client that the server has not seen before, and give the whole answer."""
    name, request = ask_of(case, path)
    answer = await case.request(form.of(request), case.lane.budget.addresses.fresh())
    answer.case = name
    return answer


def is_served(case: Case, reply: Transcript, path: str) -> bool:
    """Whether it has status 200 and is a whole reply."""
    return reply.status == 200 and bool(accepted(case, path, [reply]))


def told(answer: Transcript) -> str:
    """What came, in a few words."""
    if answer.status == 200 and not answer.messages:
        return f"status 200 and no event, but {answer.header('content-type')}: {shown(answer.body, 200)}"
    return answer.outcome()


def at(path: str) -> str:
    """How a message begins that speaks of one of two routes."""
    return "" if path == STREAM else f"POST {path} "


async def is_asked_in_full(case: Case, reply: Transcript) -> bool:
    """Whether the provider got the message letter for letter; true where the provider cannot be seen."""
    if case.lane.provider is None or (entry := await case.lane.provider.asked(reply)) is None:
        return True
    sent = case.lane.message(TEXT, "hello", reply.case)
    return any(sent in one for one in upstream_texts(entry.body))


async def judge_form(case: Case, requirement_id: str, form: Form, usual: Transcript, path: str) -> None:
    """Judge that a request in a form is served like the usual one, or refused as it may be."""
    reply = await ask_in(case, form, path)
    if reply.status in form.refusals:
        case.holds(requirement_id, True, "", "")
        return
    what, expected = f"{at(path)}with {form.what}", "status 200 and a whole reply"
    kept, seen = is_served(case, reply, path), f"{what}: {told(reply)}"
    if form.refusals:
        expected += f", or status {' or '.join(str(int(one)) for one in form.refusals)}"
    if kept and not await is_asked_in_full(case, reply) and await is_asked_in_full(case, usual):
        kept, seen = False, f"{what}: the provider got another text than {shown(TEXT)}"
    elif kept and reply.end is not End.COMPLETE and usual.end is End.COMPLETE:
        kept, seen = False, f"{what}: {told(reply)}; the answer to an ordinary request ends properly"
    case.holds(requirement_id, kept, seen, expected, reply)


@requirement("REQ-12")
async def test_ordinary_clients_are_served(case: Case) -> None:
    """The forms that fetch, curl, axios, Node and a network write."""
    usual = await routes(case)
    inside = ask_of(case)[1].body.index(IN_A_LETTER) + 1
    cut = (Form(HEADERS_ALONE, Manner(packets=(0, inside))), Form(BODY_CUT, Manner(packets=(inside,))))
    for path, form in product(usual, (*ORDINARY, *cut)):
        if path == STREAM or form is not OF_A_STREAM:
            await judge_form(case, "REQ-12", form, usual[path], path)


@requirement("REQ-12")
async def test_a_kept_connection_serves_again(case: Case) -> None:
    """Three asks, one after the other, on one connection where the server leaves it open."""
    await routes(case)
    connection: TcpConnection | None = None
    served = waits = 0
    while served < 3:
        answer, connection = await case.on_kept(connection, ask_of(case)[1])
        if await case.refused_for_now(answer, waits):
            waits += 1
            continue
        seen = f"ask {served + 1} on a connection that was left open: {told(answer)}"
        if not case.holds("REQ-12", is_served(case, answer, STREAM), seen, "a whole reply", answer):
            return
        served += 1


@requirement("REQ-13")
async def test_less_ordinary_requests_are_served_or_refused(case: Case) -> None:
    """A chunked body, HTTP/1.0, and a body that is held back."""
    usual = await routes(case)
    for path, form in product(usual, OLDER):
        await judge_form(case, "REQ-13", form, usual[path], path)


def _without(request: HttpRequest, name: str) -> list[tuple[str, str]]:
    """A request's headers without one of them."""
    return [one for one in request.headers if one[0] != name]


def odd_requests(case: Case, path: str) -> list[tuple[str, HttpRequest]]:
    """POSTs that a server may answer or refuse, with their names for messages."""

    def ask(text: str = TEXT) -> HttpRequest:
        return ask_of(case, path, text)[1]

    def with_body(body: bytes) -> HttpRequest:
        return replace(ask(), body=body)

    def nested(depth: int) -> bytes:
        return b"[" * depth + b"]" * depth

    null_id = case.lane.conversation(TEXT, "hello", case.lane.new_case(), f"{case.lane.new_session()}\0x")

    def with_type(value: str) -> HttpRequest:
        return Form("", content_type=value).of(ask())

    field = b'{"message": ' if case.lane.api.name == OWN_API else b'{"messages": '
    return [
        *(
            (f"a field of {depth} nested lists", with_body(ask().body[:-1] + b', "extra": ' + nested(depth) + b"}"))
            for depth in (LESS_DEEP, DEPTH)
        ),
        (f"a `message` of {DEPTH} nested lists", with_body(field + nested(DEPTH) + b"}")),
        (
            f"a `session_id` of {DEPTH} nested lists",
            with_body(ask().body[:-1] + b', "session_id": ' + nested(DEPTH) + b"}"),
        ),
        ("a NUL in `message`", ask("Please\0 say hello.")),
        ("a NUL in the conversation's id", case.lane.request(null_id, path)),
        ("a byte order mark before the body", with_body(b"\xef\xbb\xbf" + ask().body)),
        ("a field of 5,000 digits", with_body(ask().body[:-1] + b', "extra": ' + LONG_NUMBER + b"}")),
        ("a field of 1e999", with_body(ask().body[:-1] + b', "extra": 1e999}')),
        ("a charset that nobody knows", with_type("application/json; charset=klingon")),
        ("a charset without a name", with_type("application/json; charset=")),
        *(
            (
                f"the header {name} with {value!r}",
                replace(ask(), headers=(*(one for one in ask().headers if one[0] != name), (name, value))),
            )
            for name, value in ODD_HEADERS
        ),
        *(
            (f"an Authorization header with {what}", replace(ask(), headers=(*ask().headers, ("Authorization", value))))
            for what, value in CREDENTIALS.items()
        ),
    ]


@requirement("REQ-16")
async def test_odd_requests_get_no_5xx(case: Case) -> None:
    """Bodies and credentials that parsers do not expect."""
    for path in await routes(case):
        for what, request in odd_requests(case, path):
            answer = await case.request(request, case.lane.budget.addresses.fresh())
            if case.lane.provider is None and (answer.status or 0) >= 500:  # a real provider may fail at any time
                answer = await case.request(request, case.lane.budget.addresses.fresh())
            kept = answer.status is not None and answer.status < 500
            if answer.status == 200:
                kept = answer.end is End.COMPLETE or answer.terminal is not None
            case.holds("REQ-16", kept, f"{at(path)}{what}: {told(answer)}", "a reply or a 4xx", answer)


@requirement("REQ-16", of_document=True)
async def test_other_routes_give_no_5xx(case: Case) -> None:
    """Odd credentials and HEAD on each route, and DELETE of a session that is gone."""
    session, other = (case.lane.new_session() for _ in range(2))
    for name in (session, other):
        reply = await case.ask(session=name)
        if not is_served(case, reply, STREAM):
            raise without(reply, f"an ordinary request is not served: {told(reply)}")
    path = SESSIONS_PATH + quote(session, safe="")
    sockets = [HANDSHAKE] if Profile.SOCKETIO in case.lane.settings.profiles else []
    asks = [("GET", path), *(("GET", one) for one in sockets), ("DELETE", path)]
    for (method, route), (what, value) in product(asks, CREDENTIALS.items()):
        answer = await case.request(HttpRequest(method, route, headers=(("Authorization", value),)))
        kept = answer.status is not None and answer.status < 500
        seen = f"{method} {route} and an Authorization header with {what}: {answer.outcome()}"
        case.holds("REQ-16", kept, seen, "an answer below 500", answer)
    for method, broken in product(("GET", "DELETE"), BROKEN_PATHS):
        answer = await case.request(HttpRequest(method, SESSIONS_PATH + broken))
        kept = answer.status is not None and answer.status < 500
        seen = f"{method} {SESSIONS_PATH}{broken}: {answer.outcome()}"
        case.holds("REQ-16", kept, seen, "an answer below 500", answer)
    for route in (case.lane.api.path, CHAT_PATH, path):
        answer = await case.request(HttpRequest("HEAD", route))
        kept = answer.status is not None and (answer.status < 500 or answer.status == HTTPStatus.NOT_IMPLEMENTED)
        case.holds("REQ-16", kept, f"HEAD {route}: {answer.outcome()}", "an answer below 500, or 501", answer)
    first = [await case.request(HttpRequest("DELETE", path)) for _ in range(2)][1:]
    at_once = await together(*(case.request(HttpRequest("DELETE", SESSIONS_PATH + other)) for _ in range(2)))
    for what, answers in (("a second DELETE of a session", first), ("two DELETEs of a session at once", at_once)):
        for answer in answers:
            kept = answer.status is not None and answer.status < 500
            case.holds("REQ-16", kept, f"{what}: {answer.outcome()}", "an answer below 500", answer)
