"""`chatproof load`: run, calibrate, search, compare."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.target import Target
from chatproof.loadtests.behaviour import TRANSPORTS, Behaviour
from chatproof.loadtests.client_error import Calibration
from chatproof.loadtests.compare import FEWEST, THRESHOLD, Side, compare
from chatproof.loadtests.load_plan import SHAPES, LoadPlan
from chatproof.loadtests.objectives import DEFAULT
from chatproof.loadtests.readers.http_reader import Limits
from chatproof.loadtests.readers.stamped_connection import reachable
from chatproof.loadtests.result import Result, summary

MOST_CALIBRATED = 1000
MOST_PROCESSES = 64
SMALLEST_CALIBRATED = 16  # a search that begins below has no use for more steps
RUN_HELP = f"""\
Load a server, and judge it by objectives.
  chatproof load run --host http://127.0.0.1:5000 --users 50 --duration 60
  chatproof load run --host URL --rate 20 --poisson --slo 'ttft_p95<800ms,inter_token_p99<200ms'
  chatproof load run --start "python server.py {{port}}" --message "scenario paced"

exit codes: 0 all objectives kept; 1 one is missed; 2 the client could not judge (no server, a broken option,
interrupted, or its own error is more than a tenth of an objective). Without --slo: {DEFAULT}"""


COMPARE_HELP = f"""\
Say whether run B is worse than run A: its percentiles, with the bootstrap's 95 % interval on the difference, widened
by both clients' own errors. Figures below the threshold, or within the interval, are the same. The share of
complete streams may fall by one point.

exit codes: 0 nothing is worse; 1 a figure is; 2 the runs cannot be compared (another load, fewer than {FEWEST}
streams, not whole)"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and give its exit code."""
    try:
        given = _parser().parse_args(arguments)
        code: int = given.do(given)
    except ChatproofError as error:
        sys.stderr.write(f"chatproof load: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chatproof load", description="Load tests that know their own error.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    raw = argparse.RawDescriptionHelpFormatter
    run = commands.add_parser("run", help="load a server and judge it", description=RUN_HELP, formatter_class=raw)
    run.set_defaults(do=_run)
    _add_target(run)
    run.add_argument("--users", type=float, help="closed loop: so many users, each with one stream at a time (10)")
    run.add_argument("--rate", type=float, help="open loop: so many streams a second, however slow the server is")
    run.add_argument("--poisson", action="store_true", help="with --rate: random arrivals, as of people")
    run.add_argument("--shape", choices=SHAPES, default="constant", help="how the load goes over time")
    run.add_argument("--duration", type=_seconds, default=60.0, help="such as 20, 90s, 5m, 2h (60 s)")
    run.add_argument("--json", type=Path, help="write the result document here")
    run.add_argument("--csv", help="write PREFIX_metrics.csv and PREFIX_series.csv")
    run.add_argument("--report-html", type=Path, help="write the report here, one file")
    run.add_argument("--report-prometheus", type=Path, help="write the metrics here as Prometheus text")
    run.add_argument("--processes", type=int, default=0, help="so many worker processes share the load (none)")
    calibration = commands.add_parser("calibrate", help="measure the client's own error")
    calibration.set_defaults(do=_calibrate)
    calibration.add_argument("--users", type=int, default=50, help="streams at the same time (50)")
    calibration.add_argument("--transport", choices=("sse", "socketio"), default="sse")
    searching = commands.add_parser("search", help="find the highest rate that keeps the objectives")
    searching.set_defaults(do=_search)
    _add_target(searching)
    searching.add_argument("--from", dest="first", type=float, default=1.0, help="streams a second to begin with (1)")
    searching.add_argument("--to", dest="most", type=float, default=1000.0, help="streams a second at most (1000)")
    searching.add_argument("--each", type=_seconds, default=15.0, help="how long each rate is tried (15 s)")
    searching.add_argument("--poisson", action="store_true", help="random arrivals, as of people")
    searching.add_argument("--json", type=Path, help="write the best rate's result document here")
    comparing = commands.add_parser(
        "compare", help="say whether B is worse than A", description=COMPARE_HELP, formatter_class=raw
    )
    comparing.set_defaults(do=_compare)
    comparing.add_argument("before", type=Path, metavar="A.json", help="result document of the run before")
    comparing.add_argument("after", type=Path, metavar="B.json", help="result document of the run after")
    comparing.add_argument(
        "--threshold", type=float, default=THRESHOLD, help=f"per cent that are no regression yet ({THRESHOLD:g})"
    )
    return parser


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-calibration", action="store_true", help="do not measure the client's own error first")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--host", help="the server's URL")
    where.add_argument("--start", metavar="COMMAND", help="start it, {port} filled in, with fake providers behind it")
    parser.add_argument("--scripts", action="append", default=[], help="with --start: a folder of further scripts")
    parser.add_argument("--transport", choices=TRANSPORTS, default="sse", help="how users ask (sse)")
    parser.add_argument("--messages", help="file of messages, one a line")
    parser.add_argument("--message", help="the one message to send")
    parser.add_argument("--jwt", help="a JWT, or @FILE with one a line")
    parser.add_argument("--think", default="0", help="seconds between asks, such as 2 or 1..5 (0)")
    parser.add_argument("--provider-url", help="the fake providers behind the server: adds what the server adds")
    parser.add_argument("--slo", default=DEFAULT, help="objectives, such as ttft_p95<1s,tokens_per_second_p5>5")
    parser.add_argument("--silence", type=_seconds, default=30.0, help="a stream that is silent so long failed (30 s)")
    parser.add_argument(
        "--drain", type=_seconds, default=10.0, help="streams may take so long to end at the end (10 s)"
    )


def _seconds(text: str) -> float:
    factors = {"s": 1, "m": 60, "h": 3600}
    number, factor = (text[:-1], factors[text[-1]]) if text[-1:] in factors else (text, 1)
    try:
        value = float(number) * factor
    except ValueError:
        value = math.nan
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r} is no time, such as 20, 90s, 5m or 2h")
    return value


