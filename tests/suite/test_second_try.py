"""What fails beside others is tried again alone. The tests here are made up, and ask no server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from chatproof.conformance.suite import heartbeat, second_try
from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import TooLate
from chatproof.conformance.suite.marks import When
from chatproof.conformance.suite.rate_budget import SLOW_ASKS_AT_MOST, RateBudget
from chatproof.conformance.suite.scheduler import Scheduler
from chatproof.conformance.suite.second_try import IN_VAIN
from chatproof.conformance.suite.suite_tests import SuiteTest
from chatproof.harness.client.connection import SourceAddresses
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.findings import Late
from chatproof.harness.protocol.requirements import contract
from chatproof.harness.protocol.transcript import End, Transcript, Transport
from chatproof.harness.report import remarks
from chatproof.harness.report.verdicts import Ledger, Record, Row, Verdict

Body = Callable[[Case], Awaitable[None]]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "CALM_FOR", 0.0)


def a_reply(end: End = End.COMPLETE) -> Transcript:
    reply = Transcript(Transport.SSE, status=200)
    reply.ended(0.0, end, "nothing for 10.0 s" if end is End.TIMEOUT else "")
    return reply


class InTurn:
    """A test's body, which finds the next of `ends` each time that it runs."""

    def __init__(self, *ends: End) -> None:
        self.ends = list(ends)
        self.runs = 0

    async def __call__(self, case: Case) -> None:
        reply = a_reply(self.ends[min(self.runs, len(self.ends) - 1)])
        self.runs += 1
        await asyncio.sleep(0)
        case.holds("TOK-02", reply.end is End.COMPLETE, reply.outcome(), "a whole reply", reply)


async def bystander(case: Case) -> None:
    await asyncio.sleep(0.01)
    case.holds("SSE-01", True, "", "")


def run(*bodies: tuple[str, Body]) -> tuple[Scheduler, dict[str, Row]]:
    """Run tests of these rows side by side; the rows."""

    async def all_of_them() -> Scheduler:
        settings = Settings.read({"base_url": "http://127.0.0.1:9", "provider": ["openai"]}, contract())
        scheduler = Scheduler(settings, contract(), lambda _: None)
        (lane,) = scheduler.lanes
        lane.side_by_side, lane.state.has_provider = True, True
        lane.budget = RateBudget(settings, SourceAddresses(False), False, lambda _: None)
        tests = [SuiteTest(str(place), (name,), body, When.IN_TURN) for place, (name, body) in enumerate(bodies)]
        await scheduler.begin(tests)
        for test in tests:
            await scheduler.ended(test.name, 5)
        await scheduler.close()
        return scheduler

    scheduler = asyncio.run(all_of_them())
    ledger = Ledger(contract())
    for case in scheduler.cases.values():
        ledger.add(case.records)
    rows = ledger.rows({name for name, _ in bodies}, lambda row, _: Record(row.id, Verdict.NOT_APPLICABLE))
    return scheduler, {row.requirement.id: row for row in rows}


def test_a_time_out_beside_others_that_does_not_come_again_accuses_nobody() -> None:
    body = InTurn(End.TIMEOUT, End.COMPLETE)
    _, rows = run(("TOK-02", body), ("SSE-01", bystander))
    assert body.runs == 2
    row = rows["TOK-02"]
    assert (row.verdict, rows["SSE-01"].verdict) == ("passed", "passed")
    assert "nothing for 10.0 s" in row.retried
    (line,) = remarks(rows.values())
    assert line.startswith("TOK-02 passed when tried again alone; beside other tests: ")


def test_a_time_out_that_comes_again_accuses() -> None:
    body = InTurn(End.TIMEOUT)
    _, rows = run(("TOK-02", body), ("SSE-01", bystander))
    assert (body.runs, rows["TOK-02"].verdict, rows["TOK-02"].retried) == (2, "violated", "")


def test_a_test_that_ran_alone_is_not_run_again() -> None:
    body = InTurn(End.TIMEOUT)
    _, rows = run(("TOK-02", body))
    assert (body.runs, rows["TOK-02"].verdict) == (1, "violated")


