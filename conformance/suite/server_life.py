"""The life of the server under test: notices that it crashed, starts it again, and finds the ask that ends it.

Tests that a crash cut off are run again on the new server, so that no row is judged by a server that was gone. The
test that sent the ask is not: its row is violated. Where none of the asks under way ends the server alone, the tests
that had sent one are run again one at a time, and the one in which it crashes again sent it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from chatproof.conformance.suite.lane_state import LaneState
from chatproof.conformance.suite.rate_budget import RateBudget
from chatproof.conformance.suite.recent_asks import CrashSearch, RecentAsks, Suspect
from chatproof.conformance.suite.server_workers import ServerWorkers
from chatproof.conformance.suite.setup import Scene
from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.redaction import clipped
from chatproof.harness.common.settings import Settings
from chatproof.harness.common.started_server import StartedServer, exit_in_words, listens
from chatproof.harness.common.target import Target
from chatproof.harness.protocol.excerpts import counted
from chatproof.harness.protocol.transcript import Transcript, Transport
from chatproof.harness.report.crash import Crash
from chatproof.harness.report.repetition import by_hand

MOST_CRASHES: Final = 5  # after which the server is not started again
MOST_SECONDS: Final = 60.0  # of starting it again, and of searching, in all
SEARCH: Final = 20.0  # seconds, for one crash
POLL: Final = 0.05  # seconds
WATCH: Final = 0.25  # seconds between two looks at a server that seems to be well
GRACE: Final = 0.15  # seconds between the loss of a connection and the end of the process
BACK_WITHIN: Final = 10.0  # seconds in which a server that the suite did not start may come back
WORKER: Final = "a worker process ended"
GONE: Final = "it stopped accepting connections"


class Inhabited(Protocol):
    """What a lane tells of its server."""

    @property
    def settings(self) -> Settings: ...
    @property
    def state(self) -> LaneState: ...
    @property
    def scene(self) -> Scene: ...
    @property
    def budget(self) -> RateBudget: ...
    @property
    def say(self) -> Callable[[str], None]: ...
    @property
    def target(self) -> Target: ...
    @property
    def server_log(self) -> Path | None: ...
    @property
    def provider_name(self) -> str | None: ...
    def new_case(self) -> str: ...
    def did(self, transcript: Transcript | None) -> str: ...


@dataclass(slots=True)
class ServerLife:
    """What became of one lane's server. `number`: which life of it this is; `accused`: the crash that a test caused;
    `rows`: the first row of each test."""

    lane: Inhabited
    asks: RecentAsks = field(default_factory=RecentAsks)
    number: int = 1
    accused: dict[str, Crash] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    _workers: ServerWorkers = field(default_factory=ServerWorkers)
    _bodies: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _again: set[str] = field(default_factory=set)
    _alone: str = ""
    _is_up: bool = True
    _looked: float = field(default_factory=time.monotonic)
    _spent: float = 0.0
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _watcher: asyncio.Task[None] | None = None
    _starting: asyncio.Future[None] | None = None

    @property
    def server(self) -> StartedServer | None:
        """The server, where this run started it and can start it again."""
        server = self.lane.scene.server
        return server if server and server.environment is not None else None

    # -- running tests

    async def outlives(self, name: str, work: Coroutine[Any, Any, None]) -> bool:
        """Run a test's work. False where the server crashed meanwhile: then the work was cut off, or is in doubt."""
        number = self.number
        body = self._bodies[name] = asyncio.ensure_future(work)
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        try:
            await asyncio.wait([body])
            await self.look()
        finally:
            body.cancel()
            await asyncio.gather(body, return_exceptions=True)
            del self._bodies[name]
        if self.number == number:
            body.result()
        return self.number == number

    async def turn(self, name: str) -> None:
        """Wait until the server is up, and until it is this test's turn."""
        while not self._may_run(name):
            await asyncio.sleep(POLL)
        if name in self._again:
            self._alone = name

    def over(self, name: str) -> None:
        """The test has been judged."""
        self._again.discard(name)
        self._alone = "" if self._alone == name else self._alone

    def _may_run(self, name: str) -> bool:
        if not self._is_up:
            return False
        return not self._again or self._alone == name or (name in self._again and not self._alone and not self._bodies)

    async def _watch(self) -> None:
        while self._bodies:
            self.asks.forget()
            await self.look(wait=0)
            await asyncio.sleep(WATCH)

    async def close(self) -> None:
        """Notice nothing any more. A server that is just starting again is stopped."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        while self._starting and not self._starting.done():
            assert self.server is not None
            await asyncio.to_thread(self.server.stop)
            await asyncio.wait([self._starting], timeout=POLL)
        if self._starting:
            await asyncio.gather(self._starting, return_exceptions=True)

    # -- noticing a crash

    def begin(self) -> None:
        """Note the processes that the server has while it is asked nothing. What was asked before was answered."""
        if self.server:
            self._workers.remember(self.server.process.pid)
        self.asks.clear()

    async def look(self, wait: float = GRACE) -> None:
        """Notice a crash, and recover from it. A process that has just lost its connections gets `wait` seconds to
        end."""
        async with self._turn:
            if not self.lane.state.stopped and (how := await self._end(wait)):
                await self._recover(how)

    async def first_end(self, ask: str) -> str:
        """What to say if the server ended at the very first ask, or nothing."""
        if self.server is None or not (how := await self._end(GRACE)):
            return ""
        crash = self._crash(how, during=f"the first ask, {ask}")
        self.lane.state.crashes.append(crash)
        return crash.text

    async def _end(self, wait: float) -> str:
        """How the server ended, or nothing."""
        give_up = time.monotonic() + wait
        lost = self.asks.lost(self._looked)
        while True:
            if how := self._ended():
                return how
            if not lost or time.monotonic() >= give_up:
                break
            await asyncio.sleep(POLL)
        since, self._looked = self._looked, time.monotonic() - GRACE
        return GONE if self.asks.lost(since) and await self._is_gone() else ""

    def _ended(self) -> str:
        if (server := self.lane.scene.server) and (code := server.exit_code) is not None:
            return exit_in_words(code)
        return WORKER if self._workers.has_lost_one() and self.asks.lost(self._looked) else ""

    async def _is_gone(self) -> bool:
        target = self.lane.target
        for _ in range(3):  # one refusal may be chance
            if await asyncio.to_thread(listens, target.host, target.port):
                return False
            await asyncio.sleep(POLL)
        return True

    async def _is_over(self, seconds: float) -> bool:
        """Whether the server ends up to `seconds` after an ask that is sent again."""
        give_up = time.monotonic() + seconds
        while True:
            server = self.server
            if (server and server.exit_code is not None) or self._workers.has_lost_one():
                return True
            if time.monotonic() >= give_up:
                return seconds > GRACE and await self._is_gone()
            await asyncio.sleep(POLL)

    # -- recovering from it

    async def _recover(self, how: str) -> None:
        """Cut off what is under way, bring the server back, and find the ask that ended it."""
        began, self._is_up = time.monotonic(), False
        suspects = self.asks.suspects(began)
        cut = dict(self._bodies)
        for body in cut.values():
            body.cancel()
        await asyncio.gather(*cut.values(), return_exceptions=True)
        during = sorted({one.test for one in suspects} or cut)
        crash = replace(self._crash(how, during=_names(during)), search=_unanswered(suspects))
        self.lane.say(f"{crash.title}; {'starting it again' if self.server else 'waiting for it'}")
        crash, guilty = await self._brought_back(crash, suspects, began)
        self._spent += time.monotonic() - began
        self.number += 1
        if how != WORKER or guilty or crash.said:
            self._report(crash)
        else:
            self._workers.forget()
        if guilty:
            self.accused[guilty] = crash
        else:
            self._again |= set(during) & cut.keys()
        self.asks.clear()
        self._alone, self._looked, self._is_up = "", time.monotonic(), True
        self.lane.say(self.lane.state.stopped or crash.text)

    async def _brought_back(self, crash: Crash, suspects: list[Suspect], began: float) -> tuple[Crash, str]:
        """Bring the server back and search. Gives what is known of the crash, and the test that caused it."""
        if why := await self._start_again(crash.how, began):
            self.lane.state.stopped = f"{why}: {crash.text}"
            return replace(crash, then=why), ""
        is_new = self.server and crash.how != WORKER
        then = "the suite started the server again" if is_new else "the server came back by itself"
        if self._alone:
            said = "when the test ran again, alone, the server crashed again"
            last = suspects[0] if suspects else Suspect(self._alone, "its last ask", 0, began, "", _never)
            return self._found(replace(crash, search=said, then=then), last), self._alone
        if self.server is None:
            return replace(crash, then=then), ""
        search = CrashSearch(self.lane.budget.addresses.fresh, self.lane.new_case, self._is_over)
        found, tried = await search.find(suspects, began + SEARCH)
        if found or await self._is_over(2 * GRACE):
            why = await self._start_again(crash.how, began)
        if found:
            crash = self._found(replace(crash, search="sent again, alone, it ended the server again"), found)
        elif tried:
            crash = replace(crash, search=f"none of {counted(tried, 'ask')} under way ended it again, sent alone")
        crash = replace(crash, then=why or then)
        if why:
            self.lane.state.stopped = f"{why}: {crash.text}"
        return crash, found.test if found else ""

    async def _start_again(self, how: str, began: float) -> str:
        """Bring the server back. Gives why that is not possible, or nothing."""
        if self.number > MOST_CRASHES:
            return f"the server is not asked any more after {MOST_CRASHES} crashes"
        if (server := self.server) is None:
            back = await self._comes_back(BACK_WITHIN)
            return "" if back else f"the server did not come back within {BACK_WITHIN:g} s"
        server.output.note_crash()
        if how == WORKER and await self._comes_back(2.0):
            self._workers.remember(server.process.pid)
            return ""
        if self._spent + time.monotonic() - began > MOST_SECONDS:
            return f"the server is not started again after {MOST_SECONDS:g} s of starting it"
        try:
            self._starting = asyncio.ensure_future(asyncio.to_thread(server.restart, self.lane.settings.start_timeout))
            await asyncio.shield(self._starting)
        except ChatproofError as error:
            return f"the server could not be started again ({error})"
        self._workers.remember(server.process.pid)
        return ""

    async def _comes_back(self, within: float) -> bool:
        give_up, target = time.monotonic() + within, self.lane.target
        while time.monotonic() < give_up:
            enough = self.server is None or self._workers.are_as_many(self.server.process.pid)
            if enough and await asyncio.to_thread(listens, target.host, target.port):
                return True
            await asyncio.sleep(0.2)
        return False

    # -- in words

    def _crash(self, how: str, during: str) -> Crash:
        said = ""
        if server := self.lane.scene.server:
            said = (server.error_line() if how == WORKER else server.last_words()).removeprefix("; ")
        if said and (log := self.lane.server_log):
            said += f" (all that is kept of its output: {log})"
        return Crash(how, said, during, provider=self.lane.provider_name)

    def _found(self, crash: Crash, ask: Suspect) -> Crash:
        did = self.lane.did(Transcript(Transport.SSE, case=ask.case))
        search = f"{crash.search}; the provider plays {did}" if did else crash.search
        repeat = by_hand([ask.sent]) if ask.sent else ""
        row = self.rows.get(ask.test, "")
        return replace(crash, search=search, test=_name(ask.test), ask=ask.words, row=row, repeat=repeat)

    def _report(self, crash: Crash) -> None:
        crashes = self.lane.state.crashes
        if crashes and self.server is None:  # the same crash, of which more is known now
            crashes.pop()
        crashes.append(crash)


def _unanswered(suspects: list[Suspect], most: int = 3) -> str:
    words = [clipped(one.words, 120) for one in suspects if one.rank == 0]
    return f"without an answer was {' | '.join(words[:most])}" if words else ""


async def _never(search: CrashSearch) -> bool:
    return False


def _name(test: str) -> str:
    return test.rpartition("::")[2]


def _names(tests: list[str], most: int = 4) -> str:
    more = f" and {len(tests) - most} more" if len(tests) > most else ""
    return ", ".join(map(_name, tests[:most])) + more if tests else "a pause between two tests"