def _options(given: argparse.Namespace, provider_url: str | None) -> Behaviour:
    return Behaviour.read(
        transport=given.transport,
        messages=given.messages,
        message=given.message,
        jwt=given.jwt,
        think=given.think,
        provider_url=provider_url,
        slo=given.slo,
        limits=Limits(silence=given.silence),
        patience=given.drain,
    )


def _reachable(given: argparse.Namespace) -> None:
    """Look whether the server listens before Locust is loaded, which takes most of a second."""
    if given.host is not None:
        reachable(Target.parse(given.host))


def _where(given: argparse.Namespace, stack: ExitStack) -> tuple[Target, str | None]:
    if given.start is None:
        return Target.parse(given.host), given.provider_url
    from chatproof.loadtests.managed_server import managed_server

    target, fakes_url = stack.enter_context(managed_server(given.start, tuple(given.scripts)))
    return target, given.provider_url or fakes_url


def _measured(transport: str, streams: float) -> Calibration:
    from chatproof.loadtests.calibration.calibrate import calibrate, told

    kind = "socketio" if transport.startswith("socket") else "sse"
    calibration = calibrate(kind, max(1, min(MOST_CALIBRATED, math.ceil(streams))))
    sys.stderr.write(f"{told(calibration)}\n")
    return calibration


def _run(given: argparse.Namespace) -> int:
    if given.users is not None and given.rate is not None:
        raise ChatproofError("--users and --rate exclude each other: a closed loop has users, an open one a rate")
    if given.poisson and given.rate is None:
        raise ChatproofError("--poisson needs --rate")
    if not 0 <= given.processes <= MOST_PROCESSES:
        raise ChatproofError(f"--processes: 0 to {MOST_PROCESSES}")
    plan = LoadPlan(given.rate or given.users or 10.0, given.duration, given.shape)
    _options(given, None)  # what is wrong with the options is said before anything is started
    _writable(given)
    _reachable(given)
    from chatproof.loadtests.headless_run import Load, execute

    with ExitStack() as stack:
        target, provider_url = _where(given, stack)
        options = _options(given, provider_url)
        # of an open loop nobody knows how many streams there will be at a time: those of two seconds, say
        streams = plan.peak * (2 if given.rate else 1) / max(1, given.processes)
        calibration = None if given.no_calibration else _measured(given.transport, streams)
        load = Load(target, plan, given.rate is not None, given.poisson, given.processes)
        result = execute(load, options, calibration)
        _write(given, result)
        sys.stdout.write(f"{summary(result)}\n{_conclusion(result)}\n")
    return 2 if result.meta["interrupted"] else result.exit_code


