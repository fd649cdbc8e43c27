"""SIO-13: sockets that begin with polling and move to a WebSocket, as `io("http://…")` does by default."""

from __future__ import annotations

import asyncio
import time

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.document_checks import of_document
from chatproof.conformance.suite.exceptions import TooLate, without
from chatproof.conformance.suite.marks import When, requirement
from chatproof.conformance.suite.paced_replies import judge_pace
from chatproof.conformance.suite.replies import Stream
from chatproof.conformance.suite.session_requests import exchange, sent_upstream
from chatproof.harness.client.socketio import NotConnected, NotUpgraded, SocketClient
from chatproof.harness.protocol.apis.chat_stream.token_checks import TOKEN_CHECKS
from chatproof.harness.protocol.checks import sio
from chatproof.harness.protocol.checks.tok import text_is, words
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.findings import Check, Late, on_behalf_of
from chatproof.harness.protocol.transcript import Transcript, Transport

LINGER = 0.3  # seconds to look for events that must not come
SOME = 3  # tokens
UNKNOWN = Late(float("inf"))  # a server that was slow would have done it later
A_MOVE = "a socket that moves from polling to a WebSocket, as the server's handshake offers"
LONG = "Please count from one to fifty, in words."


@requirement("SIO-13")
async def test_an_upgraded_socket_is_answered(case: Case) -> None:
    """It connects as a browser does, and asks twice: once for a text in many scripts."""
    client = case.lane.socket(Transport.UPGRADED, case.source)
    try:
        await client.connect()
        for number, script in enumerate(("unicode", "hello"), 1):
            reply = await (await case.start(script=script, socket=client)).finish()
            seen = f"ask {number} of a socket that had moved to a WebSocket: {reply.outcome()}"
            if not case.holds("SIO-13", case.lane.succeeded(reply), seen, "a whole reply", reply):
                break
            fields = of_document(case, *TOKEN_CHECKS)
            case.conforms(reply, on_behalf_of("SIO-13", *fields), said(case, script))
    except NotUpgraded as error:
        case.holds("SIO-13", False, str(error), A_MOVE, client.strays, late=UNKNOWN)
    except NotConnected as error:
        raise TooLate(f"no Socket.IO connection over polling: {error}") from error
    finally:
        await client.disconnect()


def said(case: Case, script: str) -> tuple[Check, ...]:
    """The check of a reply's text, where it is known."""
    return (text_is(case.provider.text(script), "SIO-13"),) if case.lane.provider else ()


@requirement("SIO-13")
async def test_an_idle_socket_moves(case: Case) -> None:
    """It moves while its poll is open and nobody says anything, between two asks."""
    client = await case.connect(Transport.POLLING)
    first = await (await case.start(socket=client)).finish()
    if not case.lane.succeeded(first):
        raise without(first, f"an ask over polling failed: {first.outcome()}")
    try:
        await client.upgrade()
    except NotUpgraded as error:
        case.holds("SIO-13", False, str(error), A_MOVE, client.strays, late=UNKNOWN)
        return
    reply = await (await case.start(socket=client)).finish()
    seen = f"the next ask of a socket that had moved to a WebSocket: {reply.outcome()}"
    case.holds("SIO-13", case.lane.succeeded(reply), seen, "a whole reply", reply)


@requirement("SIO-13")
async def test_a_reply_goes_on_across_the_move(case: Case) -> None:
    """The socket moves in mid-reply."""
    client, session = await case.connect(Transport.POLLING), case.lane.new_session()
    stream = await case.start(LONG, script="paced", socket=client, session=session)
    if not await stream.until(lambda reply: len(reply.tokens) >= SOME, case.lane.budget.deadlines.silence):
        raise TooLate(f"no tokens came over polling: {stream.transcript.outcome()}")
    asked: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
    asked.set_result(stream)
    await judge_move(case, client, session, asked)


@requirement("SIO-13")
async def test_an_ask_beside_the_move_is_answered(case: Case) -> None:
    """A page that asks as soon as it is connected, as in the API document, does so while its socket moves."""
    client, session = await case.connect(Transport.POLLING), case.lane.new_session()
    asking = asyncio.ensure_future(case.start(LONG, script="paced", socket=client, session=session))
    await judge_move(case, client, session, asking)


async def judge_move(case: Case, client: SocketClient, session: str, asking: asyncio.Future[Stream]) -> None:
    """Move a socket, and judge the reply to an ask that is under way or already sent, and one more in its session.

    The move takes its time, as on a slow network: what the provider says meanwhile must not be lost.
    """

    async def meanwhile() -> None:
        reply = (await asking).transcript
        if case.lane.provider:
            await case.provider.has_said(reply, len(reply.tokens) + SOME)

    try:
        await client.upgrade(meanwhile)
    except NotUpgraded as error:
        case.holds("SIO-13", False, str(error), A_MOVE, client.strays, late=UNKNOWN)
        await asyncio.gather(asking, return_exceptions=True)
        return
    moved_at, reply = time.monotonic(), (await asking).transcript
    await client.terminal(reply, case.lane.budget.deadlines, LINGER)
    is_kept = sio.kept_by_an_upgrade(case.provider.text("paced") if case.lane.provider else None, moved_at)
    case.conforms(reply, is_kept)
    if is_kept(reply):
        return  # what follows would be a consequence
    case.conforms(reply, on_behalf_of("SIO-13", sio.one_terminal_event, *of_document(case, *TOKEN_CHECKS)))
    again = await (await case.start(socket=client, session=session)).finish()
    seen = f"the next ask, after a reply during which the socket had moved: {again.outcome()}"
    if not case.holds("SIO-13", case.lane.succeeded(again), seen, "a whole reply", again) or not case.lane.provider:
        return
    if await remembers(case, reply, again) or not await remembers(case, *await talk_without_a_move(case)):
        return  # SIO-18 judges what is forgotten without a move, too
    seen = f"the next ask in the session of that reply: the provider got {shown(await sent_upstream(case, again), 400)}"
    case.holds("SIO-13", False, seen, "what was said in the reply during which the socket moved, too", again)


async def remembers(case: Case, reply: Transcript, later: Transcript) -> bool:
    """Whether the provider got an exchange with a later ask of its session."""
    upstream = words(await sent_upstream(case, later))
    return reply.case in upstream and words(reply.text) in upstream


async def talk_without_a_move(case: Case) -> tuple[Transcript, Transcript]:
    """Two exchanges of a session on a socket that stays with polling."""
    client, session = await case.connect(Transport.POLLING, case.lane.budget.addresses.fresh()), case.lane.new_session()
    first, second = [await exchange(case, text, session, socket=client) for text in ("Please say hello.", "Again?")]
    return first, second


@requirement("SIO-13", when=When.QUIET)
async def test_tokens_are_passed_on_after_the_move(case: Case) -> None:
    """As SIO-12: each token arrives before the provider writes the next one."""
    case.needs_provider()
    await judge_pace(case, "SIO-13", Transport.UPGRADED)
