"""Rows that wait: slow replies, silent providers, idle sockets, quiet sessions. They wait beside LIM-11."""

from __future__ import annotations

import asyncio
import time

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable, TooLate
from chatproof.conformance.suite.lane import STREAM
from chatproof.conformance.suite.marks import When, over_all, over_both, over_each_socket, requirement
from chatproof.conformance.suite.probe import NO_ROUTE
from chatproof.conformance.suite.second_server import second_server
from chatproof.conformance.suite.session_requests import count_of, exchange, look_up, object_of, said_by, sent_upstream
from chatproof.conformance.suite.silence import NO_HEADERS
from chatproof.conformance.suite.steady import steady
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import Deadlines, HttpExchange, HttpRequest
from chatproof.harness.client.socketio import SocketClient
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.apis.chat_stream.chat_stream import CHAT_PATH, MESSAGES, RESPONSE
from chatproof.harness.protocol.checks.err import is_http_error
from chatproof.harness.protocol.checks.reply_form import checks_of_events
from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.checks.waits import (
    SlowTalk,
    of_timeout,
    proxies_are_told,
    something_comes,
    whole_though_slow,
)
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Late, Violation
from chatproof.harness.protocol.memory_budget import OF_THIS_PROCESS
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Transcript, Transport

REPLY = 35.0  # seconds that a slow reply takes
SHARE = 0.85  # of the provider timeout: how long the provider is silent in it
LONGEST_SILENCE = 12.0  # seconds
PACE = 0.5  # seconds between two of its tokens, else
IDLE = 45.0  # seconds without an ask on a socket
QUIET = 60.5  # seconds without a request in a session
SILENT = 30.0  # seconds of the provider's silence in which something must come
PULSE = 20.0  # seconds between two comments
PATIENT = 40.0  # seconds: the provider timeout of the server that is started for it
GRACE = 2.0  # seconds between a server's time-out and the error at its client


def slow_script(silence: float, length: float, pace: float) -> str:
    """A script that takes `length` seconds: silence, tokens, silence, tokens. All in seconds."""
    half = max(2, int((length - 2 * silence) / pace / 2))
    steps = ""
    for part in ("first", "second"):
        words = ", ".join(f'"{part}{number} "' for number in range(half))
        steps += f"[[steps]]\nwait_ms = {silence * 1000:.0f}\n[[steps]]\ntokens = [{words}]\n"
    pauses = f"with two pauses of {silence:.1f} s" if silence else "without a pause"
    about = f"{2 * (silence + half * pace):.0f} s of slow talk, {pauses}."
    return f'about = "{about}"\n[timing]\ninter_token_ms = {pace * 1000:.0f}\n{steps}'


def silence_of(case: Case) -> float:
    """How long a provider may be silent without being given up, in seconds; 0 where the timeout is not known."""
    return min(SHARE * (case.lane.provider_timeout or 0.0), LONGEST_SILENCE)


async def slow_talk(case: Case, reply: Transcript, script: str) -> SlowTalk:
    """What the provider said in a reply. Raises TooLate where this machine made the provider's pauses too long."""
    if (entry := await case.provider.asked(reply)) is None:
        raise TooLate(f"the provider was never asked: {reply.outcome()}")
    timeout = case.lane.provider_timeout
    said, asked_at = case.provider.said(entry), case.provider.local(entry.received)
    talk = SlowTalk(case.provider.text(script), said, asked_at, PACE, timeout)
    if timeout and talk.longest_pause > (1 + SHARE) / 2 * timeout:
        raise TooLate(f"this machine was busy: the provider was silent for {talk.longest_pause:.1f} s")
    return talk


@over_all
@requirement("ERR-07", when=When.LONG)
async def test_a_slow_reply_comes_whole(case: Case, transport: Transport) -> None:
    """The provider is silent before its first token and once between two, each time for less than the timeout."""
    if transport is not Transport.SSE and not case.lane.side_by_side:
        raise NotApplicable("judged over SSE alone, since the server serves few clients at once")
    silence = silence_of(case)
    script = await case.provider.register("slow-talk", slow_script(silence, REPLY, PACE))
    longest = max(REPLY, 2 * silence + 4 * PACE)
    allowed = case.lane.settings.allowed
    deadlines = Deadlines(silence=silence + allowed(6), whole=longest + allowed(15))
    reply = await case.ask("Take your time.", script=script, over=transport, deadlines=deadlines)
    talk = await slow_talk(case, reply, script)
    case.conforms(reply, whole_though_slow(talk, case.lane.succeeded(reply)))


