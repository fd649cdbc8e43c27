"""For Locust's own command: `locust -f "$(chatproof load locustfile)" --host URL`.

Name user classes on the command line (`… ChatSocketIO SessionChat`), or choose by `--transport` (default: sse).
`--rate` makes the load an open loop. Options have the names that they have in `chatproof load run`; where Locust has an
option of that name, Locust's counts. A locustfile of your own gets all of this by importing `ChatUser` from here.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from locust import events
from locust.runners import WorkerRunner

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.redaction import redacted
from chatproof.loadtests.client_error import Calibration
from chatproof.loadtests.load_options import OPTIONS, add_locust_options, locust_values, read_behaviour
from chatproof.loadtests.load_plan import Arrivals, LoadPlan
from chatproof.loadtests.locust_run import LocustRun, run_of
from chatproof.loadtests.result import Result
from chatproof.loadtests.result_files import write_files
from chatproof.loadtests.run_summary import summary
from chatproof.loadtests.shapes import ClosedLoopShape, OpenLoopShape, OpenLoopUser
from chatproof.loadtests.users import (
    CLOSED,
    ChatSocketIO,
    ChatSSE,
    ChatUser,
    Interrupter,
    PlainChat,
    SessionChat,
    SocketInterrupter,
)
from chatproof.loadtests.web.tab import add_tab

__all__ = [
    "ChatSSE",
    "ChatSocketIO",
    "ChatUser",
    "Interrupter",
    "OpenLoopChat",
    "PlainChat",
    "SessionChat",
    "SocketInterrupter",
]


class OpenLoopChat(OpenLoopUser):
    """Streams at a rate: set by `--rate` and `--transport`."""


_CLASSES: tuple[Any, ...] = (*CLOSED.values(), OpenLoopChat)


def _begin(environment: Any, **_: Any) -> None:
    given = environment.parsed_options
    is_worker = isinstance(environment.runner, WorkerRunner)
    try:
        options = read_behaviour(locust_values(given), given.provider_url)
        plan = _plan(given, environment)
        calibration = _calibrated(given, environment) if not is_worker else None
    except ChatproofError as error:
        sys.stderr.write(f"chatproof load: {redacted(str(error))}\n")
        sys.exit(2)
    _choose(given)
    run = LocustRun(environment, options, plan if isinstance(plan, Arrivals) else None)
    run.calibration = calibration
    if plan is not None and not is_worker:
        environment.shape_class = OpenLoopShape(run) if isinstance(plan, Arrivals) else ClosedLoopShape(plan)
        environment.shape_class.runner = environment.runner
    elif given.duration and not given.run_time:
        given.run_time = given.duration
    if environment.web_ui is not None:
        add_tab(environment.web_ui.app, environment.web_ui, lambda: _result(environment), given.web_base_path or "")


def _plan(given: Any, environment: Any) -> Arrivals | LoadPlan | None:
    """How the load changes: an open loop, a closed one with a shape, or None: as Locust's own options say."""
    duration = given.duration or OPTIONS["duration"].default
    if given.rate:
        if not any(issubclass(one, OpenLoopUser) for one in environment.user_classes):
            raise ChatproofError(
                "--rate: the locustfile has no OpenLoopChat, which plays an open loop; import it there"
            )
        return Arrivals(LoadPlan(given.rate, duration, given.shape), given.poisson, random.getrandbits(32))
    if given.poisson:
        raise ChatproofError("--poisson needs --rate: only an open loop has arrivals")
    return LoadPlan(given.num_users or 1, duration, given.shape) if given.shape != "constant" else None


def _kinds(given: Any) -> set[str]:
    """The user classes by name: those on the command line; in an open loop, or without any, that of the transport."""
    named = given.user_classes if given.user_classes and not given.rate else ()
    return set(named or [CLOSED[given.transport].__name__])


def _choose(given: Any) -> None:
    """Give weight only to the classes that take part: Locust spawns all classes of a file by weight."""
    kinds = _kinds(given)
    for one in _CLASSES:
        one.weight = int(one is OpenLoopChat if given.rate else one.__name__ in kinds)


def _calibrated(given: Any, environment: Any) -> Calibration | None:
    """Measure the client's own error where a verdict is wanted and the number of users is known beforehand."""
    if not given.slo or not given.headless or given.no_calibration:
        return None
    from chatproof.loadtests.calibration.calibrate import measured

    workers = max(1, given.expect_workers or 1) if given.master else 1
    streams = (given.rate * 2 if given.rate else given.num_users or 1) / workers
    taking_part = [one for one in environment.user_classes if one.__name__ in _kinds(given) or one not in _CLASSES]
    over_sockets = any(getattr(one, "over_sockets", False) for one in taking_part) or given.transport.startswith(
        "socket"
    )
    return measured("socketio" if over_sockets else "sse", streams)


def _result(environment: Any) -> Result:
    run = run_of(environment)
    meta = {"url": environment.host or "", "started": run.started, "seconds": max(0.0, run.seconds)}
    meta |= {"transport": "locustfile", "api": run.options.api.name, "interrupted": False, "workers": 1}
    meta |= {"warm_up": run.options.warm_up}
    if run.registry is not None:
        meta |= {"workers": len(run.registry.begun), "crew": run.registry.to_json()}
    provider = run.options.provider_url is not None
    return Result.of(meta, run.collect(), run.calibration, list(run.options.objectives), provider=provider)


def _end(environment: Any, **_: Any) -> None:
    if getattr(environment, "chatproof", None) is None or isinstance(environment.runner, WorkerRunner):
        return
    given = environment.parsed_options
    result = _result(environment)
    if result.metrics.outcomes:
        sys.stderr.write(f"{summary(result)}\n")
        try:
            write_files(result, {**vars(given), "csv": given.csv_prefix})
        except ChatproofError as error:
            sys.stderr.write(f"chatproof load: {error}\n")
    if given.slo:
        environment.process_exit_code = result.exit_code
    elif not result.is_whole:
        environment.process_exit_code = 2  # some figures are missing: that must not pass unnoticed


listen: Any = events
listen.init_command_line_parser.add_listener(add_locust_options)
listen.init.add_listener(_begin)
listen.quitting.add_listener(_end)
