"""A reply that the suite itself gave up, for the memory of all together, is no finding about the server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from chatproof.conformance.suite.case import Case
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.protocol.transcript import Transcript, Transport
from chatproof.harness.report.verdicts import Verdict


def test_a_reply_that_was_given_up_accuses_no_row_and_is_asked_again() -> None:
    reply = Transcript(Transport.SSE, request="POST /agent {}")
    reply.answered(0.0, 200, [])
    reply.shed("all replies together took more than 96 MB; reading stopped")
    noted: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    case = SimpleNamespace(
        lane=SimpleNamespace(contract=contract()),
        log=SimpleNamespace(keeps=lambda *_: None),
        _record=lambda *found, **how: noted.append((found, how)),
    )
    Case.keep(cast(Case, case), "TOK-04", [Violation("it ends early", "all of it")], reply)
    (((row, verdict, why), how),) = noted
    assert (row, verdict, how) == ("TOK-04", Verdict.NOT_TESTABLE, {"timed": True})
    assert why.startswith("POST /agent: 0 tokens, no terminal event, too large (all replies together took more")