@requirement("ERR-07", when=When.LONG)
async def test_a_slow_answer_of_chat_comes_whole(case: Case) -> None:
    """The same where the answer comes in one piece, for a server that asks its provider for a stream: else all of it is
    the provider's silence."""
    if not case.lane.shows(Profile.CHAT) or not case.lane.side_by_side:
        raise NotApplicable(f"the server shows no {CHAT_PATH}, or serves few clients at once")
    silence = silence_of(case)
    script = await case.provider.register("slow-talk", slow_script(silence, REPLY, PACE))
    whole = max(REPLY, 2 * silence + 4 * PACE) + case.lane.settings.allowed(15)
    deadlines = Deadlines(silence=whole, whole=whole)
    answer = await case.ask_plain("Take your time.", script=script, deadlines=deadlines)
    talk, entry = await slow_talk(case, answer, script), await case.provider.asked(answer)
    if entry is None or not entry.stream or answer.status in NO_ROUTE:
        raise NotApplicable(f"{CHAT_PATH} does not ask its provider for a stream")
    got = object_of(answer).get(RESPONSE)
    kept = answer.status == 200 and (not isinstance(got, str) or same_words(got, talk.text))  # CHAT-02 judges its name
    seen = f"{CHAT_PATH}: {answer.outcome()}: {talk.moment(answer, ended_at(answer))}"
    case.holds("ERR-07", kept, seen, f"the whole reply{of_timeout(talk)}", answer)


@requirement("ERR-07", when=When.LONG)
async def test_a_provider_that_thinks_first_is_waited_for(case: Case) -> None:
    """Its HTTP headers come late too, as those of many local models: for the stream, and for `/api/chat`, whose server
    may ask for the reply in one piece."""
    case.needs_provider()
    if not (silence := silence_of(case)):
        raise NotApplicable("the server's provider timeout is not declared (--provider-timeout)")
    late = f'about = "The headers come after {silence:.1f} s."\n[timing]\nheaders_ms = {silence * 1000:.0f}\n'
    script = await case.provider.register("slow-thought", f'{late}[[steps]]\ntext = "Here it is."\n')
    deadlines = Deadlines(silence=silence + case.lane.settings.allowed(6))
    paths = [STREAM, CHAT_PATH] if case.lane.shows(Profile.CHAT) and case.lane.side_by_side else [STREAM]
    asks = (case.ask_plain("Take your time.", script=script, path=path, deadlines=deadlines) for path in paths)
    for path, answer in zip(paths, await together(*asks), strict=True):
        if path == CHAT_PATH and answer.status in NO_ROUTE:
            continue  # CHAT-01 says so
        talk = await slow_talk(case, answer, script)
        kept = answer.status == 200 if path == CHAT_PATH else case.lane.succeeded(answer)
        seen = f"{path or case.lane.api.path}: {answer.outcome()}: {talk.moment(answer, ended_at(answer))}"
        case.holds("ERR-07", kept, seen, f"the reply{of_timeout(talk)}", answer)


def ended_at(reply: Transcript) -> float:
    """When a reply ended, monotonic seconds."""
    return reply.terminal.at if reply.terminal else reply.ended_at or reply.asked_at


@over_each_socket
@requirement("SIO-19", when=When.AFTER_SOCKETS)
async def test_an_idle_socket_is_answered(case: Case, transport: Transport) -> None:
    """One socket that was never asked, and one that was: both only answer pings, and are then asked."""
    fresh, used = await case.connect(transport), await case.connect(transport)
    before = await (await case.start(socket=used)).finish()
    if not case.lane.succeeded(before):
        raise NotTestable(f"an ordinary ask failed: {before.outcome()}")
    began = time.monotonic()
    for what, client in (("that was never asked", fresh), ("that was asked once", used)):
        await judge_idle_socket(case, client, what, began)


async def judge_idle_socket(case: Case, client: SocketClient, what: str, began: float) -> None:
    """Wait for a socket that is asked nothing since `began` (monotonic seconds), and judge that it answers."""
    await client.until(lambda: not client.is_open, began + IDLE - time.monotonic())
    busy = case.lane.heartbeat.was_busy(began)
    if not client.is_open:
        seen = f"a socket {what}: the server closed it after {client.lost_at - began:.0f} s"
        if busy:
            case.is_too_busy("SIO-19", f"this machine was too busy to answer each ping in time; {seen}")
        else:
            case.holds("SIO-19", False, seen, f"a socket that answers after {IDLE:g} s")
        return
    idle = time.monotonic() - began
    async with steady(case):
        reply = await (await case.start("Are you still there?", socket=client)).finish()
    kept = case.lane.succeeded(reply)
    case.holds("SIO-19", kept, f"a socket {what}, idle for {idle:.0f} s: {reply.outcome()}", "a whole reply", reply)


