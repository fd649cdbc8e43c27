"""PERF-05, PERF-06 and SES-21: several clients at once, and what is answered while a reply runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from urllib.parse import quote

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable, TooLate, without
from chatproof.conformance.suite.interruption import Moment
from chatproof.conformance.suite.lane import STREAM
from chatproof.conformance.suite.marks import over_all, requirement
from chatproof.conformance.suite.probe import NO_ROUTE
from chatproof.conformance.suite.replies import Stream
from chatproof.conformance.suite.session_requests import exchange
from chatproof.conformance.suite.timed_checks import PATIENCE
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import Deadlines, HttpRequest
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, SESSIONS_PATH
from chatproof.harness.protocol.checks.company import gets_its_own
from chatproof.harness.protocol.excerpts import counted
from chatproof.harness.protocol.findings import Late
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

FEW, MANY = 3, (8, 50)  # replies that run beside one more client
FIRST_TOKEN, TIMES_ALONE = 1.0, 3  # seconds to the first token, or three times what it takes alone, if that is more
BEGIN, BEGIN_EACH = 2.0, 0.06  # seconds in which all of them must have begun; more for each
TALK = 8.0  # seconds that they take, if nobody leaves them
LEFT_WITHIN = TALK + 1
FAST, SLOW = 0.1, 0.5  # seconds between two tokens of few replies, and of many
SOME = 30  # characters of few replies: enough to see that they do not mix
TRIES = 2  # and more on a busy machine
BUSY_TRIES = 3
NAMES = ("alpha", "beta", "gamma", "delta")  # each says its own, so that a mix-up shows
ANSWER = 3.0  # seconds in which a request is answered while a reply runs


def talk_of(name: str, pace: float) -> str:
    """A script that says nothing but its name, and a number, every `pace` seconds."""
    words = ", ".join(f'"{name}{number} "' for number in range(int(TALK / pace) + 1))
    about = f"{TALK:.0f} s of talk about {name}."
    return f'about = "{about}"\n[timing]\ninter_token_ms = {pace * 1000:.0f}\n[[steps]]\ntokens = [{words}]\n'


@dataclass(slots=True)
class Company:
    """Replies that run, one more client beside them, and what was seen of them. Times in seconds.

    `alone`: until the first token of one client alone; `trouble`: what is wrong; `late`: how late something was.
    """

    size: int
    alone: float
    streams: list[Stream] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    extra: Transcript | None = None
    trouble: str = ""
    expected: str = ""
    late: Late | None = None


@over_all
@requirement("PERF-05")
async def test_one_more_client_beside_three_is_served(case: Case, transport: Transport) -> None:
    """Its first token comes nearly as soon as alone, and each client gets its own text."""
    await judge_company(case, "PERF-05", FEW, transport)


@over_all
@requirement("PERF-06")
async def test_one_more_client_beside_many_is_served(case: Case, transport: Transport) -> None:
    """The same beside eight replies, and beside fifty."""
    case.needs_provider()
    if case.lane.budget.keeps_limits and not case.lane.budget.addresses.available:
        raise NotApplicable("needs several source addresses: the server's limits count all asks as one client's")
    for size in MANY:
        if not await judge_company(case, "PERF-06", size, transport):
            return


@requirement("PERF-05")
async def test_one_more_client_beside_chat_is_served(case: Case) -> None:
    """The three ask `/api/chat`, whose replies a server may wait for in the way of all others; then one more does."""
    case.needs_provider()
    if not case.lane.shows(Profile.CHAT):
        raise NotApplicable("profile chat is not declared, or not shown")
    await judge_company(case, "PERF-05", FEW, Transport.SSE, CHAT_PATH)


async def judge_company(case: Case, requirement_id: str, size: int, transport: Transport, path: str = STREAM) -> bool:
    """Run replies side by side, and judge them and one more. What a busy machine excuses is tried again."""
    pace = FAST if size <= FEW else SLOW
    for name in NAMES:
        await case.provider.register(f"{name}-{size}", talk_of(name, pace))
    busy = failures = 0
    company: Company | None = None
    while True:
        began = time.monotonic()
        try:
            company = await beside(case, size, transport, path)
        except NotTestable as error:
            if company is None or not failures:
                raise
            company.trouble += f"; afterwards {error}"  # what ran beside goes on for nobody
            break
        if not company.trouble:
            break
        lateness = case.lane.heartbeat.since(began)
        is_excused = lateness.excuses(company.late)
        busy, failures = busy + is_excused, failures + (not is_excused)
        if failures >= TRIES:
            break
        if busy > BUSY_TRIES:
            case.is_too_busy(requirement_id, f"{lateness}; {company.trouble}")
            return False
        await case.lane.heartbeat.calm(PATIENCE if is_excused else 0)
    texts_are_right, seen = judge_texts(case, requirement_id, company), company.trouble
    kept = case.holds(requirement_id, not seen, seen, company.expected, company.extra, late=company.late)
    return kept and texts_are_right


async def beside(case: Case, size: int, transport: Transport, path: str) -> Company:
    """Let `size` replies run, and ask once more meanwhile. Raises NotTestable where not even one client is served."""
    fresh = case.lane.budget.addresses.fresh
    alone = max([await first_token_alone(case, transport) for _ in range(2)])
    company = Company(size, alone, scripts=[f"{NAMES[n % len(NAMES)]}-{size}" for n in range(size)])
    company.streams = await together(
        *(case.start("Tell me.", script=one, over=transport, path=path, source=fresh()) for one in company.scripts)
    )
    try:
        await look(case, company, transport, path)
    finally:
        await together(*(stream.leave() for stream in company.streams))
    # a server that goes on for nobody (INT-01) is not to be accused of that here
    had_begun = [one.transcript for one in company.streams if one.transcript.tokens]
    await together(*(case.provider.ended(reply, LEFT_WITHIN) for reply in had_begun))
    return company


async def first_token_alone(case: Case, transport: Transport) -> float:
    """Seconds from an ask to its first token, with nobody beside."""
    reply = await case.ask(over=transport, source=case.lane.budget.addresses.fresh())
    if not case.lane.succeeded(reply) or not reply.tokens:
        raise without(reply, f"an ordinary reply failed: {reply.outcome()}")
    return reply.tokens[0].at - reply.asked_at


async def look(case: Case, company: Company, transport: Transport, path: str) -> None:
    """Wait until all of them have begun, then ask once more; note the first trouble."""
    allowed, size = case.lane.settings.allowed, company.size
    bound = max(allowed(FIRST_TOKEN), TIMES_ALONE * company.alone)
    begin = max(allowed(BEGIN + BEGIN_EACH * size), 2 * bound)
    began = await together(*(has_begun(case, stream, path, begin) for stream in company.streams))
    if not all(began):
        silent = next(one.transcript for one, has in zip(company.streams, began, strict=True) if not has)
        company.trouble = (
            f"of {size} replies asked for at the same time, {sum(began)} had begun after {begin:.1f} s; "
            f"one of the others: {silent.outcome()}"
        )
        company.expected = f"all {size} run side by side"
        company.late = Late(float("inf")) if silent.end is None else None
        return
    if size <= FEW and path == STREAM:
        await together(*(one.until(lambda reply: len(reply.text) >= SOME, ANSWER) for one in company.streams))
    extra = await case.start(over=transport, source=case.lane.budget.addresses.fresh())
    company.extra = extra.transcript
    await extra.until(lambda reply: bool(reply.tokens), TALK)
    running = sum(stream.transcript.terminal is None for stream in company.streams)
    await extra.finish()
    if not company.extra.tokens or company.extra.tokens[0].at - company.extra.asked_at > bound:
        tokens = company.extra.tokens
        took = tokens[0].at - company.extra.asked_at if tokens else float("inf")
        when = f"its first token after {took:.1f} s" if tokens else f"no token: {company.extra.outcome()}"
        company.trouble = f"one more client beside {size} replies got {when}; alone it took {company.alone:.2f} s"
        company.expected = f"its first token within {bound:.1f} s"
        company.late = Late(took - bound)
    elif running < size:
        ended = next(one.transcript for one in company.streams if one.transcript.terminal is not None)
        company.trouble = f"of {counted(size, 'reply')} under way {size - running} ended: {ended.outcome()}"
        company.expected = "all go on while one more client is served"
    elif path == CHAT_PATH:
        deadlines = Deadlines(silence=TALK, whole=TALK)
        answer = await case.ask_plain(source=case.lane.budget.addresses.fresh(), deadlines=deadlines)
        took = (answer.ended_at or answer.asked_at) - answer.asked_at
        if answer.status != 200 or took > allowed(ANSWER):
            company.trouble = f"one more client of {path} beside {size} others: {answer.outcome()}, after {took:.1f} s"
            company.expected, company.late = f"a reply within {allowed(ANSWER):g} s", Late(took - allowed(ANSWER))


async def has_begun(case: Case, stream: Stream, path: str, within: float) -> bool:
    """Whether a reply has its first token in time; of `/api/chat`, whether its provider was asked."""
    if path == STREAM:
        return await stream.until(lambda reply: bool(reply.tokens), within)
    is_there = await case.provider.asked(stream.transcript, within) is not None
    if stream.transcript.status in NO_ROUTE:
        raise NotApplicable(f"POST {path}: {stream.transcript.outcome()}")
    return is_there


def judge_texts(case: Case, requirement_id: str, company: Company) -> bool:
    """Judge that no client got text of another one's reply, and that the one more client got its own whole."""
    marks = [f"{name}{number}" for name in NAMES for number in range(8)]
    replies = [(one.transcript, script) for one, script in zip(company.streams, company.scripts, strict=True)]
    found = []
    for reply, script in replies:
        if reply.tokens:
            found += [(reply, gets_its_own(requirement_id, case.provider.text(script), marks, False))]
    if company.extra and company.extra.tokens:
        found += [(company.extra, gets_its_own(requirement_id, case.provider.text("hello"), marks, True))]
    for reply, check in found:
        if check(reply):
            case.conforms(reply, check)
            return False
    return True


