"""What impatient people do: they ask the same again after a stop or a failure, ask more than a socket serves at once,
and read a reply late."""

from __future__ import annotations

import asyncio

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, TooLate, without
from chatproof.conformance.suite.interruption import BY_FIN, CANCELLED_WITHIN, SAID, Moment, interrupt
from chatproof.conformance.suite.marks import over_both, requirement
from chatproof.conformance.suite.provider import RETRIES
from chatproof.conformance.suite.replies import SseStream
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.harness.client.socketio import NotConnected
from chatproof.harness.protocol.checks.tok import same_words
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.messages import Kind
from chatproof.harness.protocol.text_loss import loss
from chatproof.harness.protocol.transcript import Transport

LINGER = 0.3  # seconds to look for events that must not come
PERSON = 3.0  # seconds; who says the same sooner may be a browser that tries again, which gets the same answer
BEFORE_THE_STOP = 3  # tokens of twenty
A_WHILE = 1.0  # seconds that a client reads nothing
BUFFER = 1 << 16  # bytes of SO_RCVBUF: few beside the reply's ten million


@over_both
@requirement("SES-15")
async def test_the_same_ask_after_a_stop_is_answered_whole(case: Case, transport: Transport) -> None:
    """A client stops a reply and asks the same again. What ends in a completion must be the whole reply."""
    needs_a_later_revision(case)
    if case.lane.settings.resumes:
        raise NotApplicable("leaving stops nothing")
    how = {"session": case.lane.new_session(), "source": case.source, "over": transport}
    left = await interrupt(case, BY_FIN, Moment("paced", BEFORE_THE_STOP), CANCELLED_WITHIN, **how)
    reply = await case.ask(SAID, script="paced", again=left.stream.transcript.case, **how)
    wanted = case.provider.text("paced")
    kept = not case.lane.succeeded(reply) or same_words(reply.text, wanted)
    seen = f"the same ask again, after its reply was stopped: {shown(reply.text)}; {reply.outcome()}"
    case.holds("SES-15", kept, seen, shown(wanted), reply)


@requirement("ERR-05")
async def test_the_same_ask_after_a_failure_reaches_the_provider(case: Case) -> None:
    """A client asks the same again once it has read the error. A server may refuse what was said before."""
    needs_a_later_revision(case)
    how = {"script": "error-mid", "session": case.lane.new_session(), "deadlines": RETRIES}
    failed = await case.ask_once("Please fail.", **how)
    before = len(await case.provider.entries(failed))
    if not before:
        raise without(failed, f"the provider was never asked: {failed.outcome()}")
    if case.lane.succeeded(failed):
        case.holds("ERR-05", True, "", "")  # whether the failure is told is ERR-03's
        return
    await asyncio.sleep(PERSON)
    again = await case.ask_once("Please fail.", again=failed.case, **how)
    is_refused = again.status is not None and 400 <= again.status < 500
    is_asked = len(await case.provider.entries(again)) > before
    seen = f"the same ask again, {PERSON:g} s after it failed, did not reach the provider: {again.outcome()}"
    case.holds("ERR-05", is_asked or is_refused, seen, "another try", again)


@requirement("SIO-03")
async def test_each_of_three_asks_on_one_socket_is_answered(case: Case) -> None:
    """Two more asks come while a reply runs. Each ends in a completion or an error, whoever waits, is refused or takes
    the other one's place."""
    needs_a_later_revision(case)
    case.needs_provider()
    client = await case.connect(Transport.WEBSOCKET)
    stream = await case.start(socket=client, script="paced")
    all_three = stream.transcript
    await stream.until(lambda reply: len(reply.tokens) >= 1, case.lane.budget.deadlines.silence)
    for text in ("And another.", "And one more."):
        ask = case.lane.api.emit(case.lane.conversation(text, "hello", case.lane.new_case()))
        try:
            await client.emit_more(ask.event, ask.payload)
        except NotConnected as error:
            raise TooLate(f"the socket was lost: {error}") from error
    ends = (Kind.COMPLETION, Kind.ERROR)
    await client.until(lambda: len(all_three.of(*ends)) >= 3, case.lane.budget.deadlines.silence)
    await asyncio.sleep(LINGER)
    ended = len(all_three.of(*ends))
    case.holds("SIO-03", ended == 3, f"{ended} terminal events for three asks", "one for each", all_three)


@requirement("TOK-06")
async def test_who_reads_late_gets_the_whole_reply(case: Case) -> None:
    """A client stops reading a large reply for a while, as in a tunnel, and then reads on. A server may hang up on it;
    if it completes the reply, all of it must come."""
    needs_a_later_revision(case)
    case.needs_provider()
    stream = await case.start("Tell me a lot.", script="long", receive_buffer=BUFFER)
    assert isinstance(stream, SseStream)
    await stream.until(lambda reply: bool(reply.tokens), case.lane.budget.deadlines.silence)
    if connection := stream.exchange.connection:
        connection.pause()
        await asyncio.sleep(A_WHILE)
        connection.go_on()
    reply = await stream.finish()
    said = await case.provider.said_for(reply, "long")
    lost = f"{loss(reply.text, said)}; {reply.outcome()}" if reply.text != said else ""
    seen = f"a client that read nothing for {A_WHILE:g} s: {lost}"
    case.holds("TOK-06", not lost or not case.lane.succeeded(reply), seen, "the whole reply", reply)
