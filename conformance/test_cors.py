"""CORS: what a browser lets a page of another origin do, by the Fetch standard (WHATWG, 3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from urllib.parse import urlsplit

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.clients import exhausted, limit_of
from chatproof.conformance.suite.exceptions import NotTestable, TooLate
from chatproof.conformance.suite.marks import over_each_socket, requirement
from chatproof.conformance.suite.owned_sessions import two_users
from chatproof.conformance.suite.revisions import is_first_revision
from chatproof.conformance.suite.together import together
from chatproof.harness.client.engineio_transports import PATH
from chatproof.harness.client.http import Deadlines, HttpRequest
from chatproof.harness.client.introduction import ALLOW_ORIGIN, Introduction
from chatproof.harness.protocol.apis.api import Headers
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, SESSIONS_PATH, STREAM_PATH, body_of
from chatproof.harness.protocol.apis.turns import bearer
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

ASKED_HEADERS = ("authorization", "content-type")  # in this order and lower case, as browsers send them
FAILURES = ("server-error", "drop-start", "garbage", "cut-mid")  # what a server may have forgotten to handle
HANDSHAKE = f"{PATH}polling"
COMPRESSED = (("Accept-Encoding", "gzip, deflate, br"),)  # as every browser asks
ALLOW_CREDENTIALS = "access-control-allow-credentials"


def origin_header(origin: str | None) -> tuple[tuple[str, str], ...]:
    """The header by which a browser names the page's origin; none where it names none."""
    return (("Origin", origin),) if origin else ()


async def preflight(case: Case, path: str, origin: str, method: str = "POST") -> Transcript:
    """Ask as a browser does before a POST of JSON with a token."""
    headers = (
        *origin_header(origin),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", ",".join(ASKED_HEADERS)),
    )
    return await case.request(HttpRequest("OPTIONS", path, headers=headers), case.lane.budget.addresses.fresh())


def posts(case: Case) -> list[str]:
    """The routes that take a POST."""
    return [STREAM_PATH, CHAT_PATH] if case.lane.shows(Profile.CHAT) else [STREAM_PATH]


async def answers_to(case: Case, origin: str | None, more: Headers = ()) -> list[Transcript]:
    """An answer of each route to a page of `origin`: the stream, the session, /api/chat."""
    session, source, headers = case.lane.new_session(), case.lane.budget.addresses.fresh(), origin_header(origin) + more
    stream = await case.ask(session=session, headers=headers, source=source)
    found = [stream, await case.request(HttpRequest("GET", SESSIONS_PATH + session, headers=headers), source)]
    if CHAT_PATH in posts(case):
        found.append(await case.ask_plain(session=session, headers=headers, source=source))
    return found


def other_origins(allowed: str) -> Iterator[str]:
    """Origins that must not be allowed; some look like the allowed one."""
    parts = urlsplit(allowed)
    scheme, host = parts.scheme, parts.hostname or ""
    yield "https://evil.test"
    yield "null"
    yield f"{allowed}.evil.test"
    yield allowed.replace("://", "://evil", 1)
    yield allowed.replace("://", "://evil.", 1)
    yield f"{'http' if scheme == 'https' else 'https'}://{parts.netloc}"
    yield f"{scheme}://{host}:{(parts.port or 8000) + 443}"
    if "." in host:
        yield allowed.replace(host, host.replace(".", "x"), 1)  # allowed where a dot in a pattern is not escaped
    yield allowed[:-1]  # allowed where an origin is looked for inside the text of the list


@requirement("CORS-01")
async def test_a_preflight_from_the_allowed_origin_is_granted(case: Case) -> None:
    """Judged as a browser does: POST need not be listed, and `*` allows nothing where credentials are sent."""
    origin = case.lane.settings.allowed_origin
    for path in posts(case):
        answer = await preflight(case, path, origin)
        granted = answer.status is not None and 200 <= answer.status <= 299
        case.holds("CORS-01", granted, f"preflight to {path}: {answer.outcome()}", "a 2xx status", answer)
        if answer.is_unanswered:
            continue
        seen = answer.header(ALLOW_ORIGIN)
        case.holds("CORS-01", seen == origin, f"preflight to {path}: {ALLOW_ORIGIN}: {seen}", origin, answer)
        seen = answer.header(ALLOW_CREDENTIALS)
        case.holds("CORS-01", seen == "true", f"preflight to {path}: {ALLOW_CREDENTIALS}: {seen}", "true", answer)
        seen = answer.header("access-control-allow-headers")
        named = {name.strip().lower() for name in (seen or "").split(",")}
        expected = "both content-type and authorization by name"
        kept = named >= set(ASKED_HEADERS)
        case.holds("CORS-01", kept, f"preflight to {path}: access-control-allow-headers: {seen}", expected, answer)