@requirement("SES-21")
async def test_others_are_answered_while_a_reply_runs(case: Case) -> None:
    """GET and DELETE of its session and of another one, and an ask in another session."""
    case.needs_provider()
    ways = [(Transport.SSE, STREAM, Moment("minute", 2)), (Transport.SSE, STREAM, Moment("silent", 0))]
    if case.lane.shows(Profile.SOCKETIO):
        ways.append((Transport.WEBSOCKET, STREAM, Moment("minute", 2)))
    if case.lane.shows(Profile.CHAT):
        ways.append((Transport.SSE, CHAT_PATH, Moment("minute", 0)))
    for over, path, moment in ways:
        if not await judge_lock(case, over, path, moment):
            return


async def judge_lock(case: Case, over: Transport, path: str, moment: Moment) -> bool:
    """Judge that requests are answered while a reply runs, and say whether they all were."""
    session, other = case.lane.new_session(), case.lane.new_session()
    await exchange(case, "Please say hello.", session, over=over)
    stream = await case.start("Tell me a lot.", script=moment.script, session=session, over=over, path=path)
    provider, reply = case.provider, stream.transcript
    there = await (provider.has_said(reply, moment.tokens) if moment.tokens else provider.asked(reply))
    if path == CHAT_PATH and reply.status in NO_ROUTE:
        return True  # CHAT-01 says so
    if not there:
        raise TooLate(f"the provider was never asked: {reply.outcome()}")
    try:
        for what, answer in (
            ("GET of its session", ("GET", session)),
            ("an ask in another session", ("POST", other)),
            ("GET of another session", ("GET", other)),
            ("DELETE of another session", ("DELETE", other)),
            ("DELETE of its session", ("DELETE", session)),
        ):
            got = await request_beside(case, *answer)
            is_answered = got.status is not None and got.status < 500
            if answer[0] == "POST":
                is_answered = case.lane.succeeded(got)
            where = path if path == CHAT_PATH else f"over {over}"
            seen = f"{what}, while a reply runs {where} ({moment.told(provider)}): {got.outcome()}"
            expected = f"an answer within {case.lane.settings.allowed(ANSWER):g} s"
            late = Late(float("inf")) if got.did_not_come else None
            if not case.holds("SES-21", is_answered, seen, expected, got, late=late):
                return False
    finally:
        await stream.leave()
    return True


async def request_beside(case: Case, method: str, session: str) -> Transcript:
    """A request of another client: an ask, or one about a session."""
    seconds = case.lane.settings.allowed(ANSWER)
    deadlines, source = Deadlines(silence=seconds, whole=seconds), case.lane.budget.addresses.fresh()
    if method == "POST":
        return await case.ask(session=session, source=source, deadlines=deadlines)
    request = HttpRequest(method, SESSIONS_PATH + quote(session, safe=""))
    return await case.request(request, source, deadlines=deadlines)
