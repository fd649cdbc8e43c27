"""`python -m bench`: measurements beside peers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import compatibility, first_verdict, install, journal, lines, steady
from bench.peers import default_folder

_MEASUREMENTS = {
    "fakes": (
        "how fast the fake providers stream, and how exactly they keep their pace",
        "Stream a completion of 100 tokens from our fake providers, from npm @copilotkit/aimock, from PyPI llmock and"
        " from a bare uvloop protocol, on one core each, and print tables in Markdown. Takes about three minutes on a"
        " machine that runs nothing else.",
    ),
    "reference": (
        "how fast the reference server streams, how much latency it adds, and how much memory it uses",
        "Stream replies of the fake providers through the reference server, through a Starlette proxy and through a"
        " threaded Flask proxy of the same API, on one core each, and print tables in Markdown; at last, the number of"
        " streams that each passes on in time. Takes about 12 minutes on a machine that runs nothing else.",
    ),
    "load": (
        "the measurement error of load-test clients",
        "Play a known script over SSE and Socket.IO to our load-test clients and to Locust's own, server and client on"
        " one core each, and print the error of each client's times; at last, the number of streams that each reads in"
        " time. Takes about 12 minutes on a machine that runs nothing else.",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; it prints tables in Markdown.

    Returns the exit code: 0, 1 where a server failed while it was measured, 2 for bad input, 130 for Ctrl-C.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measurements side by side with peers.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (about, description) in _MEASUREMENTS.items():
        command = commands.add_parser(name, help=about, description=description)
        command.add_argument("--quick", action="store_true", help="run one short round, to see that it works")
        if name != "fakes":
            about = "measure only how many streams at a time each can bear"
            command.add_argument("--only", choices=["capacity"], help=about)
        if name != "load":
            command.add_argument(
                "--peers",
                type=Path,
                default=default_folder(),
                metavar="DIR",
                help="folder in which to install the peers, once (default: %(default)s)",
            )
    about = "the CPU time that the load tests' readers take for each token"
    description = f"Read 500 streams of the calibration server and print {about}, with and without parsing."
    stamping = commands.add_parser("stamping", help=about, description=description)
    stamping.add_argument("--quick", action="store_true", help="few streams, one turn, to see that it works")
    stamping.add_argument("--beside", type=Path, metavar="DIR", help="another checkout, measured in turn with this one")
    about = "the number of lines of product code"
    counting = commands.add_parser("lines", help=about, description=f"Print {about}, by folder and language.")
    counting.add_argument("checkout", nargs="?", type=Path, default=lines.ROOT, help="folder (default: this checkout)")
    about = "how many distributions and MB each way to install chatproof brings"
    description = (
        "Install the wheel into empty environments, without and with each extra, with the versions of constraints.txt,"
        f" and print {about}, and what each dependency brings. Takes a few minutes; needs the package index."
    )
    installing = commands.add_parser("install", help=about, description=description)
    installing.add_argument("--wheel", type=Path, metavar="FILE", help="wheel (default: built from this checkout)")
    about = "the road from an empty folder to the first verdict"
    description = (
        f"Walk {about} with a Node and a Python server and the wheel alone, as docs/first-verdict.md shows it."
        " Takes a few minutes; needs npm and the package index."
    )
    walking = commands.add_parser("first-verdict", help=about, description=description)
    walking.add_argument("--wheel", type=Path, metavar="FILE", help="wheel (default: built from this checkout)")
    walking.add_argument("--only", action="append", choices=tuple(first_verdict.WALKS), help="walk (default: all)")
    walking.add_argument("--write", action="store_true", help="write what was seen into the page (default: print it)")
    about = "whether any row's verdict changes over many full runs, some of them beside busy processes"
    description = f"Run the suite again and again, and print {about}. A run against the reference server takes 70 s."
    repeating = commands.add_parser("steady", help=about, description=description)
    repeating.add_argument("--runs", type=int, default=20, help="full runs (default: %(default)s)")
    repeating.add_argument("--busy", type=int, default=5, help="how many of them are disturbed (default: %(default)s)")
    repeating.add_argument("--start", default=steady.REFERENCE, help="the server (default: the reference server)")
    repeating.add_argument("options", nargs="*", metavar="OPTION", help="after --: more options of `chatproof check`")
    about = "what a question to the fakes' journal costs, with our connections and with httpx"
    commands.add_parser("journal", help=about, description=f"Print {about}, taken in turn. Takes ten seconds.")
    about = "what large client libraries do with the fakes"
    description = f"Install large client libraries apart from the project, and write down {about}. Needs npm."
    driving = commands.add_parser("clients", help=about, description=description)
    driving.add_argument(
        "--clients",
        type=Path,
        default=default_folder() / "clients",
        metavar="DIR",
        help="folder in which to install the clients, once (default: %(default)s)",
    )
    driving.add_argument(
        "--report", type=Path, default=compatibility.REPORT, metavar="FILE", help="report (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        if options.command == "steady":
            return steady.run(options.runs, options.busy, options.start, options.options)
        if options.command == "clients":
            return compatibility.run(options.clients.absolute(), options.report)
        if options.command == "first-verdict":
            return first_verdict.run(options.wheel, options.only or [], options.write)
        if options.command == "install":
            return install.run(options.wheel)
        if options.command == "journal":
            return journal.run()
        return lines.run(options.checkout) if options.command == "lines" else _measure(options)
    except KeyboardInterrupt:
        return 130


def _measure(options: argparse.Namespace) -> int:
    from bench import fakes, load, reference, reference_results, results, stamping  # `lines` does without uvloop

    if options.command == "stamping":
        return stamping.run(options.quick, options.beside)
    if options.command == "load":
        return load.run(options.quick, bool(options.only))
    peers = options.peers.absolute()
    if options.command == "fakes":
        return fakes.run(results.QUICK if options.quick else results.FULL, peers)
    size = reference_results.QUICK if options.quick else reference_results.FULL
    return reference.run(size, peers, bool(options.only))


if __name__ == "__main__":
    sys.exit(main())
