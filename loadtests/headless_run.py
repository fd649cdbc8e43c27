"""One run with Locust as a library: headless, with progress lines, and judged even when it is interrupted."""

from __future__ import annotations

import logging
import platform
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import gevent  # type: ignore[import-untyped]  # gevent ships no types
import locust
from gevent.event import Event  # type: ignore[import-untyped]
from locust.env import Environment

from chatproof import __version__ as VERSION
from chatproof.harness.common.target import Target
from chatproof.loadtests import worker_processes as fleet
from chatproof.loadtests.address_rotation import PER_ADDRESS, AddressRotation
from chatproof.loadtests.behaviour import Behaviour
from chatproof.loadtests.client_error import Calibration, ClientError
from chatproof.loadtests.load_generator import LoadGenerator
from chatproof.loadtests.load_plan import Arrivals, LoadPlan
from chatproof.loadtests.locust_run import LocustRun
from chatproof.loadtests.metrics import Metrics
from chatproof.loadtests.metrics_endpoint import MetricsEndpoint
from chatproof.loadtests.readers.stamped_connection import reachable
from chatproof.loadtests.repeats import together
from chatproof.loadtests.result import Result, shown
from chatproof.loadtests.saturation import Overload, Saturation
from chatproof.loadtests.shapes import LATE, SPAWN_RATE, ClosedLoopShape
from chatproof.loadtests.worker import OPEN, user_class

Say = Callable[[str], None]

ONE_ADDRESS = (
    "note: all requests come from this machine's own address: a server that keeps the documented limit of "
    f"{PER_ADDRESS} requests a minute answers the rest with 429; these are counted separately"
)


@dataclass(frozen=True, slots=True)
class Load:
    """What to load, and how much. `open_loop`: the plan's level is streams a second; otherwise users. `processes`:
    number of workers that share the load; 0: this process alone. `stop_saturated`: end an open loop with a constant
    rate when its server falls behind for good."""

    target: Target
    plan: LoadPlan
    open_loop: bool = False
    poisson: bool = False
    processes: int = 0
    stop_saturated: bool = False


def execute(
    load: Load,
    options: Behaviour,
    calibration: Calibration | None = None,
    *,
    runs: int = 1,
    quiet: bool = False,
    endpoint: MetricsEndpoint | None = None,
) -> Result:
    """Run the load, `runs` times one after the other, and give the result of all runs together.

    `quiet`: without progress lines. `endpoint`: shows the figures as they come. SIGINT and SIGTERM end the run early,
    and then no other one begins.

    Raises:
        ChatproofError: a run cannot begin; one line.
    """
    say = _silence if quiet else _say
    if not (options.rotate and AddressRotation.towards(load.target).available):
        say(ONE_ADDRESS)
    made: list[Result] = []
    while len(made) < runs and not (made and made[-1].meta["interrupted"]):
        if runs > 1:
            say(f"run {len(made) + 1} of {runs}")
        made.append(_execute(load, options, calibration, say, endpoint))
    if runs == 1:
        return made[0]
    return together(made, list(options.objectives), provider=options.provider_url is not None)


