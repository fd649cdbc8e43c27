"""END-11: the timestamps of completions and sessions."""

from __future__ import annotations

from datetime import UTC, datetime

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, without
from chatproof.conformance.suite.marks import requirement
from chatproof.harness.client.http import HttpRequest, json_of
from chatproof.harness.protocol.apis.chat_stream.chat_stream import SESSIONS_PATH, TIMESTAMP
from chatproof.harness.protocol.apis.chat_stream.completion_checks import is_timestamp
from chatproof.harness.protocol.apis.chat_stream.timestamps import clock_fault
from chatproof.harness.protocol.excerpts import shown
from chatproof.harness.protocol.requirements import Profile
from chatproof.harness.protocol.transcript import Message, Transcript, Transport

A_WHILE = 1.1  # seconds: clocks that show whole seconds move in that time
SCRIPTS = (
    "hello",
    "slow-start",
    "hello",
    "hello",
    "hello",
)  # the second one takes two seconds; real models take longer


@requirement("END-11")
async def test_timestamps_are_true(case: Case) -> None:
    """Those of a session and its replies agree with the clock, and move from one reply to a later one."""
    session, ends = case.lane.new_session(), list[tuple[Transcript, Message]]()
    for script in SCRIPTS:
        reply = await case.ask(script=script, session=session)
        if (end := reply.completion) is None:
            raise without(reply, f"no completion came: {reply.outcome()}")
        judge_timestamp(case, "", end.body.get(TIMESTAMP), reply)
        ends.append((reply, end))
        first, begun = ends[0][1], ends[0][0].asked_at
        if min(reply.asked_at - begun, end.at - first.at) > A_WHILE:
            moves = end.body.get(TIMESTAMP) != first.body.get(TIMESTAMP)
            told = f"timestamp {shown(end.body.get(TIMESTAMP))} in two replies, {reply.asked_at - begun:.1f} s apart"
            case.holds("END-11", moves, told, "a timestamp that moves", reply)
            break
    answer = await case.request(HttpRequest("GET", SESSIONS_PATH + session))
    body = json_of(answer)
    judge_timestamp(case, "GET of its session: ", body.get(TIMESTAMP) if isinstance(body, dict) else None, answer)


@requirement("END-11")
async def test_timestamps_on_a_socket_are_true(case: Case) -> None:
    """The same for the completions of one socket, where they have a timestamp."""
    if not case.lane.shows(Profile.SOCKETIO):
        raise NotApplicable("profile socketio is not declared")
    socket, found = await case.connect(Transport.WEBSOCKET), list[object]()
    for script in SCRIPTS[:2]:
        reply = await case.ask(script=script, over=Transport.WEBSOCKET, socket=socket)
        timestamp = reply.completion.body.get(TIMESTAMP) if reply.completion else None
        if not isinstance(timestamp, str) or not is_timestamp(timestamp):
            raise NotApplicable("`chat_complete` has no timestamp")
        judge_timestamp(case, "chat_complete: ", timestamp, reply)
        found.append(timestamp)
    told = f"chat_complete: timestamp {shown(found[0])} in two replies, about 2 s apart"
    case.holds("END-11", found[0] != found[1], told, "a timestamp that moves", reply)


def judge_timestamp(case: Case, where: str, timestamp: object, answer: Transcript) -> None:
    """Judge a timestamp of just now. END-08 and SES-01 say whether it is one."""
    if not isinstance(timestamp, str) or not is_timestamp(timestamp):
        case.cannot_judge("END-11", f"{where}{shown(timestamp)} is no timestamp")
        return
    fault = clock_fault(timestamp, datetime.now(UTC))
    expected = "within a minute of the clock; without an offset, the local time of any zone"
    case.holds("END-11", not fault, f"{where}{fault}", expected, answer)
