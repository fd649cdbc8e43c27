"""Tests that run once, whatever the provider, and the lanes that they run in."""

from __future__ import annotations

import pytest

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.marks import When
from chatproof.conformance.suite.scheduler import Scheduler
from chatproof.conformance.suite.suite_tests import SuiteTest
from chatproof.harness.common.settings import Settings
from chatproof.harness.protocol.requirements import contract

STARTED = {"start": "python server.py --port {port}", "provider": ["openai", "gemini", "local"]}
NAMES = [f"test_{number}" for number in range(60)]


async def body(case: Case) -> None:
    case.holds("SSE-01", True, "", "")


async def lanes_of(
    names: list[str], when: When = When.IN_TURN, behind: str | None = None, stopped: str = "", **options: object
) -> list[str]:
    """The provider of the lane that each test is in."""
    scheduler = Scheduler(Settings.read({**STARTED, **options}, contract()), contract(), lambda _: None)
    for lane in scheduler.lanes:
        lane.side_by_side = True
        lane.state.stopped = "it fell silent" if lane.state.name == stopped else ""
    tests = [SuiteTest(name, ("SSE-01",), body, when, provider=behind) for name in names]
    await scheduler.begin(tests)
    await scheduler.close()
    return [scheduler.lane(test).state.name for test in tests]


async def test_they_are_spread_over_all_lanes() -> None:
    found = await lanes_of(NAMES)
    assert {name: found.count(name) >= 10 for name in STARTED["provider"]} == dict.fromkeys(STARTED["provider"], True)


async def test_each_is_always_in_the_same() -> None:
    assert await lanes_of(NAMES[30:]) == (await lanes_of(NAMES))[30:]


@pytest.mark.parametrize(
    "how",
    [
        {"start": None, "base_url": "http://127.0.0.1:9", "provider": ["openai"]},
        {"stopped": "gemini"},
        {"when": When.FROM_THE_START},
        {"behind": "openai"},
    ],
    ids=["a URL", "a lane that has stopped", "beside all others", "a provider's own"],
)
async def test_else_the_first_lane_has_them(how: dict[str, object]) -> None:
    assert set(await lanes_of(NAMES, **how)) == {"openai"}  # type: ignore[arg-type]
