"""`chatproof load`: run, calibrate, search, compare, locustfile."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from chatproof.harness.common.errors import ChatproofError
from chatproof.harness.common.redaction import redacted
from chatproof.harness.common.suggestions import SuggestingParser
from chatproof.harness.common.target import Target
from chatproof.loadtests.client_error import MOST_CALIBRATED
from chatproof.loadtests.compare import FEWEST, THRESHOLD, Side, compare
from chatproof.loadtests.load_options import add_options, read_behaviour
from chatproof.loadtests.load_plan import LoadPlan
from chatproof.loadtests.readers.stamped_connection import reachable
from chatproof.loadtests.repeats import MOST_RUNS
from chatproof.loadtests.result import Result
from chatproof.loadtests.run_summary import summary

_FILES = ("report-json", "csv", "report-html", "report-prometheus")
MOST_PROCESSES = 64
SMALLEST_CALIBRATED = 16  # streams: the smallest calibration of a search
RUN_HELP = """\
Load a server and judge it by objectives.
  chatproof load run --host http://127.0.0.1:5000 --users 50 --duration 60
  chatproof load run --host URL --rate 20 --poisson --slo 'ttft_p95<800ms,inter_token_p99<200ms'
  chatproof load run --start "python server.py {port}" --message "scenario paced"

