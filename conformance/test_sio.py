"""SIO: Socket.IO, over WebSocket and over long polling."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import Any

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.document_checks import of_document
from chatproof.conformance.suite.exceptions import NotApplicable, without
from chatproof.conformance.suite.lane import FRESH
from chatproof.conformance.suite.marks import When, over_each_socket, over_sockets, requirement
from chatproof.conformance.suite.next_ask import judge_next_ask
from chatproof.conformance.suite.odd_replies import CUT_LATE
from chatproof.conformance.suite.paced_replies import judge_pace
from chatproof.conformance.suite.provider import CUTS, RETRIES, talk
from chatproof.conformance.suite.revisions import is_first_revision, needs_a_later_revision
from chatproof.conformance.suite.timed_checks import Attempt, steadily
from chatproof.conformance.suite.together import together
from chatproof.harness.client.http import Deadlines
from chatproof.harness.client.socketio import NotConnected, SocketClient
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ABSENT, ASK_EVENT, body_of
from chatproof.harness.protocol.apis.chat_stream.completion_checks import (
    completion_is_typed,
    duration_is_true,
    speed_is_tokens_over_duration,
    tokens_equal_last_count,
)
from chatproof.harness.protocol.apis.chat_stream.token_checks import COUNTS_AND_PARTIALS, TOKEN_CHECKS
from chatproof.harness.protocol.checks import sio
from chatproof.harness.protocol.checks.err import error_ends_the_reply, fails_as_error, no_internals, no_tokens
from chatproof.harness.protocol.checks.tok import text_is, words_are
from chatproof.harness.protocol.findings import Late, on_behalf_of
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.requirements import OWN_API
from chatproof.harness.protocol.transcript import Transcript, Transport
from chatproof.harness.report.verdicts import Verdict

OTHERS = [Transport.POLLING, Transport.UPGRADED]
LINGER = 0.3  # seconds to look for events that must not come
ANSWER = 5.0  # seconds in which a refusal must come
ANSWER_AFTER_SILENCE = 1.0  # the same, once one was ignored
LONGEST_UNASKED = 30.0  # seconds of reply; longer ones need --slow

NO_OBJECTS: tuple[tuple[Any, ...], ...] = ((), (None,), ("hello",), (["hello"],), (5,))
NO_MESSAGES: tuple[Any, ...] = (ABSENT, None, 5, "", "  ")


@over_sockets
@requirement("SIO-01")
async def test_a_client_connects(case: Case, transport: Transport) -> None:
    """Engine.IO's handshake and the namespace `/`."""
    client = case.lane.socket(transport, case.source)
    try:
        await client.connect()
    except NotConnected as error:
        seen = str(error)
        if not case.lane.settings.declares_profiles:
            seen += "; for a server without Socket.IO use --profile limits,chat"
        unknown = Late(float("inf"))  # a server that was slow to answer would have done so later
        case.holds("SIO-01", False, seen, f"a connection over {transport}", client.strays, late=unknown)
        return
    seen = f"packets that break the protocol: {'; '.join(client.decoder.bad)}"
    case.holds("SIO-01", not client.decoder.bad, seen, "packets of Engine.IO 4 and Socket.IO 5", client.strays)
    await client.disconnect()


@over_sockets
@requirement("SIO-02")
async def test_an_ask_is_answered_with_tokens(case: Case, transport: Transport) -> None:
    """The same tokens as over SSE."""
    reply = await case.ask(over=transport)
    case.conforms(reply, on_behalf_of("SIO-02", *of_document(case, *TOKEN_CHECKS)))
    if case.lane.provider:
        case.conforms(reply, text_is(case.provider.text("hello"), "SIO-02"))


@requirement("SIO-02")
async def test_odd_text_survives_polling(case: Case) -> None:
    """The texts of TOK-05, over polling, where they travel in bodies of HTTP."""
    needs_a_later_revision(case)
    for script in ("nasty", "unicode", "split-bytes"):
        reply = await case.ask(script=script, over=Transport.POLLING)
        text = case.provider.text(script)
        fields = of_document(case, *COUNTS_AND_PARTIALS)
        case.conforms(reply, on_behalf_of("SIO-02", *fields), text_is(text, "SIO-02"))


