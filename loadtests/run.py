"""One run with Locust as a library: headless, with progress, judged, and written also when it is interrupted."""

from __future__ import annotations

import logging
import platform
import signal
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import locust
from gevent.event import Event  # type: ignore[import-untyped]
from locust.env import Environment

from loadtests.accuracy import Calibration
from loadtests.arrivals import SPAWN_RATE, OpenLoop, PlannedUsers
from loadtests.errors import LoadError
from loadtests.metrics import Metrics
from loadtests.options import Options
from loadtests.plan import Plan
from loadtests.plugin import Run
from loadtests.readers.wire import NotConnected, Wire
from loadtests.result import Result, shown
from loadtests.target import PER_ADDRESS, Target
from loadtests.users import CLOSED

ONE_ADDRESS = (
    "note: all requests come from this machine's own address: a server that keeps the documented limit of "
    f"{PER_ADDRESS} a minute refuses the rest with 429; those are counted apart"
)


@dataclass(frozen=True, slots=True)
class Load:
    """Where to, and how much. `open_loop`: the plan's level is streams a second, else users."""

    target: Target
    plan: Plan
    open_loop: bool = False
    poisson: bool = False


def reachable(target: Target, deadline: float = 5.0) -> None:
    """Raise LoadError where nobody listens."""
    try:
        Wire(target, deadline=deadline).close()
    except NotConnected as error:
        raise LoadError(str(error)) from error


def execute(
    load: Load,
    options: Options,
    calibration: Calibration | None = None,
    *,
    quiet: bool = False,
    stop: Event | None = None,
) -> Result:
    """Run it, and give the result. Raises LoadError where it cannot begin. `stop`: set to end it early."""
    reachable(load.target)
    logging.getLogger("locust").setLevel(logging.ERROR)
    environment = Environment(
        host=load.target.url, stop_timeout=options.patience, user_classes=[_user_class(load, options)]
    )
    run = Run(environment, options)
    session = run.open()
    say = _silence if quiet else _say
    if not session.sources.available:
        say(ONE_ADDRESS)
    stop = stop or Event()
    handlers = [gevent.signal_handler(number, stop.set) for number in (signal.SIGINT, signal.SIGTERM)]
    started = time.time()
    try:
        environment.create_local_runner()
        assert environment.runner is not None
        with session.quiet():
            _start(environment, load)
            interrupted = _watch(run, load, stop, say)
        if interrupted:
            environment.stop_timeout = min(1.0, options.patience)
        environment.runner.quit()
        metrics = run.collect()
    finally:
        for handler in handlers:
            handler.cancel()
        session.close()
    meta = _meta(load, options, started, interrupted)
    return Result.of(meta, metrics, calibration, list(options.objectives), provider=options.provider_url is not None)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _silence(text: str) -> None:
    """Say nothing."""


def _user_class(load: Load, options: Options) -> type[locust.User]:
    if load.open_loop:
        attributes = {"plan": load.plan, "poisson": load.poisson, "patience": options.patience, "fixed_count": 1}
        return type("Arrivals", (OpenLoop,), attributes)
    return CLOSED[options.transport]


def _start(environment: Environment, load: Load) -> None:
    runner = environment.runner
    assert runner is not None
    if load.open_loop:
        runner.start(1, 1)
    elif load.plan.shape == "constant":
        users = max(1, round(load.plan.peak))
        runner.start(users, min(SPAWN_RATE, max(1.0, users / min(2.0, load.plan.duration / 4))))
    else:
        environment.shape_class = PlannedUsers(load.plan)
        environment.shape_class.runner = runner
        runner.start_shape()


def _watch(run: Run, load: Load, stop: Event, say: Any) -> bool:
    """Tell once a second how it goes, until the plan is over. Gives whether it was interrupted."""
    began = time.monotonic()
    while (left := began + load.plan.duration - time.monotonic()) > 0:
        if stop.wait(min(1.0, left)):
            return True
        say(progress(run.collect(), time.monotonic() - began, len(run.open().live)))
    return False


def progress(metrics: Metrics, at: float, live: int) -> str:
    """One line on how it goes."""
    now = max(metrics.series, default=0)
    last = metrics.series.get(now - 1)
    ttft = metrics.histograms.get("ttft")
    p50, p95 = ttft.percentiles((50, 95)) if ttft is not None else (None, None)
    over = metrics.outcomes.total()
    return (
        f"{at:6.0f} s  {live:5} under way  {over:6} over  {metrics.failed:5} failed  "
        f"{metrics.outcomes['refused 429']:5} refused 429  {last.tokens if last else 0:6} tokens/s  "
        f"first token {shown(p50, 's')} (p50) {shown(p95, 's')} (p95)"
    )


def _meta(load: Load, options: Options, started: float, interrupted: bool) -> dict[str, Any]:
    return {
        "url": load.target.url,
        "transport": options.transport,
        "arrivals": {
            "loop": "open" if load.open_loop else "closed",
            "shape": load.plan.shape,
            "peak": load.plan.peak,
            "duration": load.plan.duration,
            "poisson": load.poisson,
        },
        "started": started,
        "seconds": time.time() - started,
        "interrupted": interrupted,
        "workers": 1,
        "versions": {
            "chatproof": _version(),
            "locust": locust.__version__,
            "gevent": gevent.__version__,
            "python": platform.python_version(),
        },
    }


def _version() -> str:
    try:
        return version("chatproof")
    except PackageNotFoundError:  # a checkout that was never installed
        return "0+checkout"
