"""Checks that watch the time. A busy machine makes every server late, so one failure alone accuses nobody."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chatproof.conformance.suite.case import Case
from chatproof.harness.protocol.findings import Check, Finding, Violation
from chatproof.harness.protocol.lateness import Lateness
from chatproof.harness.protocol.transcript import Transcript

TRIES = 3  # on a machine that is not busy; a faulty server fails each of them
BUSY_TRIES = 5  # further ones, where the machine is busy
PATIENCE = 2.0  # seconds to wait for a busy machine before each of those

Attempt = tuple[Transcript, Sequence[Check]]


@dataclass(slots=True)
class TimedCheck:
    """What all attempts so far say of one check. `excused`: why the last one says nothing; `failures`: those that
    count."""

    id: str
    findings: Sequence[Finding] = ()
    transcript: Transcript | None = None
    failures: int = 0
    has_passed: bool = False
    excused: str = ""

    @property
    def is_open(self) -> bool:
        """Whether a further attempt can change the verdict."""
        return not self.has_passed and self.failures < TRIES

    def take(self, findings: Sequence[Finding], transcript: Transcript, lateness: Lateness) -> None:
        """Take one more attempt. A failure that a busy machine can have caused does not count."""
        self.excused = ""
        if findings and all(isinstance(one, Violation) and lateness.excuses(one.late) for one in findings):
            seen = "; ".join(one.seen for one in findings if isinstance(one, Violation))
            self.excused = f"{lateness}; {seen}"
            return
        self.findings, self.transcript = findings, transcript
        self.has_passed, self.failures = not findings, self.failures + bool(findings)


async def steadily(case: Case, attempt: Callable[[], Awaitable[Attempt]]) -> None:
    """Run timed checks on one attempt after the other until each has passed once, or has failed `TRIES` times.

    Where a busy machine excuses the failures, it is waited for; a row that it never lets pass is not testable.
    """
    known: dict[int, TimedCheck] = {}  # by place: checks may share an id
    busy = 0
    while True:
        began = time.monotonic()
        transcript, checks = await attempt()
        lateness: Lateness | None = None
        for place, one in enumerate(checks):
            check = known.setdefault(place, TimedCheck(one.id))
            if check.is_open:
                findings = one(transcript)
                if findings and lateness is None:
                    lateness = await case.lateness(began, transcript)
                check.take(findings, transcript, lateness or Lateness())
        left = [check for check in known.values() if check.is_open]
        busy += any(check.excused for check in left)
        if not left or busy > BUSY_TRIES:
            break
        if any(check.excused for check in left):
            await case.lane.heartbeat.calm(PATIENCE)
    for check in known.values():
        if check.is_open:
            case.is_too_busy(check.id, check.excused)
        else:
            case.keep(check.id, check.findings, check.transcript)
