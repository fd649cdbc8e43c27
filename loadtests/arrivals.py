"""How load arrives: users by a plan (closed loop), or streams at a rate that waits for nobody (open loop)."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import gevent  # type: ignore[import-untyped]  # gevent ships no types
from gevent.pool import Group  # type: ignore[import-untyped]
from locust import LoadTestShape, User, task
from locust.exception import StopUser

from loadtests.plan import Plan
from loadtests.plugin import session_of
from loadtests.session import Session

MOST_IN_FLIGHT = 20_000
TICK = 0.5
SPAWN_RATE = 100.0  # users a second; Locust advises against more


class PlannedUsers(LoadTestShape):
    """Users by a plan: ramp, steps, spike, soak."""

    abstract = True
    use_common_options = False

    def __init__(self, plan: Plan) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust leaves it out
        self._plan = plan

    def tick(self) -> tuple[int, float] | None:
        """The number of users that there should be now."""
        at: float = self.get_run_time()  # type: ignore[no-untyped-call]
        if at >= self._plan.duration:
            return None
        return max(1, round(self._plan.level(at))), SPAWN_RATE


class OpenLoop(User):
    """One greenlet that starts streams when they are due, however many are still under way.

    Latency counts from when a stream was due: a server, or a client, that stalls is not spared the streams that it
    kept from starting.
    """

    abstract = True
    plan: ClassVar[Plan]
    poisson: ClassVar[bool] = False
    patience: ClassVar[float] = 10.0

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self.session: Session = session_of(environment)
        self.streams = Group()

    @task
    def play(self) -> None:
        """Play the whole plan, wait for what is under way, and stop."""
        began = time.monotonic()
        for start in self.plan.starts(poisson=self.poisson):
            due = began + start
            while (left := due - time.monotonic()) > 0 and not self.session.closing.is_set():
                gevent.sleep(min(left, TICK))
            if self.session.closing.is_set():
                break
            if len(self.streams) >= MOST_IN_FLIGHT:
                self.session.metrics.trust["not started"] += 1
                continue
            self.streams.start(gevent.Greenlet(self._stream, due))
        self.streams.join(timeout=self.patience)
        raise StopUser

    def on_stop(self) -> None:
        """End what is still under way; the session counts it."""
        self.streams.kill(block=True, timeout=2)

    def _stream(self, due: float) -> None:
        session = self.session
        match session.options.transport:
            case "socketio" | "socket-interrupt" as kind:
                if (reader := session.connect(due)) is not None:
                    try:
                        session.ask_on(reader, session.compose(interrupts=kind != "socketio"), intended_at=due)
                    finally:
                        reader.close()
            case "plain":
                session.ask(session.compose(), intended_at=due, plain=True)
            case other:
                session.ask(session.compose(interrupts=other == "interrupt"), intended_at=due)