@over_sockets
@requirement("SIO-03", "SIO-10")
async def test_a_reply_ends_once_and_the_socket_goes_on(case: Case, transport: Transport) -> None:
    """One terminal event, no event after it, and the same socket can ask again."""
    client = await case.connect(transport)
    for attempt in range(2):
        stream = await case.start(socket=client)
        reply = await client.terminal(stream.transcript, case.lane.budget.deadlines, LINGER)
        case.conforms(reply, sio.one_terminal_event)
        if attempt:
            case.holds("SIO-10", reply.is_success, f"the second ask: {reply.outcome()}", "a completion", reply)


@requirement("SIO-04", when=When.QUIET)
async def test_the_completion_says_what_the_reply_was(case: Case) -> None:
    """Three numbers, typed and consistent; in a reply long enough to measure they are also true."""
    timed = (speed_is_tokens_over_duration, duration_is_true) if case.lane.provider else ()

    async def attempt() -> Attempt:
        reply = await case.ask(script="paced" if timed else "hello", over=Transport.WEBSOCKET)
        case.conforms(reply, on_behalf_of("SIO-04", completion_is_typed, tokens_equal_last_count))
        return reply, on_behalf_of("SIO-04", *timed)

    await steadily(case, attempt)


@requirement("SIO-03", "SIO-10", of_document=True)
async def test_an_odd_ask_is_answered_once(case: Case) -> None:
    """A `session_id` of another type, or lone surrogates: one reply or error, and the server goes on.

    Each has a socket of its own, so that what comes late is not taken for the answer to the next one.
    """
    text = case.lane.message("Please say hello.", "hello", case.lane.new_case())
    odd: tuple[Any, ...] = (5, True, [], {"a": 1}, None)
    asks = [body_of(text, value) for value in odd]
    asks += [body_of(f"\ud800 {text}", case.lane.new_session()), body_of(text, f"{case.lane.new_session()}\udfff")]
    for ask in asks:
        client = await case.connect(Transport.WEBSOCKET)
        transcript = await client.emit(ASK_EVENT, ask, escape=True)
        reply = await client.terminal(transcript, case.lane.budget.deadlines)
        case.conforms(reply, sio.one_terminal_event)
        if reply.terminal and client.is_open:
            await judge_next_ask(case, client, f"after {transcript.request}")
        await client.disconnect()
    again = await case.ask(over=Transport.WEBSOCKET)
    case.holds("SIO-10", again.is_success, f"afterwards: {again.outcome()}", "a whole reply", again)


@requirement("SIO-05")
async def test_a_bad_payload_is_refused(case: Case) -> None:
    """Each has a socket of its own, which must still answer afterwards.

    What comes late, as when a server asks its provider for a blank message, is not blamed on the next payload.
    """
    payloads = [*NO_OBJECTS, *((body_of(message, case.lane.new_session()),) for message in NO_MESSAGES)]
    is_usable = True
    for payload in payloads:
        client = await case.connect(Transport.WEBSOCKET)
        answer = await client.emit(ASK_EVENT, *payload)
        was_ignored = any(record.verdict is Verdict.VIOLATED for record in case.records)
        cut = f"; the suite waits no longer (usually {ANSWER:g} s), since a payload before was ignored"
        wait = case.lane.settings.allowed(ANSWER_AFTER_SILENCE if was_ignored else ANSWER)
        await client.terminal(answer, Deadlines(silence=wait, cut=cut if was_ignored else ""))
        case.conforms(answer, sio.refused_with_an_error)
        if answer.terminal and is_usable:
            is_usable = await judge_next_ask(case, client, f"after {answer.request}", "SIO-05")
            if payload is payloads[0] and is_usable and not is_first_revision(case):
                again = await client.emit(ASK_EVENT, *payload)
                again.request += ", the second one on its socket"
                await client.terminal(again, Deadlines(silence=wait))
                case.conforms(again, sio.refused_with_an_error)
        await client.disconnect()


