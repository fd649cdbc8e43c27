"""Ties a load generator to Locust: fires its requests, brings workers' figures to the master, ends the run."""

from __future__ import annotations

import time
from typing import Any, Final

from locust.runners import MasterRunner, WorkerRunner

from chatproof.harness.common.target import Target
from chatproof.loadtests.behaviour import Behaviour
from chatproof.loadtests.client_error import Calibration
from chatproof.loadtests.load_generator import LoadGenerator
from chatproof.loadtests.load_plan import Arrivals
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.readers.reading import Reading, StreamOutcome
from chatproof.loadtests.worker_registry import HELLO, LAST, PART, PLAYED, STOP, WorkerRegistry, said

KEY: Final = "chatproof"  # in what workers report


class StreamFailed(Exception):
    """A failed stream, for Locust's own table; its text is the outcome and the reason."""


class LocustRun:
    """A load generator in a Locust environment, whose runner must exist already.

    `total`: the figures so far; on a master, those of its workers. `arrivals`: the open loop that an `OpenLoopUser`
    plays; on a worker, its part of it. `registry`: on a master, its workers.
    """

    def __init__(self, environment: Any, options: Behaviour, arrivals: Arrivals | None = None) -> None:
        self.environment = environment
        self.options = options
        self.arrivals = arrivals
        self.total = Metrics()
        self.generator: LoadGenerator | None = None
        self.started = self.stopped = time.time()
        self.registry: WorkerRegistry | None = None
        self.calibration: Calibration | None = None
        self._measure_from = 0.0
        self._running = False
        self._claimed = self._played = False
        environment.chatproof = self
        events = environment.events
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            self.registry = WorkerRegistry(runner, lambda metrics: self.total.merge(metrics))
            events.worker_report.add_listener(self._reported)
        elif isinstance(runner, WorkerRunner):
            self.arrivals = None  # the master sends this worker's part
            runner.register_message(PART, self._part)
            runner.register_message(STOP, lambda **_: runner.stop(), concurrent=True)
            runner.send_message(HELLO, said(None))
            events.report_to_master.add_listener(self._report)
        events.test_start.add_listener(lambda **_: self._start())
        events.test_stopping.add_listener(lambda **_: self._closing())
        events.test_stop.add_listener(lambda **_: self._finish())

    def open(self) -> LoadGenerator:
        """The load generator, made for the first user: a worker learns its host from the master only then."""
        if self.generator is None:
            self.generator = LoadGenerator(Target.parse(self.environment.host or ""), self.options)
            self.generator.on_reading = self._fire
            self.generator.measure_from = self._measure_from
        return self.generator

    def collect(self) -> Metrics:
        """The figures so far."""
        if self.generator is not None and not isinstance(self.environment.runner, WorkerRunner):
            self.total.merge(self.generator.swap())
        return self.total

    @property
    def seconds(self) -> float:
        """Duration of the run so far, in seconds."""
        return (time.time() if self._running else self.stopped) - self.started

    def claim(self) -> Arrivals | None:
        """The part of the plan that this process plays; None from the second call in a run."""
        if self._claimed:
            return None
        self._claimed = True
        return self.arrivals

    def played(self) -> None:
        """Note that the last stream of this process's part has begun."""
        self._played = True
        if isinstance(self.environment.runner, WorkerRunner):
            self.environment.runner.send_message(PLAYED)

    @property
    def is_played(self) -> bool:
        """Whether the last stream of the plan has begun, in all processes."""
        return self.registry.is_played if self.registry is not None else self._played

    def _start(self) -> None:
        self.total, self._claimed, self._played = Metrics(), False, False
        self.started, self._running = time.time(), True
        self._measure_from = time.monotonic() + self.options.warm_up if self.options.warm_up else 0.0
        if self.registry is not None:
            self.registry.begin(self.arrivals)
        if self.generator is not None:
            self.generator.measure_from = self._measure_from
            self.generator.swap()  # what another run in the web UI left
            self.generator.closing.clear()

    def _finish(self) -> None:
        if self.generator is not None:
            self.generator.finish(self.options.patience)
        if isinstance(self.environment.runner, WorkerRunner):
            self.environment.runner.send_message(LAST, said(self.generator.swap() if self.generator else None))
        if self.registry is not None:
            self.registry.end(self.options.patience)
        self.stopped, self._running = time.time(), False

    def _closing(self) -> None:
        if self.generator is not None:
            self.generator.closing.set()

    def _fire(self, reading: Reading) -> None:
        recording = reading.recording
        if reading.outcome is StreamOutcome.UNFINISHED:
            return
        is_fine = reading.outcome in (StreamOutcome.COMPLETE, StreamOutcome.INTERRUPTED)
        until = reading.terminal_at if reading.terminal_at is not None else recording.ended_at
        method, name = recording.asked
        self.environment.events.request.fire(
            request_type=method,
            name=name,
            response_time=(until - recording.intended_at) * 1000,
            response_length=recording.size,
            exception=None if is_fine else StreamFailed(": ".join(filter(None, (reading.outcome, reading.detail)))),
            context={},
        )

    # -- from workers to the master

    def _report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        data[KEY] = said(self.generator.swap() if self.generator is not None else None)

    def _reported(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        if self.registry is not None:
            self.registry.report(client_id, data.get(KEY))

    def _part(self, environment: Any, msg: Any, **_: Any) -> None:
        self.arrivals = Arrivals.from_json(msg.data["arrivals"]) if msg.data["arrivals"] else None


def run_of(environment: Any) -> LocustRun:
    """The environment's run. Raises RuntimeError where it has no `LocustRun`."""
    run = getattr(environment, "chatproof", None)
    if not isinstance(run, LocustRun):
        raise RuntimeError("create a chatproof.loadtests.locust_run.LocustRun for this environment first")
    return run
