"""How load arrives: a closed loop (users who wait for their replies) or an open loop (streams at a rate)."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from gevent.pool import Group  # type: ignore[import-untyped]
from locust import LoadTestShape, User, task
from locust.exception import StopUser

from chatproof.loadtests.load_generator import LoadGenerator
from chatproof.loadtests.load_plan import Arrivals, LoadPlan
from chatproof.loadtests.locust_run import LocustRun, run_of

MOST_IN_FLIGHT = 20_000
TICK = 0.5
LATE = 10.0  # seconds: workers begin later than their master; it waits this long for them to start their last stream
SPAWN_RATE = 100.0  # users started a second; Locust advises against more


class ClosedLoopShape(LoadTestShape):
    """The number of users follows a plan: constant, ramp, steps, spike or soak."""

    abstract = True
    use_common_options = False

    def __init__(self, plan: LoadPlan) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust leaves it out
        self._plan = plan

    def tick(self) -> tuple[int, float] | None:
        """Locust asks: how many users now, and how fast to start them. None ends the run."""
        at: float = self.get_run_time()  # type: ignore[no-untyped-call]
        if at >= self._plan.duration:
            return None
        return max(1, round(self._plan.level(at))), SPAWN_RATE


class OpenLoopShape(LoadTestShape):
    """One user on each worker; it plays the worker's part of the open loop."""

    abstract = True
    use_common_options = False

    def __init__(self, run: LocustRun) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust leaves it out
        self._run = run

    def tick(self) -> tuple[int, float] | None:
        """As many users as workers, until all streams of the plan have begun. None ends the run."""
        at: float = self.get_run_time()  # type: ignore[no-untyped-call]
        assert self._run.arrivals is not None
        over = at - self._run.arrivals.plan.duration
        if over >= LATE or (over >= 0 and self._run.is_played):
            return None
        return max(1, getattr(self._run.environment.runner, "worker_count", 1)), SPAWN_RATE


class OpenLoopUser(User):
    """One greenlet that starts each stream when it is due, however many streams are still open.

    Latency counts from the scheduled start, so there is no coordinated omission: a server, or a client, that stalls
    also delays the streams that should have started meanwhile, and their delay is counted.
    """

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.run_ = run_of(environment)
        self.generator: LoadGenerator = self.run_.open()
        self.streams = Group()

    @task
    def play(self) -> None:
        """Play this process's part of the plan, wait for the open streams, and stop."""
        if (arrivals := self.run_.claim()) is not None:
            self._play(arrivals)
            self.run_.played()
            self.streams.join(timeout=self.generator.options.patience)
        raise StopUser

    def _play(self, arrivals: Arrivals) -> None:
        began = time.monotonic()
        for start in arrivals.starts():
            due = began + start
            while (left := due - time.monotonic()) > 0 and not self.generator.closing.is_set():
                gevent.sleep(min(left, TICK))
            if self.generator.closing.is_set():
                return
            if len(self.streams) >= MOST_IN_FLIGHT:
                self.generator.metrics.trust["not started"] += 1
                continue
            self.streams.start(gevent.Greenlet(self._stream, due))

    def on_stop(self) -> None:
        """End the open streams; the generator counts them."""
        self.streams.kill(block=True, timeout=2)

    def _stream(self, due: float) -> None:
        generator = self.generator
        transport = generator.options.transport
        leaves = transport in ("interrupt", "socket-interrupt")
        if not transport.startswith("socket"):
            generator.ask(generator.compose(interrupts=leaves, plain=transport == "plain"), intended_at=due)
        elif (reader := generator.connect(due)) is not None:
            with closing(reader):
                generator.ask_on(reader, generator.compose(interrupts=leaves), intended_at=due)
