"""Run one test, again where a crash of the server cut it off, and set a verdict on every row that it names."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import replace

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, NotLookedAt, NotTestable, TooLate
from chatproof.conformance.suite.exchange_log import ExchangeLog
from chatproof.conformance.suite.recent_asks import UNDER_TEST
from chatproof.conformance.suite.suite_tests import SuiteTest
from chatproof.harness.protocol.findings import Violation
from chatproof.harness.report.crash import Crash
from chatproof.harness.report.failure_screen import screen
from chatproof.harness.report.verdicts import Record, Verdict

TEST_TIMEOUT = 240.0  # seconds; a test's own deadlines end it long before


async def perform(case: Case, test: SuiteTest) -> None:
    """Run a test's body until it comes to an end on a server that lives. An error becomes a record of the case; nothing
    is raised."""
    life, name = case.lane.life, case.name
    life.rows[name] = next(filter(case.lane.applies, case.ids), "")
    UNDER_TEST.set(name)
    try:
        while not await _is_judged(case, test):
            _start_over(case)
    finally:
        life.over(name)
    provider, over = case.lane.provider_name, str(test.parameters.get("transport", ""))
    case.records[:] = [replace(record, provider=provider, over=over) for record in case.records]


async def _is_judged(case: Case, test: SuiteTest) -> bool:
    """Run the test once, if it may run. False where a crash of the server cut it off."""
    life = case.lane.life
    await life.turn(case.name)
    case.lane.look_after_time()
    if case.lane.state.stopped:
        case.close_records(Verdict.NOT_TESTABLE, case.lane.state.stopped)
        return True
    if crash := life.accused.get(case.name):
        _accuse(case, crash)
        return True
    try:
        return await life.outlives(case.name, _run(case, test))
    finally:
        await case.close()


async def _run(case: Case, test: SuiteTest) -> None:
    left = case.lane.look_after_time()
    try:
        async with asyncio.timeout(min(left, case.lane.settings.allowed(TEST_TIMEOUT))):
            await test.body(case=case, **test.parameters)
        case.close_records(Verdict.HARNESS_ERROR, "the test ended without a check of this row")
    except NotApplicable as reason:
        case.close_records(Verdict.NOT_APPLICABLE, str(reason), weak=isinstance(reason, NotLookedAt))
    except NotTestable as reason:
        case.close_records(Verdict.NOT_TESTABLE, str(reason), timed=isinstance(reason, TooLate))
    except TimeoutError:
        is_over = case.lane.look_after_time() <= 0
        why = case.lane.state.stopped if is_over else f"the test did not end within {TEST_TIMEOUT:g} s"
        case.close_records(Verdict.NOT_TESTABLE, why, timed=not is_over)
    except Exception as error:  # a fault of the suite must never look like one of the server
        where = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        case.close_records(Verdict.HARNESS_ERROR, why)
        case.blame(why, traceback.format_exc())


def _start_over(case: Case) -> None:
    """Forget what was found on a server that has crashed."""
    case.records.clear()
    case.evidence.clear()
    case.log = ExchangeLog(case.log.wanted)
    case.source = case.lane.budget.addresses.fresh()


def _accuse(case: Case, crash: Crash) -> None:
    """The test's first row is violated by a crash; whether its other rows are kept was not seen. A server that the
    suite did not start may have crashed for other reasons."""
    seen, expected = crash.text, "the server answers, and goes on"
    first = case.lane.life.rows[case.name]
    for requirement_id in filter(case.lane.applies, case.ids):
        if requirement_id == first and case.lane.life.server:
            shown = screen(case.lane.contract[first], Violation(seen, expected), None)
            record = Record(first, Verdict.VIOLATED, seen, expected, shown, case.name, repeat=crash.repeat)
            case.records.append(record)
        else:
            weak = requirement_id != first
            case.records.append(Record(requirement_id, Verdict.NOT_TESTABLE, seen, test=case.name, weak=weak))
