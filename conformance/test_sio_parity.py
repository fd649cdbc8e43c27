"""SIO-15 to SIO-18: what holds over SSE holds over Socket.IO."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import When, over_each_socket, requirement
from chatproof.conformance.suite.next_ask import judge_next_ask
from chatproof.conformance.suite.odd_session_ids import ALIKE, INBORN_IDS, NO_NAMES, ODD_IDS, UNROUTABLE_IDS
from chatproof.conformance.suite.ordinary_texts import judge_texts
from chatproof.conformance.suite.session_requests import exchange, of_others, sent_upstream
from chatproof.conformance.suite.silence import judge_silence
from chatproof.conformance.suite.steady import steady
from chatproof.harness.client.http import Deadlines
from chatproof.harness.client.socketio import SocketClient
from chatproof.harness.protocol.apis.chat_stream.chat_stream import ASK_EVENT, body_of
from chatproof.harness.protocol.checks.tok import words
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.transcript import Transcript, Transport
from chatproof.harness.report.verdicts import Verdict

ODD_SESSIONS: tuple[Any, ...] = (5, 1.5, True, [], ["a"], {}, {"a": 1}, None)
# names that every JavaScript object has, and Python's
EXCHANGES = (("My name is Ferdinand.", "hello"), ("I live in Toledo.", "three-tokens"), ("Who am I?", "hello"))
FEW = 8  # odd asks on one socket, each with an ordinary one behind it: within the limits of one address
ENOUGH = 2  # faults that are told
AFTER_SILENCE = 1.0  # seconds in which an odd ask must be answered, once one was not


@requirement("SIO-15")
async def test_odd_ids_are_answered(case: Case) -> None:
    """Ids of another type or with odd characters, and lone surrogates. After each, the same socket asks again."""
    client: SocketClient | None = None
    for number, (session, text) in enumerate(odd_asks(case)):
        if client is None or number % FEW == 0:
            client = await case.connect(Transport.WEBSOCKET, case.lane.budget.addresses.fresh())
        if not await judge_odd_ask(case, client, session, text):
            client = None
        if faults_in(case) >= ENOUGH:
            break


def faults_in(case: Case) -> int:
    """How many faults the test has found."""
    return sum(record.verdict is Verdict.VIOLATED for record in case.records)


def deadlines_of(case: Case) -> Deadlines:
    """How long an odd ask is waited for. Shorter, once one was not answered: the first has had all the time."""
    if not faults_in(case):
        return case.lane.budget.deadlines
    wait = case.lane.settings.allowed(AFTER_SILENCE)
    return Deadlines(silence=wait, cut="; the suite waits no longer, since an ask before was not answered")


def odd_asks(case: Case) -> Iterator[tuple[object, str]]:
    """Session ids and texts, of which at least one is odd. A server may send an id to its provider."""
    name, text = case.lane.new_session(), "Please say hello."
    for pattern in (*ODD_IDS, *UNROUTABLE_IDS, *NO_NAMES, *INBORN_IDS):
        yield pattern.format(case.lane.new_session()), text
    for pattern in ALIKE:
        yield pattern.format(name), text
    for value in ODD_SESSIONS:
        yield value, text
    yield case.lane.new_session(), f"\ud800 {text}"
    yield f"{case.lane.new_session()}\udfff", text


async def judge_odd_ask(case: Case, client: SocketClient, session: object, text: str) -> bool:
    """Judge that an odd ask gets a reply or an error with nothing of others in it, and that the socket can ask again.
    Gives whether the socket can be used further."""
    name = case.lane.new_case()
    ask = body_of(case.lane.message(text, "hello", name), session)
    reply = await client.emit(ASK_EVENT, ask, escape=True)
    reply.case = name
    await client.terminal(reply, deadlines_of(case))
    what = f"session_id {shown(session)}" + (" and a lone surrogate in the message" if "\ud800" in text else "")
    seen = f"{what}: {reply.outcome()}"
    if not case.holds("SIO-15", reply.terminal is not None, seen, "a reply, or chat_stream_error", reply):
        return False
    is_ours = isinstance(session, str) and session not in (*NO_NAMES, *INBORN_IDS)  # not that of an earlier run
    if case.lane.provider and is_ours and reply.is_success:
        others = await of_others(case, reply)
        seen = f"{what}: the provider also got {shown(others)}"
        case.holds("SIO-15", not others, seen, "nothing of another session", reply)
    return await judge_next_ask(case, client, f"after {what}", "SIO-15")


@over_each_socket
@requirement("SIO-16")
async def test_text_reaches_the_provider_unchanged(case: Case, transport: Transport) -> None:
    """The texts of REQ-07. Over polling they travel in bodies of HTTP."""

    async def ask(text: str) -> Transcript:
        return await case.ask(text, over=transport, source=case.lane.budget.addresses.fresh())

    await judge_texts(case, "SIO-16", ask)


@pytest.mark.parametrize("script", ["stall", "silent"])
@over_each_socket
@requirement("SIO-17", when=When.AFTER_SOCKETS)
async def test_a_silent_provider_ends_in_an_error(case: Case, script: str, transport: Transport) -> None:
    """As ERR-06, over each transport of Socket.IO; then the same socket asks in the same session."""
    client, session = await case.connect(transport), case.lane.new_session()
    reply = await judge_silence(case, "SIO-17", script, transport, socket=client, session=session)
    if reply.terminal:
        when = f"in the same session, after {case.provider.does(script)}"
        async with steady(case):
            await judge_next_ask(case, client, when, "SIO-17", session)


@over_each_socket
@requirement("SIO-18")
async def test_a_socket_remembers(case: Case, transport: Transport) -> None:
    """Two exchanges on one socket and a third on another one: each takes all that was said before to the provider."""
    session = case.lane.new_session()
    client = await case.connect(transport)
    said: list[str] = []
    for number, (text, script) in enumerate(EXCHANGES, 1):
        if number == 3:
            await client.disconnect()
            client = await case.connect(transport)
        reply = await exchange(case, text, session, socket=client, script=script)
        said.append(text)
        upstream = await sent_upstream(case, reply)
        places = [words(upstream).find(words(one)) for one in said]
        lost = [one for one, place in zip(said, places, strict=True) if place < 0]
        what = f"lacks {', '.join(map(shown, lost))}" if lost else "has what was said in another order"
        where = "on another socket" if number == 3 else "on the same socket"
        seen = f"exchange {number} of a session, {where}: the provider's request {what}: {shown(upstream, 400)}"
        kept = not lost and places == sorted(places)
        if not case.holds("SIO-18", kept, seen, f"in this order: {', '.join(map(shown, said))}", reply):
            break
        said.append(case.provider.text(script).strip())