@requirement("CORS-02")
async def test_answers_carry_the_allowed_origin(case: Case) -> None:
    """The stream, a session, /api/chat; also to a user, whom another part of the server may answer."""
    origin = case.lane.settings.allowed_origin
    answers, token = {"": await answers_to(case, origin)}, ""
    if case.lane.shows(Profile.AUTH) and not is_first_revision(case):
        with suppress(NotTestable):  # AUTH says that no tokens are known
            token = two_users(case)[0].token
    if token:
        answers[" with a token"] = await answers_to(case, origin, bearer(token))
    for how, found in answers.items():
        for answer in found:
            seen = f"{route_of(answer)}{how}: status {answer.status}, {ALLOW_ORIGIN}: {answer.header(ALLOW_ORIGIN)}"
            case.holds("CORS-02", answer.header(ALLOW_ORIGIN) == origin, seen, f"{ALLOW_ORIGIN}: {origin}", answer)


@requirement("CORS-03")
async def test_no_other_origin_is_allowed(case: Case) -> None:
    """Other origins, `null`, and origins that look like the allowed one. If an answer names the allowed origin instead,
    a browser refuses it, so that is no fault."""

    async def look(origin: str) -> None:
        checks = [await preflight(case, path, origin) for path in posts(case)]
        for answer in [*checks, *await answers_to(case, origin)]:
            judge_not_allowed(case, "CORS-03", answer, origin)

    await together(*(look(origin) for origin in other_origins(case.lane.settings.allowed_origin)))


def judge_not_allowed(case: Case, row: str, answer: Transcript, origin: str) -> None:
    """Judge that an answer does not let a page of `origin` read it with credentials."""
    allowed, credentials = answer.header(ALLOW_ORIGIN), answer.header(ALLOW_CREDENTIALS)
    names = [name.strip() for name in (allowed or "").split(",")]
    bad = origin in names or ("*" in names and credentials == "true")
    told = f"{ALLOW_ORIGIN}: {allowed}, {ALLOW_CREDENTIALS}: {credentials}"
    seen = f"{route_of(answer)} to {origin}: {told}"
    case.holds(row, not bad, seen, "another origin or none, and no * with credentials", answer)


@requirement("CORS-04")
async def test_error_answers_carry_the_allowed_origin(case: Case) -> None:
    """Without the header a page cannot read what it did wrong."""
    origin = case.lane.settings.allowed_origin
    headers, source = origin_header(origin), case.lane.budget.addresses.fresh()
    empty = body_of(session_id=case.lane.new_session())
    asks = [HttpRequest.json("POST", path, empty, headers) for path in posts(case)]
    asks += [
        HttpRequest("POST", path, b"{not json", (("Content-Type", "application/json"), *headers))
        for path in posts(case)
    ]
    asks.append(HttpRequest("GET", SESSIONS_PATH + case.lane.new_session(), headers=headers))
    asks.append(HttpRequest.json("POST", STREAM_PATH, empty, (*headers, ("Authorization", "Bearer a.b.c"))))
    errors = [await case.request(ask, source) for ask in asks]
    if Profile.LIMITS in case.lane.settings.profiles:
        client, _ = await exhausted(case, STREAM_PATH, limit_of(case, STREAM_PATH))
        errors += await client.send(1, headers=headers)
    errors = [answer for answer in errors if answer.is_unanswered or 400 <= (answer.status or 0) <= 499]
    for answer in errors:
        seen = f"{route_of(answer)}: status {answer.status}, {ALLOW_ORIGIN}: {shown(answer.header(ALLOW_ORIGIN))}"
        case.holds("CORS-04", answer.header(ALLOW_ORIGIN) == origin, seen, f"{ALLOW_ORIGIN}: {origin}", answer)
    if not errors:
        case.cannot_judge("CORS-04", "nothing was refused with a 4xx")