@over_both
@requirement("SES-16", when=When.FROM_THE_START)
async def test_a_session_outlives_a_minute(case: Case, transport: Transport) -> None:
    """A message, a minute without a request, then GET, and a message that takes the first to the provider."""
    if transport is not Transport.SSE and not case.lane.side_by_side:
        raise NotApplicable("judged over SSE alone, since the server serves few clients at once")
    session = case.lane.new_session()
    first = await exchange(case, "My name is Ferdinand.", session, over=transport)
    before = await count_of(case, session)
    await asyncio.sleep(QUIET)
    answer = await look_up(case, session)
    count = object_of(answer).get(MESSAGES)
    kept = answer.status == 200 and count == before
    seen = f"GET after {QUIET:.0f} s: {said_by(answer)}; before: messages {shown(before)}"
    case.holds("SES-16", kept, seen, "status 200 and as many messages as before", answer)
    if case.lane.provider:
        async with steady(case):
            second = await exchange(case, "What is my name?", session, over=transport)
            upstream = await sent_upstream(case, second)
        seen = f"after {QUIET:.0f} s the provider got {shown(upstream, 400)}"
        case.holds("SES-16", first.case in upstream, seen, "what was said before, too", second)


@requirement("SSE-13", "ERR-07", when=When.LONG)
async def test_something_comes_while_the_provider_is_silent(case: Case) -> None:
    """A second server, with a provider timeout of 40 s: something comes in time, and the error comes as well."""
    case.conforms(await case.ask(), proxies_are_told)
    if case.lane.provider is None:
        return
    await case.provider.register("no-headers", NO_HEADERS)
    scripts = ("silent", "stall", "no-headers") if case.lane.side_by_side else ("silent",)
    async with second_server(case.lane, {"PROVIDER_TIMEOUT": f"{PATIENT:g}"}) as target:
        await together(*(judge_silence(case, target, script) for script in scripts))


async def judge_silence(case: Case, target: Target, script: str) -> None:
    """Listen to a reply in which the provider goes silent for good, and judge what comes until the server gives up."""
    allowed, began = case.lane.settings.allowed, time.monotonic()
    bound = PATIENT + allowed(GRACE)
    reply = await ask_at(case, target, script, Deadlines(silence=bound + allowed(3), whole=bound + allowed(3)))
    if (entry := await case.provider.asked(reply)) is None:
        why = f"a second server, with other settings, did not ask the provider: {reply.outcome()}"
        case.cannot_judge("SSE-13", why)
        case.cannot_judge("ERR-07", why)
        return
    since = case.provider.local(entry.writes[-1].at if entry.writes else entry.received)
    silent = ended_at(reply) - since
    gave_up = f"{reply.outcome()}: {silent:.1f} s after the provider's last byte, with PROVIDER_TIMEOUT={PATIENT:g}"
    if silent >= silence_of(case):  # else it is no time-out, but a second server that does not work
        expected = f"no error in {SHARE * PATIENT:g} s of silence"
        case.holds("ERR-07", silent >= SHARE * PATIENT, gave_up, expected, reply)
    else:
        case.cannot_judge("ERR-07", gave_up)
    lateness = await case.lateness(began, reply)
    comes = something_comes(since, since + SILENT, allowed(PULSE))(reply)
    if any(isinstance(one, Violation) and lateness.excuses(one.late) for one in comes):
        case.is_too_busy("SSE-13", str(lateness))
    else:
        broken = [fault for one in checks_of_events(reply.api) for fault in one(reply) if isinstance(fault, Violation)]
        case.keep("SSE-13", [*comes, *broken[:1]], reply)
    if not comes:
        failed = is_http_error(reply) or (reply.terminal is not None and reply.terminal.kind is Kind.ERROR)
        late = Late(silent - bound)
        expected = f"an error within {PATIENT:g} s, although comments are sent"
        case.holds("SSE-13", failed and silent <= bound, gave_up, expected, reply, late=late, lateness=lateness)


async def ask_at(case: Case, target: Target, script: str, deadlines: Deadlines) -> Transcript:
    """Ask another server than the lane's for a reply, and wait until it ends."""
    lane, name = case.lane, case.lane.new_case()
    request = HttpRequest.of(lane.api.ask(lane.conversation("Are you there?", script, name)))
    limits = lane.limits(script)
    transcript = Transcript(Transport.SSE, api=lane.api, case=name, limits=limits, budget=OF_THIS_PROCESS)
    source = lane.budget.addresses.fresh()
    async with steady(case):
        exchange = HttpExchange(target, request, source, deadlines, transcript=transcript).start()
        await case.provider.asked(transcript)
    return await exchange.finish()
