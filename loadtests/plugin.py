"""What ties a session to Locust: requests, the way from workers to the master, and the run's end."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from locust.runners import MasterRunner, WorkerRunner

from loadtests.metrics import Metrics
from loadtests.options import Options
from loadtests.readers.reading import Outcome, Reading
from loadtests.readers.sse import PLAIN_PATH, STREAM_PATH
from loadtests.session import Session
from loadtests.target import Target

KEY: Final = "chatproof"  # in what workers report
FORMAT: Final = 1

log = logging.getLogger("chatproof.load")


class Failed(Exception):
    """A stream that failed, for Locust's own table; the text is its outcome, and why."""


class Run:
    """A session in a Locust environment. `total` is what the run has seen: on a master, its workers' shares."""

    def __init__(self, environment: Any, options: Options) -> None:
        self.environment = environment
        self.options = options
        self.total = Metrics()
        self.session: Session | None = None
        self.started = self.stopped = time.time()
        self.workers: dict[str, int] = {}
        """Streams that each worker has reported."""
        self.strangers: dict[str, str] = {}
        """Workers whose reports could not be read, and why."""
        environment.chatproof = self
        environment.events.report_to_master.add_listener(self._report)
        environment.events.worker_report.add_listener(self._reported)
        environment.events.test_start.add_listener(lambda **_: self._start())
        environment.events.test_stopping.add_listener(lambda **_: self._closing())
        environment.events.test_stop.add_listener(lambda **_: self._finish())

    def open(self) -> Session:
        """The session, made when the first user needs it: a worker learns its host from the master."""
        if self.session is None:
            self.session = Session(Target.parse(self.environment.host or ""), self.options)
            self.session.on_reading = self._fire
        return self.session

    def collect(self) -> Metrics:
        """Everything so far."""
        if self.session is not None and not isinstance(self.environment.runner, WorkerRunner):
            self.total.merge(self.session.swap())
        return self.total

    def _start(self) -> None:
        self.total, self.workers, self.strangers = Metrics(), {}, {}
        self.started = time.time()
        if self.session is not None:  # another run in the web UI
            self.session.swap()
            self.session.closing.clear()

    def _finish(self) -> None:
        if self.session is not None:
            self.session.finish(self.options.patience)
            self.stopped = time.time()

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
        metrics = self.session.swap().to_json() if self.session is not None else None
        data[KEY] = {"format": FORMAT, "metrics": metrics}

    def _reported(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        if not isinstance(self.environment.runner, MasterRunner):
            return
        report = data.get(KEY)
        try:
            if report is None or report["format"] != FORMAT:
                raise ValueError("it runs another version")
            if report["metrics"] is None:
                return
            metrics = Metrics.from_json(report["metrics"])
        except (KeyError, TypeError, ValueError) as error:
            if client_id not in self.strangers:
                self.strangers[client_id] = str(error)
                log.error("worker %s: its report cannot be read (%s); its figures are missing", client_id, error)
            return
        self.workers[client_id] = self.workers.get(client_id, 0) + metrics.outcomes.total()
        self.total.merge(metrics)


def session_of(environment: Any) -> Session:
    """The environment's session. RuntimeError where no `Run` was made for it."""
    run = getattr(environment, "chatproof", None)
    if not isinstance(run, Run):
        raise RuntimeError("make a loadtests.plugin.Run for the environment first")
    return run.open()
