"""CORS: what a browser lets a page of another origin do, by the Fetch standard (WHATWG, 3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.clients import exhausted, limit_of
from chatproof.conformance.suite.marks import requirement
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, SESSIONS_PATH, STREAM_PATH, body_of
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript

ASKED_HEADERS = ("authorization", "content-type")  # in this order and lower case, as browsers send them
ALLOW_ORIGIN = "access-control-allow-origin"
ALLOW_CREDENTIALS = "access-control-allow-credentials"


def origin_header(origin: str) -> tuple[tuple[str, str], ...]:
    """The header by which a browser names the page's origin."""
    return (("Origin", origin),)


async def preflight(case: Case, path: str, origin: str) -> Transcript:
    """Ask as a browser does before a POST of JSON with a token."""
    headers = (
        *origin_header(origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", ",".join(ASKED_HEADERS)),
    )
    return await case.request(HttpRequest("OPTIONS", path, headers=headers), case.lane.budget.addresses.fresh())


def posts(case: Case) -> list[str]:
    """The routes that take a POST."""
    return [STREAM_PATH, CHAT_PATH] if case.lane.shows(Profile.CHAT) else [STREAM_PATH]


async def answers_to(case: Case, origin: str) -> list[Transcript]:
    """An answer of each route to a page of `origin`: the stream, the session, /api/chat."""
    session, source, headers = case.lane.new_session(), case.lane.budget.addresses.fresh(), origin_header(origin)
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
    yield f"{'http' if scheme == 'https' else 'https'}://{parts.netloc}"
    yield f"{scheme}://{host}:{(parts.port or 8000) + 443}"
    if "." in host:
        yield allowed.replace(host, host.replace(".", "x"), 1)  # allowed where a dot in a pattern is not escaped


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
    """The stream, a session, /api/chat."""
    origin = case.lane.settings.allowed_origin
    for answer in await answers_to(case, origin):
        seen = f"{route_of(answer)}: status {answer.status}, {ALLOW_ORIGIN}: {answer.header(ALLOW_ORIGIN)}"
        case.holds("CORS-02", answer.header(ALLOW_ORIGIN) == origin, seen, f"{ALLOW_ORIGIN}: {origin}", answer)


@requirement("CORS-03")
async def test_no_other_origin_is_allowed(case: Case) -> None:
    """Other origins, `null`, and origins that look like the allowed one. If an answer names the allowed origin instead,
    a browser refuses it, so that is no fault."""

    async def look(origin: str) -> None:
        checks = [await preflight(case, path, origin) for path in posts(case)]
        for answer in [*checks, *await answers_to(case, origin)]:
            allowed, credentials = answer.header(ALLOW_ORIGIN), answer.header(ALLOW_CREDENTIALS)
            names = [name.strip() for name in (allowed or "").split(",")]
            bad = origin in names or ("*" in names and credentials == "true")
            told = f"{ALLOW_ORIGIN}: {allowed}, {ALLOW_CREDENTIALS}: {credentials}"
            seen = f"{route_of(answer)} to {origin}: {told}"
            case.holds("CORS-03", not bad, seen, "another origin or none, and no * with credentials", answer)

    await together(*(look(origin) for origin in other_origins(case.lane.settings.allowed_origin)))


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
