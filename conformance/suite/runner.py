"""Run the body of one test, and set a verdict on every row that it names."""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import replace

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.exceptions import NotApplicable, NotTestable, TooLate
from chatproof.conformance.suite.suite_tests import SuiteTest
from chatproof.harness.report.verdicts import Verdict

TEST_TIMEOUT = 240.0  # seconds; a test's own deadlines end it long before


async def perform(case: Case, test: SuiteTest) -> None:
    """Run a test's body. An error becomes a record of the case; nothing is raised."""
    if case.lane.state.stopped:  # the server has ended
        case.close_records(Verdict.NOT_TESTABLE, case.lane.state.stopped)
        return
    try:
        async with asyncio.timeout(case.lane.settings.allowed(TEST_TIMEOUT)):
            await test.body(case=case, **test.parameters)
        case.close_records(Verdict.HARNESS_ERROR, "the test ended without a check of this row")
    except NotApplicable as reason:
        case.close_records(Verdict.NOT_APPLICABLE, str(reason))
    except NotTestable as reason:
        case.close_records(Verdict.NOT_TESTABLE, str(reason), timed=isinstance(reason, TooLate))
    except TimeoutError:
        case.close_records(Verdict.NOT_TESTABLE, f"the test did not end within {TEST_TIMEOUT:g} s", timed=True)
    except Exception as error:  # a fault of the suite must never look like one of the server
        where = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
        case.close_records(Verdict.HARNESS_ERROR, why)
        case.blame(why, traceback.format_exc())
    finally:
        await case.close()
        case.lane.look_after_server(case.name.rpartition("::")[2])
        name = case.lane.provider_name
        over = str(test.parameters.get("transport", ""))
        case.records[:] = [replace(record, provider=name, over=over) for record in case.records]