exit codes: 0 all objectives kept; 1 an objective missed; 2 not judged (no server, a wrong option, an interrupted run,
or a limit that lies within a figure's error, as 100 ms lies within 90 ms ± 20 ms)"""

SEARCH_HELP = """\
Find the highest rate of an open loop that keeps the objectives: double the rate until one is not kept, then halve the
gap until it is a tenth of the rate. A trial ends early when the server falls behind for good. The result is a rate with
an interval: from the highest rate that is kept to the lowest that is missed. Rates between them could not be judged.
  chatproof load search --host URL --from 5 --slo 'ttft_p95<800ms'

exit codes: 0 a rate was found; 1 even the lowest rate misses an objective; 2 not judged (as for `run`)"""

LOCUSTFILE_HELP = """\
Print the path of the locustfile, for those who run Locust themselves:
  locust -f "$(chatproof load locustfile)" --host URL
It has the options of `chatproof load run`, by the same names. docs/load.md shows users of your own."""
COMPARE_HELP = f"""\
Say whether run B is worse than run A. Percentiles are compared by the 95 % bootstrap interval of their difference,
widened by the error of both clients. A difference counts where the interval excludes zero and the change is above the
threshold. The share of complete streams may fall by one percentage point.

exit codes: 0 nothing is worse; 1 a figure is worse; 2 the runs cannot be compared (different loads, fewer than
{FEWEST} streams, an interrupted run)"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and give its exit code."""
    try:
        given = _parser().parse_args(arguments)
        code: int = given.do(given)
    except ChatproofError as error:
        sys.stderr.write(f"chatproof load: {redacted(str(error))}\n")
        return 2
    except KeyboardInterrupt:
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = SuggestingParser(prog="chatproof load", description="Load tests that know their own error.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    raw = argparse.RawDescriptionHelpFormatter
    run = commands.add_parser("run", help="load a server and judge it", description=RUN_HELP, formatter_class=raw)
    run.set_defaults(do=_run)
    _add_target(run)
    add_options(run, ("users", "rate", "poisson", "shape", "duration", "warm-up", "runs", "stop-when-saturated"))
    add_options(run, ("processes", "report-json", "csv", "report-html", "report-prometheus", "prometheus-port"))
    calibration = commands.add_parser("calibrate", help="measure the client's own error")
    calibration.set_defaults(do=_calibrate)
    calibration.add_argument("--users", type=int, default=50, help="streams at the same time (default: 50)")
    calibration.add_argument(
        "--transport", choices=("sse", "socketio"), default="sse", help="which client to measure (default: sse)"
    )
    searching = commands.add_parser(
        "search", help="find the highest rate that keeps the objectives", description=SEARCH_HELP, formatter_class=raw
    )
    searching.set_defaults(do=_search)
    _add_target(searching)
    add_options(searching, ("from", "to", "each", "poisson", "warm-up", "runs", "report-json", "report-html"))
    locating = commands.add_parser(
        "locustfile",
        help="print the path of the locustfile, for locust -f",
        description=LOCUSTFILE_HELP,
        formatter_class=raw,
    )
    locating.set_defaults(do=_locustfile)
    comparing = commands.add_parser(
        "compare", help="say whether B is worse than A", description=COMPARE_HELP, formatter_class=raw
    )
    comparing.set_defaults(do=_compare)
    comparing.add_argument("before", type=Path, metavar="A.json", help="result document of the run before")
    comparing.add_argument("after", type=Path, metavar="B.json", help="result document of the run after")
    comparing.add_argument(
        "--threshold",
        type=float,
        default=THRESHOLD,
        help=f"a change of up to this many per cent is not a regression (default: {THRESHOLD:g})",
    )
    return parser


def _add_target(parser: argparse.ArgumentParser) -> None:
    add_options(parser.add_mutually_exclusive_group(required=True), ("host", "start"))
    add_options(parser, ("scripts", "api", "api-path", "api-model", "config"))
    add_options(parser, ("transport", "messages", "message", "jwt", "think", "provider-url"))
    add_options(parser, ("silence", "drain", "slo", "no-calibration"))


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


def _run(given: argparse.Namespace) -> int:
    if given.users is not None and given.rate is not None:
        raise ChatproofError("give --users (closed loop) or --rate (open loop), not both")
    if given.poisson and given.rate is None:
        raise ChatproofError("--poisson needs --rate: only an open loop has arrivals")
    if given.stop_when_saturated and (given.rate is None or given.shape != "constant"):
        raise ChatproofError("--stop-when-saturated needs --rate and --shape constant")
    if not 0 <= given.processes <= MOST_PROCESSES:
        raise ChatproofError(f"--processes must be 0 to {MOST_PROCESSES}")
    _repeatable(given, "--duration", given.duration)
    plan = LoadPlan(given.rate or given.users or 10.0, given.duration, given.shape)
    read_behaviour(vars(given), None)  # what is wrong with the options is said before anything is started
    _writable(given)
    _reachable(given)
    from chatproof.loadtests.calibration.calibrate import measured
    from chatproof.loadtests.headless_run import Load, execute
    from chatproof.loadtests.metrics_endpoint import serving
    from chatproof.loadtests.result_files import write_files

    with ExitStack() as stack:
        endpoint = None
        if given.prometheus_port is not None:
            endpoint = stack.enter_context(serving(given.prometheus_port))
            sys.stderr.write(f"live figures for Prometheus: {endpoint.url}\n")
        target, provider_url = _where(given, stack)
        behaviour = read_behaviour(vars(given), provider_url)
        # how many streams an open loop has at a time is not known beforehand: assume those of two seconds
        streams = plan.peak * (2 if given.rate else 1) / max(1, given.processes)
        calibration = None if given.no_calibration else measured(given.transport, streams)
        load = Load(target, plan, given.rate is not None, given.poisson, given.processes, given.stop_when_saturated)
        result = execute(load, behaviour, calibration, runs=given.runs, endpoint=endpoint)
        write_files(result, vars(given))
        sys.stdout.write(f"{summary(result)}\n{_conclusion(result)}\n")
    return 2 if result.meta["interrupted"] else result.exit_code


def _repeatable(given: argparse.Namespace, name: str, duration: float) -> None:
    if given.warm_up >= duration:
        raise ChatproofError(f"--warm-up must be shorter than {name}: nothing would be measured")
    if not 1 <= given.runs <= MOST_RUNS:
        raise ChatproofError(f"--runs must be 1 to {MOST_RUNS}")


def _conclusion(result: Result) -> str:
    if result.meta["interrupted"]:
        return "chatproof load: INTERRUPTED: the figures so far are above"
    total = result.metrics.outcomes.total()
    if not result.is_whole and result.exit_code == 2:
        gone = len({**result.meta["crew"]["lost"], **result.meta["crew"]["refused"]})
        return f"chatproof load: NOT JUDGED: {gone} of {result.meta['workers']} workers' figures are missing"
    if not total and (left_out := result.metrics.trust["warm-up"]):
        return f"chatproof load: NOT JUDGED: all {left_out} streams began during --warm-up: use a longer --duration"
    if result.metrics.complete_share == 0:
        common = next(iter(result.metrics.details.most_common(1)), ("no reason given", 0))[0]
        return f"chatproof load: MISSED: no stream of {total} was complete; {common}"
    if result.metrics.complete_share is None and (limited := result.metrics.outcomes["refused 429"]):
        return f"chatproof load: NOT JUDGED: all {limited} streams were refused with 429: use a lower rate"
    return f"chatproof load: {result.verdict.upper()}: {total} streams in {result.meta['seconds']:.0f} s"


def _writable(given: argparse.Namespace) -> None:
    for name in _FILES:
        if not (text := getattr(given, name.replace("-", "_"), None)):
            continue
        path = Path(text)
        if not path.resolve().parent.is_dir():
            raise ChatproofError(f"--{name}: the folder {path.resolve().parent} does not exist")
        if path.is_dir():
            raise ChatproofError(f"--{name}: {path} is a folder")


def _locustfile(given: argparse.Namespace) -> int:
    sys.stdout.write(f"{Path(__file__).with_name('locustfile.py')}\n")
    return 0


def _compare(given: argparse.Namespace) -> int:
    if not 0 <= given.threshold < 1000:
        raise ChatproofError("--threshold must be a percentage from 0 to below 1000")
    compared = compare(Side.read(given.before), Side.read(given.after), given.threshold)
    worse = [one.name for one in compared.differences if one.verdict == "worse"]
    said = f"WORSE: {', '.join(worse)}" if worse else "nothing is worse"
    sys.stdout.write(f"{compared.text()}\nchatproof load compare: {said}\n")
    return compared.exit_code


def _calibrate(given: argparse.Namespace) -> int:
    if not 1 <= given.users <= MOST_CALIBRATED:
        raise ChatproofError(f"--users must be 1 to {MOST_CALIBRATED} for a calibration")
    import locust  # noqa: F401  # its patches of the standard library are part of what is measured

    from chatproof.loadtests.calibration.calibrate import measured

    measured(given.transport, given.users)
    return 0


def _search(given: argparse.Namespace) -> int:
    first, most = getattr(given, "from"), given.to
    if not 0 < first <= most:
        raise ChatproofError("--from must be above 0 and at most --to")
    _repeatable(given, "--each", given.each)
    read_behaviour(vars(given), None)
    _writable(given)
    _reachable(given)
    from chatproof.loadtests.calibration.calibrate import measured
    from chatproof.loadtests.headless_run import Load, execute
    from chatproof.loadtests.rate_search import search
    from chatproof.loadtests.result_files import write_files

    with ExitStack() as stack:
        target, provider_url = _where(given, stack)
        behaviour = read_behaviour(vars(given), provider_url)
        calibrations: dict[int, Any] = {}

        def trial(rate: float) -> Result:
            size = 2 ** math.ceil(math.log2(max(SMALLEST_CALIBRATED, rate * 2)))
            if size not in calibrations:
                calibrations[size] = None if given.no_calibration else measured(given.transport, size)
            load = Load(target, LoadPlan(rate, given.each), open_loop=True, poisson=given.poisson, stop_saturated=True)
            return execute(load, behaviour, calibrations[size], runs=given.runs, quiet=True)

        found = search(trial, first, most, tell=lambda line: print(line, file=sys.stderr))  # noqa: T201
        result = (found.best or found.tried[0]).result
        result.search = found.to_json()
        write_files(result, vars(given))
        sys.stdout.write(f"{summary(result)}\n{found.table()}\n")
        sys.stdout.write(f"chatproof load: highest rate that keeps the objectives: {found.answer}: {found.why}\n")
    return found.exit_code