def test_what_passes_and_what_was_wrong_in_time_is_not_run_again() -> None:
    good, wrong = InTurn(End.COMPLETE), InTurn(End.TRUNCATED)
    _, rows = run(("TOK-02", good), ("TOK-02", wrong), ("SSE-01", bystander))
    assert (good.runs, wrong.runs, rows["TOK-02"].verdict) == (1, 1, "violated")


def test_wrong_content_stands_although_the_second_try_passes() -> None:
    runs: list[None] = []

    async def body(case: Case) -> None:
        runs.append(None)
        await asyncio.sleep(0)
        if len(runs) == 1:
            case.holds("TOK-02", False, "count 7 after 5", "one more")
            raise TooLate("the provider was never asked")
        case.holds("TOK-02", True, "", "")

    _, rows = run(("TOK-02", body), ("SSE-01", bystander))
    assert len(runs) == 1, "the row was judged already: there is nothing to try again"
    assert (rows["TOK-02"].verdict, rows["TOK-02"].seen) == ("violated", "count 7 after 5")


def test_both_tries_are_joined() -> None:
    runs: list[None] = []

    async def body(case: Case) -> None:
        runs.append(None)
        await asyncio.sleep(0)
        case.holds("TOK-02", len(runs) > 1, "count 7 after 5", "one more")
        case.holds("TOK-02", len(runs) > 1, "2 s", "1 s", late=Late(1.0))

    _, rows = run(("TOK-02", body), ("SSE-01", bystander))
    assert len(runs) == 2
    assert (rows["TOK-02"].verdict, rows["TOK-02"].seen) == ("violated", "count 7 after 5")


def test_second_tries_end_once_several_changed_nothing() -> None:
    bodies = [InTurn(End.TIMEOUT) for _ in range(IN_VAIN + 2)]
    scheduler, rows = run(*(("TOK-02", body) for body in bodies))
    assert [body.runs for body in bodies] == [2] * IN_VAIN + [1, 1]
    assert rows["TOK-02"].verdict == "violated"
    assert not scheduler.lanes[0].budget.has_time


def test_second_tries_have_a_bound_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes longer is broken off, and what was seen first stands."""
    monkeypatch.setattr(second_try, "AT_MOST", 0.1)
    runs: list[None] = []

    async def body(case: Case) -> None:
        runs.append(None)
        await asyncio.sleep(0 if len(runs) == 1 else 60)
        raise TooLate("the provider was never asked")

    after = InTurn(End.TIMEOUT)
    _, rows = run(("TOK-04", body), ("TOK-02", after), ("SSE-01", bystander))
    assert (len(runs), after.runs) == (2, 1)
    assert (rows["TOK-04"].verdict, rows["TOK-04"].seen) == ("not testable", "the provider was never asked")


def test_a_message_says_that_the_suite_shortened_its_patience() -> None:
    settings = Settings.read({"base_url": "http://127.0.0.1:9"}, contract())
    budget = RateBudget(settings, SourceAddresses(False), False, lambda _: None)
    usual = budget.deadlines
    assert usual.cut == ""
    for _ in range(SLOW_ASKS_AT_MOST):
        budget.note(a_reply(End.TIMEOUT))
    assert budget.deadlines.silence < usual.silence
    assert budget.deadlines.cut == "; the suite waits no longer (usually 10 s), since 6 asks timed out before"
    budget.has_time = True
    assert budget.deadlines == usual


@pytest.mark.parametrize(
    ("transport", "late", "runs"),
    [(Transport.POLLING, 0.3, 2), (Transport.POLLING, 0.01, 1), (Transport.SSE, 0.3, 1)],
)
def test_a_socket_that_a_busy_machine_lost_is_tried_again(transport: Transport, late: float, runs: int) -> None:
    tries: list[None] = []

    async def body(case: Case) -> None:
        tries.append(None)
        reply = Transcript(transport, asked_at=time.monotonic(), status=200 if transport is Transport.SSE else None)
        case.lane.heartbeat.beats.append((time.monotonic(), late))
        reply.ended(time.monotonic(), End.TRUNCATED, "Invalid session")
        await asyncio.sleep(0)
        case.holds("TOK-02", len(tries) > 1, reply.outcome(), "a whole reply", reply)

    _, rows = run(("TOK-02", body), ("SSE-01", bystander))
    assert len(tries) == runs
    assert rows["TOK-02"].verdict == ("passed" if runs == 2 else "violated")
