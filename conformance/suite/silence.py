"""A provider that falls silent: the reply must end in an error, in time."""

from __future__ import annotations

import time
from typing import Any

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, TooLate
from chatproof.harness.client.http import Deadlines
from chatproof.harness.protocol.checks import err
from chatproof.harness.protocol.findings import Late
from chatproof.harness.protocol.transcript import Transcript, Transport

GRACE = 2.0  # seconds between a server's time-out and the error at its client
NO_HEADERS = 'about = "Not even HTTP headers."\n[timing]\nheaders_ms = 600000\n[[steps]]\ntokens = ["late"]\n'


async def judge_silence(case: Case, requirement_id: str, script: str, over: Transport, **how: Any) -> Transcript:
    """Judge that a reply ends in an error within the provider timeout, once the provider has fallen silent, and
    give it. `how`: as for `Case.ask`."""
    if (timeout := case.lane.provider_timeout) is None:
        raise NotApplicable("the server's provider timeout is not declared (--provider-timeout)")
    allowed = case.lane.settings.allowed
    deadlines = Deadlines(silence=timeout + allowed(10), whole=timeout * 2 + allowed(20))
    began = time.monotonic()
    reply = await case.ask(script=script, over=over, deadlines=deadlines, **how)
    case.conforms(reply, err.fails_as_error(requirement_id))
    await judge_error_in_time(case, requirement_id, reply, timeout, began)
    return reply


async def judge_error_in_time(case: Case, requirement_id: str, reply: Transcript, timeout: float, began: float) -> None:
    """Judge that an error came within the provider timeout of the provider's last byte. `began`: when the server was
    asked (monotonic seconds). Raises TooLate."""
    allowed = case.lane.settings.allowed
    if (entry := await case.provider.asked(reply)) is None:
        raise TooLate(f"the provider was never asked: {reply.outcome()}")
    if not reply.terminal and not err.is_http_error(reply):
        return  # no error, so none that is late
    last = case.provider.local(entry.writes[-1].at if entry.writes else entry.received)
    ended = reply.terminal.at if reply.terminal else reply.ended_at or last
    seen = f"an error {ended - last:.1f} s after the provider's last byte"
    grace = allowed(GRACE)
    expected = f"within {timeout:g} s ({grace:g} s of grace)"
    late, lateness = Late(ended - last - timeout - grace), await case.lateness(began, reply)
    case.holds(requirement_id, late.seconds <= 0, seen, expected, reply, late=late, lateness=lateness)
