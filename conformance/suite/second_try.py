"""Run a test again, alone, in which something did not come in time while other tests ran."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.runner import perform
from chatproof.conformance.suite.suite_tests import SuiteTest
from chatproof.harness.report.verdicts import BAD, Record, Verdict

AT_MOST = 60.0  # seconds for all second tries of a run
IN_VAIN = 3  # second tries one after the other that failed too: then the reason is not what ran beside
PATIENCE = 5.0  # seconds to wait for a busy machine before each


def is_doubtful(case: Case) -> bool:
    """Whether what ran beside can be the reason for what a test found."""
    return not case.lane.state.stopped and any(one.timed and one.verdict in BAD for one in case.records)


@dataclass(slots=True)
class SecondTries:
    """The second tries of a run, which are bounded."""

    spent: float = 0.0
    in_vain: int = 0

    async def run(self, test: SuiteTest, first: Case, second: Case) -> bool:
        """Try once more, alone and with the usual patience. Gives whether `second` counts from now on."""
        lane = second.lane
        if self.spent >= AT_MOST or self.in_vain >= IN_VAIN or lane.state.stopped:
            return False
        began = time.monotonic()
        lane.budget.has_time = True
        try:
            async with asyncio.timeout(AT_MOST - self.spent):
                await lane.heartbeat.calm(PATIENCE)
                await perform(second, test)
        except TimeoutError:
            return False
        finally:
            lane.budget.has_time = False
            self.spent += time.monotonic() - began
        self.in_vain = self.in_vain + 1 if is_doubtful(second) else 0
        _join(first, second)
        return True


def _join(first: Case, second: Case) -> None:
    """Put into the second case what stands of the first: violations that no other test can have caused."""
    stands = [one for one in first.records if one.verdict is Verdict.VIOLATED and not one.timed]
    before = {one.id: one.seen for one in reversed(first.records) if one.timed and one.verdict in BAD}
    second.records[:] = [*(_told(one, before) for one in second.records), *stands]
    if stands:
        second.evidence += first.evidence


def _told(record: Record, before: dict[str, str]) -> Record:
    return replace(record, retried=before.get(record.id, "")) if record.verdict is Verdict.PASSED else record
