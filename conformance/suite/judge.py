"""The suite without pytest: judge a server from Python, several of them in one process."""

from __future__ import annotations

from collections.abc import Callable

from chatproof.conformance.suite.outcome import Outcome
from chatproof.conformance.suite.scheduler import Scheduler
from chatproof.conformance.suite.setup import Scene
from chatproof.conformance.suite.suite_tests import all_tests, in_order
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import Contract, contract
from chatproof.harness.report import RunSummary

TOO_LONG = 600.0  # seconds; a test's own time limit ends it long before


async def judge(
    settings: Settings,
    rows: Contract | None = None,
    scene: Scene | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> RunSummary:
    """Run all tests that the settings ask for against one server.

    Several calls may run side by side on one event loop. The loop is blocked while a server starts (`settings.start`).

    Args:
        rows: the contract (default: the one of this version).
        scene: a server that runs already and the fakes behind it, instead of what the settings say. Whoever
            started them stops them.
        say: gets each remark on the run's progress, one line.

    Returns:
        Every row with its verdict, and the one verdict. `error` says why nothing could be judged; else it is empty.

    Raises:
        ChatproofError: the baseline cannot be read.
    """
    rows = rows or contract()
    outcome = Outcome.of(settings, rows)
    scheduler = Scheduler(settings, rows, say, scene=scene)
    tests = in_order(all_tests(settings, rows))
    outcome.select(tests, [lane.state for lane in scheduler.lanes])
    try:
        await scheduler.open()
        wanted = [test for test in tests if test.is_wanted(settings, rows) and not scheduler.why_not(test)]
        await scheduler.begin(wanted)
        for test in wanted:
            await scheduler.ended(test.name, TOO_LONG)
    except ChatproofError as error:
        outcome.error = str(error)
    finally:
        await scheduler.close()
    for case in scheduler.cases.values():
        outcome.add(case.records, case.evidence)
    return outcome.summary()
