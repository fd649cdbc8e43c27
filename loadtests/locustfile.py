"""For Locust's own command: `locust -f loadtests/locustfile.py --host URL`.

Name user classes on the command line (`… ChatSocketIO SessionChat`), or choose by `--chat-transport` (default: sse).
`--chat-rate` makes the load an open loop. Options that Locust itself does not have begin with `--chat-`.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

from locust import events
from locust.runners import WorkerRunner

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.redaction import redacted
from chatproof.loadtests.client_error import Calibration
from chatproof.loadtests.load_options import add_locust_options, locust_values, read_behaviour
from chatproof.loadtests.load_plan import Arrivals, LoadPlan
from chatproof.loadtests.locust_run import LocustRun, run_of
from chatproof.loadtests.reporting.load_report import page
from chatproof.loadtests.result import Result, write_whole
from chatproof.loadtests.run_summary import summary
from chatproof.loadtests.shapes import OpenLoopShape, OpenLoopUser
from chatproof.loadtests.users import (
    CLOSED,
    ChatSocketIO,
    ChatSSE,
    Interrupter,
    PlainChat,
    SessionChat,
    SocketInterrupter,
)
from chatproof.loadtests.web.tab import add_tab

__all__ = ["ChatSSE", "ChatSocketIO", "Interrupter", "OpenLoopChat", "PlainChat", "SessionChat", "SocketInterrupter"]


class OpenLoopChat(OpenLoopUser):
    """Streams at a rate: set by `--chat-rate` and `--chat-transport`."""


_CLASSES: tuple[Any, ...] = (*CLOSED.values(), OpenLoopChat)


def _begin(environment: Any, **_: Any) -> None:
    given = environment.parsed_options
    is_worker = isinstance(environment.runner, WorkerRunner)
    try:
        options = read_behaviour(locust_values(given), given.chat_provider_url)
        arrivals = _arrivals(given)
        calibration = _calibrated(given, environment) if not is_worker else None
    except ChatproofError as error:
        sys.stderr.write(f"chatproof load: {redacted(str(error))}\n")
        sys.exit(2)
    _choose(given, arrivals is not None)
    run = LocustRun(environment, options, arrivals)
    run.calibration = calibration
    if arrivals is not None and not is_worker:
        environment.shape_class = OpenLoopShape(run)
        environment.shape_class.runner = environment.runner
    if environment.web_ui is not None:
        add_tab(environment.web_ui.app, environment.web_ui, lambda: _result(environment), given.web_base_path or "")


def _arrivals(given: Any) -> Arrivals | None:
    if not given.chat_rate:
        return None
    plan = LoadPlan(given.chat_rate, given.chat_seconds, given.chat_shape)
    return Arrivals(plan, given.chat_poisson, random.getrandbits(32))


def _kinds(given: Any) -> set[str]:
    """The user classes by name: those on the command line; in an open loop, or without any, that of the transport."""
    named = given.user_classes if given.user_classes and not given.chat_rate else ()
    return set(named or [CLOSED[given.chat_transport].__name__])


def _choose(given: Any, open_loop: bool) -> None:
    """Give weight only to the classes that take part: Locust spawns all classes of a file by weight."""
    kinds = _kinds(given)
    for one in _CLASSES:
        one.weight = int(one is OpenLoopChat if open_loop else one.__name__ in kinds)


def _calibrated(given: Any, environment: Any) -> Calibration | None:
    """Measure the client's own error where a verdict is wanted and the number of users is known beforehand."""
    if not given.chat_slo or not given.headless:
        return None
    from chatproof.loadtests.calibration.calibrate import measured

    workers = max(1, given.expect_workers or 1) if given.master else 1
    streams = (given.chat_rate * 2 if given.chat_rate else given.num_users or 1) / workers
    return measured("socketio" if _kinds(given) & {"ChatSocketIO", "SocketInterrupter"} else "sse", streams)


def _result(environment: Any) -> Result:
    run = run_of(environment)
    meta = {"url": environment.host or "", "started": run.started, "seconds": max(0.0, run.seconds)}
    meta |= {"transport": "locustfile", "interrupted": False, "workers": 1, "warm_up": run.options.warm_up}
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
            if given.chat_json:
                result.write_json(Path(given.chat_json))
            if given.chat_html:
                write_whole(Path(given.chat_html), page(result))
        except OSError as error:
            sys.stderr.write(f"chatproof load: cannot write {error.filename}: {error.strerror}\n")
    if given.chat_slo:
        environment.process_exit_code = result.exit_code
    elif not result.is_whole:
        environment.process_exit_code = 2  # some figures are missing: that must not pass unnoticed


listen: Any = events
listen.init_command_line_parser.add_listener(add_locust_options)
listen.init.add_listener(_begin)
listen.quitting.add_listener(_end)