def _conclusion(result: Result) -> str:
    if result.meta["interrupted"]:
        return "chatproof load: INTERRUPTED: these are the figures so far"
    total = result.metrics.outcomes.total()
    if not result.is_whole and result.exit_code == 2:
        gone = len({**result.meta["crew"]["lost"], **result.meta["crew"]["refused"]})
        return f"chatproof load: NOT JUDGED: {gone} of {result.meta['workers']} workers' figures are missing"
    if result.metrics.complete_share == 0:
        common = next(iter(result.metrics.details.most_common(1)), ("no reason given", 0))[0]
        return f"chatproof load: MISSED: no stream of {total} was complete; {common}"
    if result.metrics.complete_share is None and (limited := result.metrics.outcomes["refused 429"]):
        return (
            f"chatproof load: NOT JUDGED: {limited} streams were refused with 429 and none was let in: ask less often"
        )
    return f"chatproof load: {result.verdict.upper()}: {total} streams in {result.meta['seconds']:.0f} s"


def _writable(given: argparse.Namespace) -> None:
    paths = {
        "--json": given.json,
        "--csv": Path(given.csv) if given.csv else None,
        "--report-html": given.report_html,
        "--report-prometheus": given.report_prometheus,
    }
    for name, path in paths.items():
        if path is not None and not path.resolve().parent.is_dir():
            raise ChatproofError(f"{name}: there is no folder {path.resolve().parent}")
        if path is not None and path.is_dir():
            raise ChatproofError(f"{name}: {path} is a folder")


def _write(given: argparse.Namespace, result: Result) -> None:
    from chatproof.loadtests.prometheus import write_prometheus
    from chatproof.loadtests.reporting.load_report import write_html

    try:
        if given.json:
            result.write_json(given.json)
        if given.csv:
            result.write_csv(given.csv)
        if given.report_html:
            write_html(result, given.report_html)
        if given.report_prometheus:
            write_prometheus(result, given.report_prometheus)
    except OSError as error:
        raise ChatproofError(f"cannot write {error.filename}: {error.strerror}") from error


def _compare(given: argparse.Namespace) -> int:
    if not 0 <= given.threshold < 1000:
        raise ChatproofError("--threshold: per cent, 0 or more")
    compared = compare(Side.read(given.before), Side.read(given.after), given.threshold)
    worse = [one.name for one in compared.differences if one.verdict == "worse"]
    said = f"WORSE: {', '.join(worse)}" if worse else "nothing is worse"
    sys.stdout.write(f"{compared.text()}\nchatproof load compare: {said}\n")
    return compared.exit_code


def _calibrate(given: argparse.Namespace) -> int:
    if not 1 <= given.users <= MOST_CALIBRATED:
        raise ChatproofError(f"--users: 1 to {MOST_CALIBRATED} streams can be calibrated")
    import locust  # noqa: F401  # its patches are part of what is measured

    _measured(given.transport, given.users)
    return 0


def _search(given: argparse.Namespace) -> int:
    if not 0 < given.first <= given.most:
        raise ChatproofError("--from must be above 0 and not above --to")
    _options(given, None)
    _reachable(given)
    from chatproof.loadtests.headless_run import Load, execute
    from chatproof.loadtests.rate_search import search

    with ExitStack() as stack:
        target, provider_url = _where(given, stack)
        options = _options(given, provider_url)
        calibrations: dict[int, Any] = {}

        def trial(rate: float) -> Result:
            size = 2 ** math.ceil(math.log2(max(SMALLEST_CALIBRATED, rate * 2)))
            if size not in calibrations:
                calibrations[size] = None if given.no_calibration else _measured(given.transport, size)
            load = Load(target, LoadPlan(rate, given.each), open_loop=True, poisson=given.poisson)
            return execute(load, options, calibrations[size], quiet=True)

        found = search(trial, given.first, given.most, tell=lambda line: print(line, file=sys.stderr))  # noqa: T201
        if found.best_result is not None:
            if given.json:
                found.best_result.write_json(given.json)
            sys.stdout.write(f"{summary(found.best_result)}\n")
        best = f"{found.best:.3g} streams/s" if found.best is not None else "none"
        sys.stdout.write(f"chatproof load: highest rate that keeps the objectives: {best} ({found.why})\n")
    return 0 if found.best is not None else found.tried[-1][1]
