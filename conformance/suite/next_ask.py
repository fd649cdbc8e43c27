"""The ask that follows another on one socket."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.lane import FRESH
from chatproof.harness.client.socketio import SocketClient


async def judge_next_ask(
    case: Case, client: SocketClient, when: str, requirement_id: str = "SIO-10", session: str = FRESH
) -> bool:
    """Judge that a socket answers another ask with a whole reply, and say whether it did."""
    if not case.holds(requirement_id, client.is_open, f"{when}: the server closed the socket", "a socket that can ask"):
        return False
    again = await (await case.start(socket=client, session=session)).finish()
    kept = case.lane.succeeded(again)
    return case.holds(requirement_id, kept, f"another ask {when}: {again.outcome()}", "a whole reply", again)
