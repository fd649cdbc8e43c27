"""What ties a session to Locust: requests, the way from workers to the master, and the run's end."""

from __future__ import annotations

import time
from typing import Any, Final

from locust.runners import MasterRunner, WorkerRunner

from chatproof.loadtests.behaviour import Options
from chatproof.loadtests.client_error import Calibration
from chatproof.loadtests.load_generator import Session
from chatproof.loadtests.load_plan import Arrivals
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.readers.http_reader import PLAIN_PATH, STREAM_PATH
from chatproof.loadtests.readers.reading import Outcome, Reading
from chatproof.loadtests.source_addresses import read_target
from chatproof.loadtests.worker_registry import HELLO, LAST, PART, PLAYED, STOP, Crew, said

KEY: Final = "chatproof"  # in what workers report


class Failed(Exception):
    """A stream that failed, for Locust's own table; the text is its outcome, and why."""


class Run:
    """A session in a Locust environment that has its runner. `total` is what the run has seen: on a master, its
    workers' shares. `arrivals`: the open loop that `OpenLoop` users play; on a worker, its part."""

    def __init__(self, environment: Any, options: Options, arrivals: Arrivals | None = None) -> None:
        self.environment = environment
        self.options = options
        self.arrivals = arrivals
        self.total = Metrics()
        self.session: Session | None = None
        self.started = self.stopped = time.time()
        self.crew: Crew | None = None
        self.calibration: Calibration | None = None
        self._running = False
        self._claimed = self._played = False
        environment.chatproof = self
        events = environment.events
        runner = environment.runner
        if isinstance(runner, MasterRunner):
            self.crew = Crew(runner, self._take)
            events.worker_report.add_listener(self._reported)
        elif isinstance(runner, WorkerRunner):
            self.arrivals = None  # the master says which part is this one's
            runner.register_message(PART, self._part)
            runner.register_message(STOP, lambda **_: runner.stop(), concurrent=True)
            runner.send_message(HELLO, said(None))
            events.report_to_master.add_listener(self._report)
        events.test_start.add_listener(lambda **_: self._start())
        events.test_stopping.add_listener(lambda **_: self._closing())
        events.test_stop.add_listener(lambda **_: self._finish())

    def open(self) -> Session:
        """The session, made when the first user needs it: a worker learns its host from the master."""
        if self.session is None:
            self.session = Session(read_target(self.environment.host or ""), self.options)
            self.session.on_reading = self._fire
        return self.session

    def collect(self) -> Metrics:
        """Everything so far."""
        if self.session is not None and not isinstance(self.environment.runner, WorkerRunner):
            self.total.merge(self.session.swap())
        return self.total

    @property
    def seconds(self) -> float:
        """How long the run took, or takes already."""
        return (time.time() if self._running else self.stopped) - self.started

    def claim(self) -> Arrivals | None:
        """The plan's part that this process plays; None for whoever asks a second time in a run."""
        if self._claimed:
            return None
        self._claimed = True
        return self.arrivals

    def played(self) -> None:
        """The last stream of this process's part has begun."""
        self._played = True
        if isinstance(self.environment.runner, WorkerRunner):
            self.environment.runner.send_message(PLAYED)

    @property
    def is_played(self) -> bool:
        """Whether the plan's last stream has begun, everywhere."""
        return self.crew.is_played if self.crew is not None else self._played

    def _start(self) -> None:
        self.total, self._claimed, self._played = Metrics(), False, False
        self.started, self._running = time.time(), True
        if self.crew is not None:
            self.crew.begin(self.arrivals)
        if self.session is not None:  # another run in the web UI
            self.session.swap()
            self.session.closing.clear()

    def _finish(self) -> None:
        if self.session is not None:
            self.session.finish(self.options.patience)
        if isinstance(self.environment.runner, WorkerRunner):
            self.environment.runner.send_message(LAST, said(self.session.swap() if self.session else None))
        if self.crew is not None:
            self.crew.end(self.options.patience)
        self.stopped, self._running = time.time(), False

    def _closing(self) -> None:
        if self.session is not None:
            self.session.closing.set()

    def _fire(self, reading: Reading) -> None:
        recording = reading.recording
        if reading.outcome is Outcome.UNFINISHED:
            return
        is_fine = reading.outcome in (Outcome.COMPLETE, Outcome.INTERRUPTED)
        until = reading.terminal_at if reading.terminal_at is not None else recording.ended_at
        self.environment.events.request.fire(
            request_type="POST" if recording.transport == "sse" else "Socket.IO",
            name=(PLAIN_PATH if recording.plain else STREAM_PATH) if recording.transport == "sse" else "chat_stream",
            response_time=(until - recording.intended_at) * 1000,
            response_length=recording.size,
            exception=None if is_fine else Failed(": ".join(filter(None, (reading.outcome, reading.detail)))),
            context={},
        )

    # -- from workers to the master

    def _report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        data[KEY] = said(self.session.swap() if self.session is not None else None)

    def _reported(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        if self.crew is not None:
            self.crew.report(client_id, data.get(KEY))

    def _take(self, metrics: Metrics) -> None:
        self.total.merge(metrics)

    def _part(self, environment: Any, msg: Any, **_: Any) -> None:
        self.arrivals = Arrivals.from_json(msg.data["arrivals"]) if msg.data["arrivals"] else None


def run_of(environment: Any) -> Run:
    """The environment's run. RuntimeError where no `Run` was made for it."""
    run = getattr(environment, "chatproof", None)
    if not isinstance(run, Run):
        raise RuntimeError("make a loadtests.locust_run.Run for the environment first")
    return run


def session_of(environment: Any) -> Session:
    """The environment's session."""
    return run_of(environment).open()