@requirement("SIO-06")
async def test_a_bystander_receives_nothing(case: Case) -> None:
    """Neither another client nor another tab of the same session gets tokens or errors, over either transport."""
    session = case.lane.new_session()
    strangers = [await case.connect(Transport.WEBSOCKET), await case.connect(Transport.POLLING)]
    tab = await case.connect(Transport.WEBSOCKET)
    stream = await case.start(socket=tab, session=session)
    # late events of the tab's own reply are judged by SIO-03
    earlier = await tab.terminal(stream.transcript, case.lane.budget.deadlines, LINGER)
    before = len(earlier.of(*sio.CHAT_KINDS))
    reply = await case.ask(over=Transport.WEBSOCKET, session=session)
    if case.lane.provider:
        for script in ("server-error", "cut-mid"):
            await case.ask(script=script, over=Transport.WEBSOCKET, session=session, deadlines=RETRIES)
    if case.lane.api.name == OWN_API:
        asker = await case.connect(Transport.WEBSOCKET)
        refusal = await asker.emit(ASK_EVENT, body_of(5, session))
        await asker.until(lambda: bool(refusal.of(*sio.CHAT_KINDS)), case.lane.settings.allowed(ANSWER))
    await asyncio.sleep(LINGER)
    heard = [message for one in strangers for message in one.strays.of(*sio.CHAT_KINDS)]
    heard += earlier.of(*sio.CHAT_KINDS)[before:]
    seen = f"another client received {heard[0].name} {dict(heard[0].body)}" if heard else "nothing"
    case.holds("SIO-06", not heard, seen, "events at the asking client only", reply)


@requirement("SIO-07")
async def test_clients_at_the_same_time_get_their_own(case: Case) -> None:
    """Five clients at once each get their own reply, whole and in order, some over polling."""
    asks = {
        "hello": Transport.WEBSOCKET,
        "hundred-tokens": Transport.POLLING,
        "paced": Transport.WEBSOCKET,
        "unicode": Transport.UPGRADED,
        "three-tokens": Transport.POLLING,
    }
    if is_first_revision(case):
        asks = dict.fromkeys(asks, Transport.WEBSOCKET)
    replies = await together(*(case.ask(script=script, over=over) for script, over in asks.items()))
    for script, reply in zip(asks, replies, strict=True):
        case.conforms(reply, on_behalf_of("SIO-07", *of_document(case, *COUNTS_AND_PARTIALS)))
        if case.lane.provider:
            case.conforms(reply, words_are(case.provider.text(script), "SIO-07"))


@pytest.mark.parametrize("script", ["server-error", "drop-start", "garbage"])
@requirement("SIO-08", "SIO-03", "SIO-10", "ERR-04")
async def test_a_failure_before_the_first_token_is_an_error(case: Case, script: str) -> None:
    """The client gets `chat_stream_error`, no token and no completion."""
    reply = await failing_reply(case, script)
    case.conforms(reply, fails_as_error("SIO-08"), no_tokens("SIO-08"))


@pytest.mark.parametrize("script", ["drop-mid", "cut-mid", "malformed-mid", "error-mid"])
@requirement("SIO-08", "SIO-03", "SIO-10", "ERR-04")
async def test_a_failure_in_mid_reply_is_an_error(case: Case, script: str) -> None:
    """The client gets `chat_stream_error` after the tokens that came, and no completion."""
    reply = await failing_reply(case, script)
    words = words_are(case.provider.text(script), "SIO-08", CUTS.get(script))
    case.conforms(reply, fails_as_error("SIO-08"), words)


@pytest.mark.parametrize("script", ["server-error", "cut-mid"])
@pytest.mark.parametrize("transport", OTHERS, ids=[one.value for one in OTHERS])
@requirement("SIO-08", "SIO-03", "SIO-10", "ERR-04")
async def test_a_failure_is_an_error_over_any_transport(case: Case, script: str, transport: Transport) -> None:
    """As over WebSocket. A server may have a queue of its own for those who poll."""
    needs_a_later_revision(case)
    reply = await failing_reply(case, script, transport)
    words = words_are(case.provider.text(script), "SIO-08", CUTS.get(script))
    case.conforms(reply, fails_as_error("SIO-08"), words)


@requirement("SIO-08", "SIO-03", "SIO-10", "ERR-04")
async def test_a_later_failure_is_an_error(case: Case) -> None:
    """The second request of a socket and its session is cut off behind a text that looks finished."""
    needs_a_later_revision(case)
    script = await case.provider.register("cut-late", CUT_LATE)
    client, session = await case.connect(Transport.WEBSOCKET), case.lane.new_session()
    first = await case.ask(socket=client, session=session)
    if not case.lane.succeeded(first):
        raise without(first, f"an ordinary exchange failed: {first.outcome()}")
    reply = await failing_reply(case, script, socket=client, session=session)
    where = "in the second request of a socket, behind a long text: "
    case.conforms(reply, fails_as_error("SIO-08", where), words_are(case.provider.text(script), "SIO-08"))


