"""A run of the suite: a lane for each provider, driven side by side on one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from chatproof.conformance.suite.lane import Run
from chatproof.conformance.suite.lane_state import Facts
from chatproof.conformance.suite.marks import IN_THE_BACKGROUND, When
from chatproof.conformance.suite.probe import AT_ONCE, serves_side_by_side, unseen_profiles
from chatproof.fake_providers.client import FakesError
from chatproof.fake_providers.process import FakesStartError
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.requirements import Contract

T = TypeVar("T")
QUIET_AT_ONCE = 3
PHASES = ((When.IN_TURN, AT_ONCE), (When.QUIET, QUIET_AT_ONCE), (When.ALONE, 1))


@dataclass(frozen=True, slots=True)
class Planned:
    """A test with its lane. `perform` runs it."""

    name: str
    run: Run
    when: When
    on_sockets: bool
    perform: Callable[[], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Lanes:
    """All servers of a run. Use `open`, `begin` or `do`, and `close`."""

    settings: Settings
    contract: Contract
    say: Callable[[str], None]
    share: tuple[int, int] = (0, 1)
    runs: list[Run] = field(init=False)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _ends: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    _under_way: dict[str, None] = field(default_factory=dict)
    _conductor: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.runs = [
            Run(self.settings, self.contract, self.say, Facts(name), self.share) for name in self.settings.providers
        ]

    def __getitem__(self, provider: str | None) -> Run:
        """The lane of a provider; the first where a test needs none."""
        return next((run for run in self.runs if run.facts.name == provider), self.runs[0])

    # -- opening and closing

    def open(self) -> None:
        """Start or find all servers and fakes, and look at them. One of a further provider that does not come up
        costs the rows of that provider only.

        Raises:
            ChatproofError: there is nothing to judge; the text is one line.
        """
        given = Target.parse(self.settings.base_url).port if self.settings.base_url else None
        for run in self.runs:  # they come up side by side
            self._try(run, lambda run=run: run.launch(given if run is self.runs[0] else None))  # type: ignore[misc]
        for run in self.runs:
            self._try(run, run.arrive)
        self.do(self._look())

    async def _look(self) -> None:
        there = [run for run in self.runs if not run.facts.unfit]
        found = await asyncio.gather(*map(_look, there), return_exceptions=True)
        for run, problem in zip(there, found, strict=True):
            if isinstance(problem, BaseException):
                self._try(run, lambda problem=problem: _raise(problem))  # type: ignore[misc]
            elif run is not self.runs[0] and run.facts.unfit:
                run.facts.unfit = f"with LLM_PROVIDER={run.facts.name}: {run.facts.unfit}"
        await self._see_what_is_shown()

    async def _see_what_is_shown(self) -> None:
        """Of what nobody declared, set aside what the server does not show."""
        if not self.settings.declares_providers:
            for run in self.runs[1:]:
                if run.facts.unfit or run.facts.missing:
                    run.facts.set_aside = run.facts.unfit or run.facts.no_provider
                    run.facts.unfit, run.facts.missing = "", False
                    await run.close()
            if aside := [run for run in self.runs if run.facts.set_aside]:
                names = ", ".join(run.facts.name for run in aside)
                self.say(
                    f"judged without {names}, which it shows no sign of ({aside[0].facts.set_aside}); see --provider"
                )
        if not self.settings.declares_profiles and not self.runs[0].facts.unfit:
            unseen = await unseen_profiles(self.runs[0])
            for run in self.runs:
                run.facts.unseen = unseen

    def _try(self, run: Run, step: Callable[[], None]) -> None:
        if run.facts.unfit:
            return
        try:
            step()
        except (ChatproofError, FakesError, FakesStartError) as error:
            if run is self.runs[0]:
                raise ChatproofError(str(error)) from error
            run.facts.unfit = f"with LLM_PROVIDER={run.facts.name}: {error}"

    def close(self) -> None:
        """Stop what was started, by its handle."""
        self.do(_cancel_all())
        for run in self.runs:
            self.do(run.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the run's own event loop; all that was begun goes on meanwhile."""
        return self._loop.run_until_complete(work)

    # -- conducting

    def begin(self, planned: Sequence[Planned]) -> None:
        """Begin tests, in the order that their lanes can bear; see `marks`."""
        self._ends = {one.name: self._loop.create_future() for one in planned}
        self._conductor = self._loop.create_task(self._conduct(planned))

    async def ended(self, name: str, patience: float) -> None:
        """Wait for a test that was begun. After so many seconds the run says what it waits for."""
        end = self._ends[name]
        await asyncio.wait([end], timeout=patience)
        if not end.done():
            waiting = [one.rpartition("::")[2] for one in self._under_way]
            more = f" and {len(waiting) - 4} more" if len(waiting) > 4 else ""
            self.say(f"waiting for {', '.join(waiting[:4])}{more} …")
        await end

    def has_ended(self, name: str) -> bool:
        """Whether a test that was begun is over."""
        return name in self._ends and self._ends[name].done()

    @property
    def stopped(self) -> str:
        """Why no more tests are run in any lane, or nothing."""
        usable = [run for run in self.runs if not run.facts.unfit]
        return usable[0].stopped if usable and all(run.stopped for run in usable) else ""

    async def _conduct(self, planned: Sequence[Planned]) -> None:
        one_by_one = [one for one in planned if not one.run.side_by_side]
        shared = [one for one in planned if one.run.side_by_side]
        background = [one for one in planned if one.when is When.FROM_THE_START]
        background += [one for one in shared if one.when is When.AFTER_SOCKETS]
        waiting = [asyncio.create_task(self._one(one)) for one in background]
        in_turn = [
            asyncio.create_task(self._in_turn([one for one in one_by_one if one.run is run]))
            for run in self.runs
            if not run.side_by_side
        ]
        for when, at_once in PHASES:  # together in all lanes: what is quiet in one is not disturbed by another
            gates = self._gates(when, at_once)
            await asyncio.gather(*(self._one(one, gates[one.run.facts.name]) for one in shared if one.when is when))
        await asyncio.gather(*in_turn, *waiting)

    def _gates(self, when: When, at_once: int) -> dict[str, asyncio.Semaphore]:
        """How many tests of a lane run at once. Fakes that lanes have in common are one test's alone, too."""
        if when is When.ALONE and self.settings.provider_url:
            common = asyncio.Semaphore(1)
            return {run.facts.name: common for run in self.runs}
        return {run.facts.name: asyncio.Semaphore(at_once) for run in self.runs}

    async def _in_turn(self, planned: Sequence[Planned]) -> None:
        """One after the other. Replies that go on in the background must not be heard by tests of Socket.IO: a
        server that sends them to everybody is to be caught by SIO-06 alone."""
        tests = [one for one in planned if one.when not in IN_THE_BACKGROUND]
        for one in tests:
            if one.on_sockets:
                await self._one(one)
        waiting = [asyncio.create_task(self._one(one)) for one in planned if one.when is When.AFTER_SOCKETS]
        for one in tests:
            if not one.on_sockets:
                await self._one(one)
        await asyncio.gather(*waiting)

    async def _one(self, planned: Planned, gate: asyncio.Semaphore | None = None) -> None:
        async with gate or asyncio.Semaphore():
            self._under_way[planned.name] = None
            end = self._ends[planned.name]
            try:
                await planned.perform()
            except Exception as error:
                end.set_exception(error)
            else:
                end.set_result(None)
            finally:
                del self._under_way[planned.name]


async def _look(run: Run) -> None:
    await run.look()
    if run.facts.has_provider and not run.facts.unfit:
        run.side_by_side = await serves_side_by_side(run)


def _raise(problem: BaseException) -> None:
    raise problem


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
