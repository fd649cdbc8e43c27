"""END, SSE, SIO and CHAT: a reply of one token, which has no time between tokens."""

from __future__ import annotations

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.document_checks import of_document
from chatproof.conformance.suite.marks import over_sockets, requirement
from chatproof.conformance.suite.odd_replies import says
from chatproof.conformance.suite.revisions import needs_a_later_revision
from chatproof.harness.protocol.apis.chat_stream.completion_checks import (
    AGREES_WITH_TOKENS,
    completion_is_typed,
    tokens_equal_last_count,
)
from chatproof.harness.protocol.checks import sio, sse
from chatproof.harness.protocol.checks.end import one_completion_and_last
from chatproof.harness.protocol.checks.later import of_place
from chatproof.harness.protocol.findings import Check, Violation, on_behalf_of
from chatproof.harness.protocol.transcript import Transcript, Transport

ONE = "a reply of one token"


async def ask_for_one(case: Case, over: Transport) -> Transcript:
    """Ask for a reply of one token. That it ends in a completion is recorded for END-01, over sockets for SIO-03."""
    script = await case.provider.register("one-token", says("A reply of one token.", ["Yes."]))
    reply = await case.ask(script=script, over=over)
    row = "END-01" if over is Transport.SSE else "SIO-03"
    told = [] if reply.is_success else [Violation(f"{ONE}: {reply.outcome()}", "a completion", reply.ended_at)]
    case.keep(row, told, reply)
    return reply


@requirement("END-01", "END-02", "END-03", "END-04", "SSE-02", "SSE-03")
async def test_a_reply_of_one_token_ends(case: Case) -> None:
    """One completion, whose figures are numbers."""
    needs_a_later_revision(case)
    reply = await ask_for_one(case, Transport.SSE)
    checks: tuple[Check, ...] = (sse.one_object_a_line, sse.strict_text)
    if reply.is_success:
        checks = (*checks, one_completion_and_last, *of_document(case, completion_is_typed, *AGREES_WITH_TOKENS))
    case.conforms(reply, *(of_place(ONE, one) for one in checks))
    for row in {"END-02", "END-03", "END-04"} - {record.id for record in case.records}:
        case.cannot_judge(row, f"{ONE}: {reply.outcome()}")


@over_sockets
@requirement("SIO-03", "SIO-04")
async def test_a_reply_of_one_token_ends_over_sockets(case: Case, transport: Transport) -> None:
    """The same over Socket.IO."""
    needs_a_later_revision(case)
    reply = await ask_for_one(case, transport)
    if not reply.is_success:
        case.cannot_judge("SIO-04", f"{ONE}: {reply.outcome()}")
        return
    fields = on_behalf_of("SIO-04", completion_is_typed, tokens_equal_last_count)
    case.conforms(reply, *(of_place(ONE, one) for one in (sio.one_terminal_event, *of_document(case, *fields))))
