"""A machine that is too busy to judge by the clock accuses no server."""

from __future__ import annotations

import asyncio
import time

import pytest

from bench.steady import busy_processes
from chatproof.conformance.suite import interruption
from chatproof.conformance.suite.judge import judge
from tests.suite.test_judge import SERVER, settings, verdicts

WATCH_THE_TIME = ["SSE-06", "SIO-12", "PERF-01", "PERF-02", "PERF-03", "INT-01"]


def test_two_busy_processes_beside() -> None:
    with busy_processes(2):
        summary = asyncio.run(judge(settings(start=SERVER + "plain", only=WATCH_THE_TIME)))
    assert not summary.error
    assert "violated" not in verdicts(summary).values(), verdicts(summary)


def test_a_suite_that_is_late_itself_waits_and_tries_again() -> None:
    """Its event loop, which reads the replies too, stands still again and again, and then no more."""

    async def hog() -> None:
        for _ in range(16):
            time.sleep(0.25)
            await asyncio.sleep(0.02)

    async def both() -> dict[str, str]:
        judged = asyncio.create_task(judge(settings(start=SERVER + "plain", only=["PERF-03"])))
        await hog()
        return verdicts(await judged)

    assert asyncio.run(both()) == {"PERF-03 (openai)": "passed"}


def test_a_server_that_never_cancels_is_not_excused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is watched for longer than the lateness of the suite can explain."""
    monkeypatch.setattr(interruption, "MANY_TIMES", interruption.FEW_TIMES)

    async def hog() -> None:
        while True:
            time.sleep(0.35)
            await asyncio.sleep(0.03)

    async def beside() -> dict[str, str]:
        busy = asyncio.create_task(hog())
        found = verdicts(await judge(settings(start=SERVER + "not-cancelled", only=["INT-01"])))
        busy.cancel()
        return found

    assert asyncio.run(beside()) == {"INT-01 (openai)": "violated"}