def _execute(
    load: Load, options: Behaviour, calibration: Calibration | None, say: Say, endpoint: MetricsEndpoint | None
) -> Result:
    reachable(load.target)
    logging.getLogger("locust").setLevel(logging.ERROR)
    users = OPEN if load.open_loop else options.transport
    environment = Environment(host=load.target.url, stop_timeout=options.patience, user_classes=[user_class(users)])
    arrivals = Arrivals(load.plan, load.poisson, random.getrandbits(32)) if load.open_loop else None
    stop = Event()
    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(gevent.signal_handler(number, stop.set).cancel)
        if load.processes:
            environment.create_master_runner("127.0.0.1", 0)
        else:
            environment.create_local_runner()
        runner: Any = environment.runner
        run = LocustRun(environment, options, arrivals)
        if load.processes:
            stack.enter_context(fleet.workers(runner, load.processes, users, options))
        else:
            stack.callback(run.open().close)
        stack.callback(runner.quit)  # before workers and the generator end, whatever happens
        started = time.time()

        def result(ended: bool | Overload) -> Result:
            meta = _meta(load, options, started, ended is True)
            if isinstance(ended, Overload):
                meta["overload"] = ended.to_json()
            if run.registry is not None:
                meta["crew"] = run.registry.to_json()
            provider = options.provider_url is not None
            return Result.of(meta, run.collect(), calibration, list(options.objectives), provider=provider)

        if endpoint is not None:
            endpoint.show(lambda: (result(False), None if load.processes else len(run.open().live), False))
        with LoadGenerator.quiet():
            _start(environment, load)
            ended = _watch(run, load, calibration, stop, say)
        if ended:
            environment.stop_timeout = min(1.0, options.patience)
        runner.quit()
        whole = result(ended)
        if endpoint is not None:
            endpoint.show(lambda: (whole, 0, True))
    return whole


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _silence(text: str) -> None:
    """Say nothing."""


def _start(environment: Environment, load: Load) -> None:
    runner = environment.runner
    assert runner is not None
    if load.open_loop:
        runner.start(max(1, load.processes), SPAWN_RATE)  # one to each worker
    elif load.plan.shape == "constant":
        users = max(1, round(load.plan.peak))
        runner.start(users, min(SPAWN_RATE, max(1.0, users / min(2.0, load.plan.duration / 4))))
    else:
        environment.shape_class = ClosedLoopShape(load.plan)
        environment.shape_class.runner = runner
        runner.start_shape()


def _watch(run: LocustRun, load: Load, calibration: Calibration | None, stop: Event, say: Say) -> bool | Overload:
    """Print progress once a second until the plan is over. True where the run was interrupted; an Overload where it was
    to end because of one."""
    began, warm_up = time.monotonic(), run.options.warm_up
    saturation = Saturation(load.plan, run.started, warm_up) if load.stop_saturated else None
    while (over := time.monotonic() - began - load.plan.duration) < (LATE if load.open_loop else 0):
        if over >= 0 and run.is_played:
            break
        if stop.wait(min(1.0, -over) if over < 0 else 0.1):
            return True
        if over >= 0:
            continue  # the last streams of an open loop are still to start
        metrics, at = run.collect(), time.monotonic() - began
        say(progress(metrics, at, None if load.processes else len(run.open().live)) + ("  warm-up" * (at < warm_up)))
        if saturation is not None:
            error = ClientError.of(calibration, metrics).largest
            if (overload := saturation.look(at, metrics, error)) is not None:
                say(f"the server falls behind: the run ends after {at:.0f} s")
                return overload
        if run.registry is not None and not run.registry.left:
            say("no worker is left: the run ends")
            return True
    return False


def progress(metrics: Metrics, at: float, live: int | None) -> str:
    """One progress line. `live`: open streams; None where only the workers know."""
    now = max(metrics.series, default=0)
    last = metrics.series.get(now - 1)
    ttft = metrics.histograms.get("ttft")
    p50, p95 = ttft.percentiles((50, 95)) if ttft is not None else (None, None)
    over = metrics.outcomes.total()
    return (
        f"{at:6.0f} s  {'    ?' if live is None else f'{live:5}'} under way  {over:6} over  {metrics.failed:5} failed  "
        f"{metrics.outcomes['refused 429']:5} refused 429  {last.tokens if last else 0:6} tokens/s  "
        f"first token {shown(p50, 's')} (p50) {shown(p95, 's')} (p95)"
    )


def _meta(load: Load, options: Behaviour, started: float, interrupted: bool) -> dict[str, Any]:
    return {
        "url": load.target.url,
        "transport": options.transport,
        "api": options.api.name,
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
        "warm_up": options.warm_up,
        "workers": max(1, load.processes),
        "versions": {
            "chatproof": VERSION,
            "locust": locust.__version__,
            "gevent": gevent.__version__,
            "python": platform.python_version(),
        },
    }
