"""A run of the suite: a lane for each provider, driven side by side on one event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

from chatproof.conformance.suite.case import Case
from chatproof.conformance.suite.first_ask import first_ask
from chatproof.conformance.suite.heartbeat import Heartbeat
from chatproof.conformance.suite.lane import LARGE_AT_ONCE, Lane
from chatproof.conformance.suite.lane_state import LaneState
from chatproof.conformance.suite.marks import IN_THE_BACKGROUND, When
from chatproof.conformance.suite.probe import AT_ONCE, serves_side_by_side, unseen_profiles
from chatproof.conformance.suite.runner import perform
from chatproof.conformance.suite.second_try import SecondTries, is_doubtful
from chatproof.conformance.suite.setup import Scene
from chatproof.conformance.suite.suite_tests import SuiteTest
from chatproof.fake_providers.journal.control_client import FakesError
from chatproof.fake_providers.server.launcher import FakesStartError
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.requirements import Contract

QUIET_AT_ONCE = 3
SPREAD = (When.IN_TURN, When.QUIET, When.ALONE)
PHASES = ((When.FIRST, AT_ONCE), (When.IN_TURN, AT_ONCE), (When.QUIET, QUIET_AT_ONCE), (When.ALONE, 1))


@dataclass(slots=True)
class Scheduler:
    """All lanes of a run. Use `open`, then `begin` and `ended`, or `run`, then `close`.

    `scene`: a server that runs already, instead of what the settings say; for the first lane.
    """

    settings: Settings
    contract: Contract
    say: Callable[[str], None]
    share: tuple[int, int] = (0, 1)
    scene: Scene | None = None
    lanes: list[Lane] = field(init=False)
    cases: dict[str, Case] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)  # the provider's name, by that of the test
    _ends: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _under_way: dict[str, None] = field(default_factory=dict)
    _conductor: asyncio.Task[None] | None = None
    _heartbeat: Heartbeat = field(default_factory=Heartbeat)
    _in_company: set[str] = field(default_factory=set)
    _doubtful: list[SuiteTest] = field(default_factory=list)
    _second_tries: SecondTries = field(default_factory=SecondTries)

    def __post_init__(self) -> None:
        large, door = asyncio.Semaphore(LARGE_AT_ONCE), asyncio.Lock()
        self.lanes = [
            Lane(
                self.settings,
                self.contract,
                self.say,
                LaneState(name),
                self.share,
                self.settings.api,
                heartbeat=self._heartbeat,
                large=large,
                open_door=door if self.settings.provider_url else asyncio.Lock(),  # lanes may share their fakes
            )
            for name in self.settings.providers
        ]

    def lane(self, test: SuiteTest) -> Lane:
        """The lane of a test: that of its provider. A test that runs once, whatever the provider, is in the first lane,
        or in the one where `begin` has put it."""
        provider = test.provider or self._places.get(test.name)
        return next((lane for lane in self.lanes if lane.state.name == provider), self.lanes[0])

    def _spread(self, tests: Sequence[SuiteTest]) -> None:
        """Share out the tests that run once, since all lanes end at the same time then; each has always the same lane.
        The first one has them all where the others may not be the same server, or are not whole."""
        if self.settings.start and not self.scene and all(lane.is_whole for lane in self.lanes):
            for test in tests:
                if test.when in SPREAD and not test.provider:
                    lane = self.lanes[crc32(test.name.encode()) % len(self.lanes)]
                    self._places[test.name] = lane.state.name

    def case(self, test: SuiteTest) -> Case:
        """The case of a test; another one once the test is tried again."""
        if test.name not in self.cases:
            self.cases[test.name] = self._new_case(test)
        return self.cases[test.name]

    def _new_case(self, test: SuiteTest) -> Case:
        lane = self.lane(test)
        return Case(lane, test.name, test.ids, lane.budget.addresses.fresh())

    def why_not(self, test: SuiteTest) -> str:
        """Why a test is not run, or nothing."""
        lane = self.lane(test)
        if reason := self.lanes[0].state.unfit or lane.state.unfit or lane.state.set_aside:
            return reason
        reasons = [lane.why_not(name) for name in test.ids]
        # a test asks in the ways of all its rows, so it is left out if the server lacks one of them
        return next(filter(None, map(lane.undeclared, test.ids)), "") or (reasons[0] if all(reasons) else "")

    # -- opening and closing

    async def open(self) -> None:
        """Start or find all servers and fakes, and probe them. The event loop waits while a server starts.

        A server of a further provider that does not come up costs the rows of that provider only.

        Raises:
            ChatproofError: there is nothing to judge; the text is one line.
        """
        self._heartbeat.start()
        given = Target.parse(self.settings.base_url).port if self.settings.base_url else None
        for lane in self.lanes:  # they start side by side
            if lane is self.lanes[0] and self.scene:
                lane.scene = self.scene
            else:
                with _Attempt(self, lane):
                    lane.launch(given if lane is self.lanes[0] else None)
        for lane in self.lanes:
            if not lane.state.unfit:
                with _Attempt(self, lane):
                    lane.wait_until_up()
        there = [lane for lane in self.lanes if not lane.state.unfit]
        problems = await asyncio.gather(*map(_probe, there), return_exceptions=True)
        for lane, problem in zip(there, problems, strict=True):
            with _Attempt(self, lane):
                if problem:
                    raise problem
                if lane is not self.lanes[0] and lane.state.unfit:
                    raise ChatproofError(lane.state.unfit)
        await self._set_aside_what_is_not_shown()
        for state in (lane.state for lane in self.lanes if lane.state.missing):
            rest = f"no row is judged with {state.name}"
            if not any(lane.state.has_provider for lane in self.lanes):
                rest = "nothing can be judged" if self.stopped else "only rows without a provider are judged"
            self.say(f"{state.no_provider} {state.advice} Until then {rest}")

    async def _set_aside_what_is_not_shown(self) -> None:
        """Leave out the providers and profiles that nobody declared and that the server does not show."""
        if not self.settings.declares_providers:
            for lane in self.lanes[1:]:
                if lane.state.unfit or lane.state.missing:
                    lane.state.set_aside = lane.state.unfit or lane.state.no_provider
                    lane.state.unfit, lane.state.missing = "", False
                    await lane.close()
            if aside := [lane.state for lane in self.lanes if lane.state.set_aside]:
                used = [lane.state.name for lane in self.lanes if not lane.state.set_aside]
                if not self.lanes[0].state.missing:
                    self.say(
                        f"judged with {_and(used)}: the server was not seen to ask {_and(one.name for one in aside)}; "
                        "--provider names the providers to judge"
                    )
        if not self.settings.declares_profiles and not (self.lanes[0].state.unfit or self.lanes[0].state.stopped):
            unseen = await unseen_profiles(self.lanes[0])
            for lane in self.lanes:
                lane.state.unseen = unseen
            await self.lanes[0].life.look()

    async def close(self) -> None:
        """Cancel what is under way, and stop what was started, by its handle."""
        self._heartbeat.stop()
        if self._conductor:
            self._conductor.cancel()
            await asyncio.gather(self._conductor, return_exceptions=True)
        for lane in self.lanes:
            await lane.close()

    # -- running tests

    async def begin(self, tests: Sequence[SuiteTest]) -> None:
        """Begin tests, in the order that `marks` describes."""
        self._spread(tests)
        loop = asyncio.get_running_loop()
        self._ends = {test.name: loop.create_future() for test in tests}
        self._conductor = loop.create_task(self._conduct(tests))

    async def run(self, test: SuiteTest) -> None:
        """Run one test by itself; other processes may run more beside it."""
        await perform(self.case(test), test)
        if is_doubtful(self.case(test)):
            await self._try_again(test)

    async def _try_again(self, test: SuiteTest) -> bool:
        second = self._new_case(test)
        if await self._second_tries.run(test, self.cases[test.name], second):
            self.cases[test.name] = second
        return True

    async def ended(self, name: str, patience: float | None) -> None:
        """Wait for a test that was begun. After `patience` seconds, if any, say which tests are still under way."""
        end = self._ends[name]
        await asyncio.wait([end], timeout=patience)
        if not end.done():
            waiting = [one.rpartition("::")[2] for one in self._under_way]
            more = f" and {len(waiting) - 4} more" if len(waiting) > 4 else ""
            self.say(f"waiting for {', '.join(waiting[:4])}{more} …")
        await end

    @property
    def under_way(self) -> list[str]:
        """The ids of the rows that are being tested."""
        return [row for name in self._under_way for row in self.cases[name].ids]

    def has_ended(self, name: str) -> bool:
        """Whether a test that was begun is over."""
        return name in self._ends and self._ends[name].done()

    @property
    def stopped(self) -> str:
        """Why no more tests are run in any lane, or nothing."""
        usable = [lane for lane in self.lanes if not (lane.state.unfit or lane.state.set_aside)]
        return usable[0].state.stopped if usable and all(lane.state.stopped for lane in usable) else ""

    async def _conduct(self, tests: Sequence[SuiteTest]) -> None:
        shared = [test for test in tests if self.lane(test).side_by_side]
        background = [test for test in tests if test.when is When.FROM_THE_START]
        background += [test for test in shared if test.when in (When.AFTER_SOCKETS, When.LONG)]
        async with asyncio.TaskGroup() as tasks:
            for test in background:
                tasks.create_task(self._one(test))
            for lane in self.lanes:
                if not lane.side_by_side:
                    tasks.create_task(self._in_turn([test for test in tests if self.lane(test) is lane]))
            for when, at_once in PHASES:  # in all lanes together, so that no lane disturbs the timed tests of another
                gates = self._gates(when, at_once)
                async with asyncio.TaskGroup() as phase:
                    for test in shared:
                        if test.when is when:
                            phase.create_task(self._one(test, gates[self.lane(test).state.name]))
        for test in self._doubtful:
            self._under_way[test.name] = None
            await self._end(test, self._try_again(test))

    def _gates(self, when: When, at_once: int) -> dict[str, asyncio.Semaphore]:
        """How many tests of each lane run at once. If lanes share their fakes, one test runs alone in all of them."""
        if when is When.ALONE and self.settings.provider_url:
            common = asyncio.Semaphore(1)
            return {lane.state.name: common for lane in self.lanes}
        return {lane.state.name: asyncio.Semaphore(at_once) for lane in self.lanes}

    async def _in_turn(self, tests: Sequence[SuiteTest]) -> None:
        """Run the tests of a lane one after the other.

        Replies that go on in the background must not be heard by tests of Socket.IO: a server that sends them to
        everybody is to be caught by SIO-06 alone.
        """
        for test in tests:
            if test.when is When.FIRST:
                await self._one(test)
        foreground = [test for test in tests if test.when not in (When.FIRST, *IN_THE_BACKGROUND)]
        for test in foreground:
            if test.uses_sockets(self.contract):
                await self._one(test)
        async with asyncio.TaskGroup() as tasks:
            for test in tests:
                if test.when is When.AFTER_SOCKETS:
                    tasks.create_task(self._one(test))
            for test in foreground:
                if not test.uses_sockets(self.contract):
                    await self._one(test)
        for test in tests:
            if test.when is When.LONG:
                await self._one(test)

    async def _one(self, test: SuiteTest, gate: asyncio.Semaphore | None = None) -> None:
        async with gate or asyncio.Semaphore():
            self._under_way[test.name] = None
            if len(self._under_way) > 1:
                self._in_company.update(self._under_way)
            await self._end(test, self._once(test))

    async def _once(self, test: SuiteTest) -> bool:
        began = time.monotonic()
        await perform(self.case(test), test)
        was_alone = test.name not in self._in_company and not self._heartbeat.was_busy(began)
        if was_alone or not is_doubtful(self.case(test)):
            return True
        self._doubtful.append(test)
        return False

    async def _end(self, test: SuiteTest, work: Awaitable[bool]) -> None:
        """Tell whoever waits for a test that it is over, if its work says so."""
        try:
            if await work:
                self._ends[test.name].set_result(None)
        except Exception as error:
            self._ends[test.name].set_exception(error)
        finally:
            del self._under_way[test.name]


def _and(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


@dataclass(slots=True)
class _Attempt:
    """A step of opening a lane. If it fails, the run fails for the first lane; any other lane becomes unfit."""

    scheduler: Scheduler
    lane: Lane

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, problem: BaseException | None, trace: object) -> bool:
        if not isinstance(problem, ChatproofError | FakesError | FakesStartError):
            return False
        if self.lane is self.scheduler.lanes[0]:
            raise ChatproofError(str(problem)) from problem
        self.lane.state.unfit = f"with LLM_PROVIDER={self.lane.state.name}: {problem}"
        return True


async def _probe(lane: Lane) -> None:
    await first_ask(lane)
    if lane.state.has_provider and not lane.state.unfit:
        lane.side_by_side = await serves_side_by_side(lane)
    if not lane.state.unfit:
        await lane.life.look()
        lane.life.begin()
