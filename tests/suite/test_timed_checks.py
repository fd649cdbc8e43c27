"""Timed checks on a machine that is busy now and then: the lateness is given, nothing waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.timed_checks import BUSY_TRIES, TRIES, Attempt, steadily
from chatproof.harness.protocol.checks.perf import first_token_is_soon
from chatproof.harness.protocol.findings import Check, Finding, Late, Unjudged, Violation
from chatproof.harness.protocol.lateness import Lateness
from chatproof.harness.protocol.transcript import Transcript, Transport

IDLE, BUSY = Lateness((0.001,)), Lateness((0.001,), (0.2,))
SLOW = Violation("slow", "fast", late=Late(0.3))
WRONG = Violation("wrong", "right")


@dataclass
class FakeCase:
    """Takes what the checks find, in place of a `Case`. Each attempt has the next of `times` as its lateness."""

    times: Iterator[Lateness]
    kept: list[tuple[str, Sequence[Finding]]] = field(default_factory=list)
    busy: list[tuple[str, str]] = field(default_factory=list)
    waits: int = 0

    @property
    def lane(self) -> Any:
        return self

    heartbeat = lane

    async def calm(self, patience: float) -> None:
        self.waits += 1

    async def lateness(self, began: float, *replies: Transcript) -> Lateness:
        return next(self.times)

    def keep(self, requirement_id: str, findings: Sequence[Finding], transcript: Transcript | None) -> None:
        self.kept.append((requirement_id, list(findings)))

    def is_too_busy(self, requirement_id: str, why: str) -> None:
        self.busy.append((requirement_id, why))


def tried(findings: Iterable[list[Finding]], times: Iterable[Lateness]) -> FakeCase:
    """Run one check, which finds the next of `findings` in each attempt. StopIteration where there are too few."""
    case, each = FakeCase(iter(times)), iter(findings)

    async def attempt() -> Attempt:
        return Transcript(Transport.SSE), (Check("PERF-03", lambda _: next(each)),)

    asyncio.run(steadily(cast(Case, case), attempt))
    assert next(each, None) is None, "fewer attempts than expected"
    return case


def test_a_server_that_is_in_time_costs_one_attempt() -> None:
    assert tried([[]], []).kept == [("PERF-03", [])]


def test_a_slow_server_is_accused_after_three_attempts() -> None:
    case = tried([[SLOW]] * TRIES, [IDLE] * TRIES)
    assert case.kept == [("PERF-03", [SLOW])]
    assert case.waits == 0


def test_one_good_attempt_is_enough() -> None:
    assert tried([[SLOW], [SLOW], []], [IDLE, IDLE]).kept == [("PERF-03", [])]


def test_a_busy_machine_is_waited_for() -> None:
    case = tried([[SLOW], [SLOW], []], [BUSY, BUSY])
    assert case.kept == [("PERF-03", [])]
    assert case.waits == 2


def test_attempts_on_a_busy_machine_do_not_count() -> None:
    case = tried([[SLOW]] * 5, [BUSY, IDLE, BUSY, IDLE, IDLE])
    assert case.kept == [("PERF-03", [SLOW])]
    assert not case.busy


def test_a_machine_that_stays_busy_accuses_nobody() -> None:
    case = tried([[SLOW]] * (BUSY_TRIES + 1), [BUSY] * (BUSY_TRIES + 1))
    assert not case.kept
    ((name, why),) = case.busy
    assert name == "PERF-03"
    assert "this machine was busy" in why
    assert why.endswith("slow")


@pytest.mark.parametrize("finding", [WRONG, Unjudged("no token came"), Violation("s", "f", late=Late(9.0))])
def test_a_busy_machine_excuses_nothing_else(finding: Finding) -> None:
    case = tried([[finding]] * TRIES, [BUSY] * TRIES)
    assert case.kept == [("PERF-03", [finding])]


def test_each_of_several_checks_must_pass_once() -> None:
    case, each = FakeCase(iter([IDLE, IDLE])), iter([([SLOW], []), ([], [SLOW])])

    async def attempt() -> Attempt:
        first, second = next(each, ([], []))
        return Transcript(Transport.SSE), (Check("END-05", lambda _: first), Check("END-06", lambda _: second))

    asyncio.run(steadily(cast(Case, case), attempt))
    assert case.kept == [("END-05", []), ("END-06", [])]


def test_the_checks_of_the_suite_say_how_late_a_reply_was() -> None:
    """Else the guard would never excuse one."""
    reply = Transcript(Transport.WEBSOCKET)
    reply.event(1.2, "chat_token", {"token": "a", "count": 1, "partial": "a"})
    (found,) = first_token_is_soon()(reply)
    assert Lateness((0.1,)).excuses(cast(Violation, found).late)