def route_of(answer: Transcript) -> str:
    """The method and the route of an answer, without its fresh names."""
    return re.sub(r"(/sessions/)\S+", r"\1ID", " ".join(answer.request.split(" ", 2)[:2]))


@over_each_socket
@requirement("CORS-05")
async def test_sockets_of_our_own_and_allowed_pages_are_accepted(case: Case, transport: Transport) -> None:
    """The client connects as in a browser on a page of the server itself, and on one of the allowed origin: it names
    the page's origin, and where that is another one, it reads only what CORS lets it read."""
    await case.connect(transport)  # else it is not the origin that the server refuses
    target = case.lane.target
    own = f"{target.scheme}://{target.authority}"
    for origin, whose in ((own, "the server's own origin"), (case.lane.settings.allowed_origin, "the allowed origin")):
        source, page = case.lane.budget.addresses.fresh(), Introduction(origin=origin)
        try:
            await case.connect(transport, source, introduction=page)
        except TooLate as refusal:
            seen = f"a page of {whose}, {origin}: {refusal}"
            case.holds("CORS-05", False, seen, "a connection, as without an Origin header")
        else:
            case.holds("CORS-05", True, "", "a connection")


@requirement("CORS-06")
async def test_sockets_of_other_pages_are_not_allowed(case: Case) -> None:
    """Preflights and handshakes over polling, for the origins of CORS-03. An answer that lets nobody read it is enough:
    browsers then keep it from the page, and a socket has no credentials but those that a page sends itself."""

    async def look(origin: str) -> None:
        for ask in (preflight(case, HANDSHAKE, origin, "GET"), handshake(case, origin)):
            judge_not_allowed(case, "CORS-06", await ask, origin)

    await together(*(look(origin) for origin in other_origins(case.lane.settings.allowed_origin)))


async def handshake(case: Case, origin: str) -> Transcript:
    """The first request of a socket over polling, from a page of another origin."""
    request = HttpRequest("GET", HANDSHAKE, headers=origin_header(origin))
    return await case.request(request, case.lane.budget.addresses.fresh())


@requirement("CORS-07")
async def test_failures_carry_the_headers_and_caches_are_told(case: Case) -> None:
    """Provider failures that the server answers with a 5xx; and answers with an Origin header beside those without one.
    Where the two allow different origins, the first depends on the header, and a cache must know that. They may be
    compressed, which is when some servers write a `Vary` of their own over the other."""
    origin = case.lane.settings.allowed_origin
    headers, answers = origin_header(origin), await answers_to(case, origin, COMPRESSED)
    if case.lane.provider:
        for path, script in product(posts(case), FAILURES):
            ask = case.ask_plain(script=script, headers=headers, path=path, deadlines=Deadlines(silence=30))
            answers.append(await ask)
    failures = [answer for answer in answers if answer.status and answer.status >= 500]
    for answer in failures:
        seen = f"{route_of(answer)}: status {answer.status}, {ALLOW_ORIGIN}: {answer.header(ALLOW_ORIGIN)}"
        case.holds("CORS-07", answer.header(ALLOW_ORIGIN) == origin, seen, f"{ALLOW_ORIGIN}: {origin}", answer)
    without = {route_of(answer): answer.header(ALLOW_ORIGIN) for answer in await answers_to(case, None, COMPRESSED)}
    for answer in answers:
        allowed, other = answer.header(ALLOW_ORIGIN), without[route_of(answer)]
        names = {name.strip().lower() for name in (answer.header("vary") or "").split(",")}
        seen = f"{route_of(answer)}: status {answer.status}, {ALLOW_ORIGIN}: {allowed}, and {other} without an Origin; "
        seen += f"vary: {answer.header('vary')}"
        kept = allowed in (None, "*", other) or bool(names & {"origin", "*"})
        case.holds("CORS-07", kept, seen, "vary: Origin", answer)