async def failing_reply(
    case: Case,
    script: str,
    over: Transport = Transport.WEBSOCKET,
    socket: SocketClient | None = None,
    session: str = FRESH,
) -> Transcript:
    """Ask for a script that fails. The socket must stay usable, and no event may follow the error."""
    case.needs_provider()
    client = socket or await case.connect(over)
    stream = await case.start("Please fail.", script=script, socket=client, session=session)
    reply = await client.terminal(stream.transcript, RETRIES, LINGER)
    case.conforms(reply, sio.one_terminal_event)
    if reply.of(Kind.ERROR):
        case.conforms(reply, no_internals(case.lane.scene.key), on_behalf_of("SIO-08", error_ends_the_reply))
    else:
        case.cannot_judge("ERR-04", f"no error came: {reply.outcome()}")
    if reply.terminal:
        await judge_next_ask(case, client, f"after {case.provider.does(script)}")
    else:
        case.cannot_judge("SIO-10", f"the ask before it has not ended: {reply.outcome()}")
    return reply


@over_each_socket
@requirement("SIO-09", when=When.AFTER_SOCKETS)
async def test_pings_go_on_during_a_long_reply(case: Case, transport: Transport) -> None:
    """The server sends a ping in each interval that its handshake advertised."""
    if transport is not Transport.WEBSOCKET:
        needs_a_later_revision(case)
    client = await case.connect(transport)
    assert client.opened is not None
    interval = client.opened.ping_interval
    # a busy machine may send one late; with the usual interval of 25 s the reply takes under 30 s
    allowed = interval * 1.1 + case.lane.settings.allowed(1)
    length = allowed + 1
    if length > LONGEST_UNASKED and not case.lane.settings.slow:
        raise NotApplicable(f"takes a reply of {length:.0f} s, since the server pings every {interval:g} s; use --slow")
    script = await case.provider.register(f"beyond-a-ping-{transport}", talk(length))
    deadlines = Deadlines(silence=case.lane.budget.deadlines.silence, whole=length + 30)
    began = time.monotonic()
    stream = await case.start(socket=client, script=script, deadlines=deadlines)
    reply = await stream.finish()
    times = [client.opened_at, *client.pings, reply.ended_at or client.opened_at]
    pause = max(later - earlier for earlier, later in pairwise(times))
    seen = f"{len(client.pings)} pings, {pause:.1f} s without one; {reply.outcome()}"
    expected = f"a ping every {interval:g} s, {allowed:.1f} s at most"
    late, lateness = Late(pause - allowed), await case.lateness(began, reply)
    case.holds("SIO-09", late.seconds <= 0, seen, expected, reply, late=late, lateness=lateness)


@requirement("SIO-11", "SIO-03")
async def test_two_asks_on_one_socket_do_not_mix(case: Case) -> None:
    """The second ask is queued or refused."""
    client = await case.connect(Transport.WEBSOCKET)
    stream = await case.start(socket=client, script="paced")
    both = stream.transcript
    await stream.until(lambda transcript: len(transcript.tokens) >= 3, case.lane.settings.allowed(ANSWER))
    another = case.lane.api.emit(case.lane.conversation("And another.", "hello", case.lane.new_case()))
    await client.emit_more(another.event, another.payload)
    ends = (Kind.COMPLETION, Kind.ERROR)
    await client.until(lambda: len(both.of(*ends)) >= 2, case.lane.budget.deadlines.silence)
    await asyncio.sleep(LINGER)
    first, second = case.provider.text("paced"), case.provider.text("hello")
    case.conforms(both, sio.replies_do_not_mix(first, second))
    ended = len(both.of(*ends))
    case.holds("SIO-03", ended == 2, f"{ended} terminal events for two asks", "one for each", both)


@over_sockets
@requirement("SIO-12", when=When.QUIET)
async def test_tokens_are_passed_on_as_they_come(case: Case, transport: Transport) -> None:
    """Each token arrives before the provider writes the next one, written one by one and in pairs."""
    await judge_pace(case, "SIO-12", transport)
